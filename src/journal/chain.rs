//! The SHA-256 chain over commits: how a link is made and how a journal is checked against its links.
//!
//! Knows digests of records, not records; where they come from is the business of each implementation.

use ring::digest::{Context, SHA256};

use super::{Commit, Fault, Verdict};
use crate::domain::{Epoch, Position, Timestamp};

/// A SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest(pub [u8; 32]);

impl Digest {
    pub(super) fn of(digest: &ring::digest::Digest) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

/// What a new journal's chain hangs on. A restored copy keeps the anchor it was born with.
pub(super) fn anchor(epoch: Epoch) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(b"rcs journal, first link");
    context.update(&epoch.0.to_be_bytes());
    Digest::of(&context.finish()).0
}

/// The link that closes a commit.
pub(super) fn link(
    previous: &[u8; 32],
    first: Position,
    last: Position,
    at: Timestamp,
    digests: impl IntoIterator<Item = Digest>,
) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(previous);
    for number in [first.0, last.0, at.0] {
        context.update(&number.to_be_bytes());
    }
    for digest in digests {
        context.update(&digest.0);
    }
    Digest::of(&context.finish()).0
}

/// A record as the check sees it.
#[derive(Debug)]
pub(super) struct Seal {
    pub position: Position,
    pub digest: Digest,
    pub forgotten: bool,
}

/// A check under way.
#[derive(Debug)]
pub(super) struct Audit {
    verdict: Verdict,
    next: Position,
}

impl Audit {
    pub(super) fn new(anchor: [u8; 32]) -> Self {
        let verdict = Verdict { records: 0, commits: 0, trimmed: 0, head: anchor, fault: None };
        Self { verdict, next: Position::ZERO.next() }
    }

    /// The position that the next commit must start with.
    pub(super) const fn next(&self) -> Position {
        self.next
    }

    /// Notes what is wrong. The first fault is kept: what follows it hangs on a broken chain.
    pub(super) fn fault(&mut self, position: Position, reason: impl Into<String>) {
        self.verdict.fault.get_or_insert_with(|| Fault { position, reason: reason.into() });
    }

    /// Checks one commit against its records. `false` when something is wrong: there is no point in going on.
    pub(super) fn commit(&mut self, commit: &Commit, seals: impl Iterator<Item = Result<Seal, Fault>>) -> bool {
        if let Err(fault) = self.walk(commit, seals) {
            self.verdict.fault.get_or_insert(fault);
            return false;
        }
        true
    }

    fn walk(&mut self, commit: &Commit, seals: impl Iterator<Item = Result<Seal, Fault>>) -> Result<(), Fault> {
        let Commit { first, last, at, link: stored } = *commit;
        let at_fault = |position, reason: String| Err(Fault { position, reason });
        if first != self.next || last < first {
            let reason = format!("the next commit covers {first} to {last}, but it must begin at {}", self.next);
            return at_fault(self.next, reason);
        }
        let mut digests = Vec::new();
        let mut expected = first;
        for seal in seals {
            let seal = seal?;
            if seal.position != expected {
                break;
            }
            self.verdict.trimmed += u64::from(seal.forgotten);
            digests.push(seal.digest);
            expected = expected.next();
        }
        if expected != last.next() {
            return at_fault(expected, "the record is missing".to_owned());
        }
        self.verdict.records += last.0 - first.0 + 1;
        let computed = link(&self.verdict.head, first, last, at, digests);
        if computed != stored {
            let reason = format!("the commit of {first} to {last} or one of its records is not what was written");
            return at_fault(first, reason);
        }
        self.verdict.commits += 1;
        self.verdict.head = computed;
        self.next = expected;
        Ok(())
    }

    pub(super) fn verdict(self) -> Verdict {
        self.verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_the_same_way_for_ever() {
        let anchor = anchor(Epoch(7));
        let digests = [Digest([1; 32]), Digest([2; 32])];
        let link = link(&anchor, Position(1), Position(2), Timestamp(1_763_719_200_000), digests);
        let hex = |bytes: [u8; 32]| bytes.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(hex(anchor), "7a4e1521db1e20b9012b03c81e017700c24f339e61da4ec8ff5e0bb8bd92ee1d");
        assert_eq!(hex(link), "1049a948b6ff8cd96158d2e4198f16163ab1db20ae2a5f2de1011377546ffcb3");
    }
}
