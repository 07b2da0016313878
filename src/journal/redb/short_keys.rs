//! Which sequences have a key that begins with these eight bytes. Whoever asks verifies a hit against the record.
//!
//! A key is looked up for every message that comes in, nearly always in vain, so this is one probe of a hash table.
//! Keys are digests: their first half is its own hash.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use crate::domain::Sequence;

/// Sequences by the first half of their key.
#[derive(Debug, Default)]
pub(super) struct ShortKeys {
    first: HashMap<u64, u64, BuildHasherDefault<Itself>>,
    /// Two keys that begin alike are as good as never seen, and kept in order here: the half and the later sequences.
    further: Vec<(u64, u64)>,
}

impl ShortKeys {
    /// Notes a key. Sequences come in ascending order.
    pub(super) fn insert(&mut self, short: u64, sequence: Sequence) {
        use std::collections::hash_map::Entry::{Occupied, Vacant};
        match self.first.entry(short) {
            Vacant(entry) => {
                entry.insert(sequence.0);
            }
            Occupied(_) => self.further.push((short, sequence.0)),
        }
    }

    /// The sequences whose key begins with `short`, ascending.
    pub(super) fn candidates(&self, short: u64) -> impl Iterator<Item = Sequence> + '_ {
        let first = self.first.get(&short).copied();
        // Without a first there is no further one, and nobody looks.
        let further = self.further.iter().filter(move |(known, _)| first.is_some() && *known == short);
        first.into_iter().chain(further.map(|&(_, sequence)| sequence)).map(Sequence)
    }

    /// Keys in it.
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.further.len()
    }
}

/// A hash of what is a hash already.
#[derive(Debug, Default)]
pub(super) struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_begin_alike_are_all_found_and_in_order() {
        let mut keys = ShortKeys::default();
        for (short, sequence) in [(7, 1), (9, 2), (7, 4), (7, 5), (9, 6)] {
            keys.insert(short, Sequence(sequence));
        }
        let found = |short| keys.candidates(short).map(|sequence| sequence.0).collect::<Vec<_>>();
        assert_eq!((found(7), found(9), found(8)), (vec![1, 4, 5], vec![2, 6], vec![]));
        assert_eq!(keys.len(), 5);
    }
}
