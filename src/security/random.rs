//! The one source of randomness: the operating system's, through ring.
//!
//! The ground floor draws nothing itself; ids and secrets are drawn here and travel as data.

use ring::rand::{SecureRandom, SystemRandom};
use uuid::{Builder, Uuid};

use crate::domain::Timestamp;

/// The operating system refused to give random bytes. Nothing that depends on them may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes: check that getrandom(2) or /dev/urandom is available")]
pub struct NoRandomness;

/// So many random bytes.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A fresh UUID that sorts by the moment it was drawn (version 7), so that neighbours in time are neighbours on disk.
/// It names things; it is never a credential.
pub fn fresh_uuid(now: Timestamp) -> Result<Uuid, NoRandomness> {
    Ok(Builder::from_unix_timestamp_millis(now.0, &bytes()?).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_ids_differ_and_sort_by_time() {
        let earlier = fresh_uuid(Timestamp(1_000)).expect("random");
        let later = fresh_uuid(Timestamp(2_000)).expect("random");
        assert!(earlier < later);
        assert_ne!(later, fresh_uuid(Timestamp(2_000)).expect("random"));
        assert_eq!(later.get_version_num(), 7);
    }
}
