//! How a stored shape of an earlier release becomes today's.
//!
//! Each shape names the one before it and how to get from there to here; decoding walks back until a version fits. An
//! old shape stays in the code, beside the new one, for as long as a journal may hold it. This file knows no shape.

use serde::de::DeserializeOwned;

use super::Flaw;
use crate::domain::limits;

/// A stored shape with its place in the chain of versions.
pub(super) trait Migrate: DeserializeOwned {
    /// The marker in front of bytes of this shape.
    const VERSION: u8;
    /// The shape of the release before.
    type Previous: Migrate;

    /// Makes this shape of the one before.
    fn migrate(previous: Self::Previous) -> Self;

    /// Reads bytes of this version or any earlier one.
    fn decode(version: u8, bytes: &[u8]) -> Result<Self, Flaw> {
        if version == Self::VERSION {
            return unpack(bytes);
        }
        if version > Self::VERSION || Self::VERSION == 0 {
            return Err(Flaw::new(format!("unknown version {version}")));
        }
        Self::Previous::decode(version, bytes).map(Self::migrate)
    }
}

/// What came before the first version: nothing can be read as this.
#[derive(serde::Deserialize)]
pub(super) enum Nothing {}

impl Migrate for Nothing {
    const VERSION: u8 = 0;
    type Previous = Self;

    fn migrate(previous: Self) -> Self {
        previous
    }

    fn decode(version: u8, _bytes: &[u8]) -> Result<Self, Flaw> {
        Err(Flaw::new(format!("unknown version {version}")))
    }
}

fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Flaw> {
    let mut unpacker = rmp_serde::Deserializer::from_read_ref(bytes);
    unpacker.set_max_depth(limits::RECORD_DEPTH_MAX);
    T::deserialize(&mut unpacker).map_err(|error| Flaw::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct First {
        title: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Second {
        titles: Vec<String>,
    }

    impl Migrate for First {
        const VERSION: u8 = 1;
        type Previous = Nothing;

        fn migrate(previous: Nothing) -> Self {
            match previous {}
        }
    }

    impl Migrate for Second {
        const VERSION: u8 = 2;
        type Previous = First;

        fn migrate(previous: First) -> Self {
            Self { titles: vec![previous.title] }
        }
    }

    #[test]
    fn an_older_shape_is_read_as_todays() {
        let old = rmp_serde::to_vec_named(&First { title: "a".into() }).expect("encodes");
        assert_eq!(Second::decode(1, &old).expect("migrates"), Second { titles: vec!["a".into()] });
        let new = rmp_serde::to_vec_named(&Second { titles: vec!["b".into()] }).expect("encodes");
        assert_eq!(Second::decode(2, &new).expect("reads"), Second { titles: vec!["b".into()] });
    }

    #[test]
    fn versions_that_nobody_wrote_are_refused_by_number() {
        for version in [0, 3, 255] {
            assert_eq!(
                Second::decode(version, &[]).expect_err("refused"),
                Flaw::new(format!("unknown version {version}"))
            );
        }
    }
}
