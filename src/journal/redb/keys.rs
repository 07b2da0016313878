//! Which dedupe keys the checkpointed part of a stream holds: read once from the segments, then kept for as long as
//! there is room. Streams used least recently give way.
//!
//! Keys are kept by their first half; whoever asks verifies a hit against the record.

use std::collections::{BTreeMap, HashMap};

use super::short_keys::ShortKeys;
use crate::domain::{Sequence, Stream};

/// What a stream costs beside its keys, in entries: so that a million streams without keys are bounded too.
const STREAM_COST: usize = 8;

/// The keys in memory.
#[derive(Debug)]
pub(super) struct KeyCache {
    streams: HashMap<Stream, Keys>,
    /// Streams by the moment of their last use, oldest first.
    uses: BTreeMap<u64, Stream>,
    clock: u64,
    entries: usize,
    entries_max: usize,
}

#[derive(Debug, Default)]
struct Keys {
    known: ShortKeys,
    /// The first sequence that was not looked at yet.
    next: Sequence,
    used: u64,
}

impl KeyCache {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { streams: HashMap::new(), uses: BTreeMap::new(), clock: 0, entries: 0, entries_max }
    }

    /// Whether the keys of a stream of so many records can be kept at all.
    pub(super) fn can_hold(&self, until: Sequence) -> bool {
        usize::try_from(until.0).is_ok_and(|records| records.saturating_add(STREAM_COST) <= self.entries_max)
    }

    /// Whether it is known without reading that no sequence before `until` has a key that begins with `short`.
    pub(super) fn rules_out(&mut self, stream: Stream, short: u64, until: Sequence) -> bool {
        if until <= Sequence(1) {
            return true;
        }
        let Some(keys) = self.streams.get(&stream).filter(|keys| keys.next >= until) else { return false };
        let unknown = keys.known.candidates(short).next().is_none();
        self.touch(stream);
        unknown
    }

    /// The sequences before `until` whose key begins with `short`, in order. `load` reads the keys of a range of
    /// sequences (the end is exclusive), which is asked for only what was not read before.
    pub(super) fn candidates<E>(
        &mut self,
        stream: Stream,
        short: u64,
        until: Sequence,
        load: impl FnOnce(Sequence, Sequence) -> Result<Vec<(u64, u64)>, E>,
    ) -> Result<Vec<Sequence>, E> {
        let next = self.streams.get(&stream).map_or(Sequence(1), |keys| keys.next);
        if next < until || !self.streams.contains_key(&stream) {
            let fresh = load(next, until)?;
            self.extend(stream, fresh, until);
        }
        self.touch(stream);
        let found = self
            .streams
            .get(&stream)
            .map(|keys| keys.known.candidates(short).filter(|&sequence| sequence < until).collect());
        self.evict(stream);
        Ok(found.unwrap_or_default())
    }

    fn extend(&mut self, stream: Stream, fresh: Vec<(u64, u64)>, until: Sequence) {
        if !self.streams.contains_key(&stream) {
            self.entries += STREAM_COST;
        }
        self.entries += fresh.len();
        let keys = self.streams.entry(stream).or_default();
        for (short, sequence) in fresh {
            keys.known.insert(short, Sequence(sequence));
        }
        keys.next = until;
    }

    fn touch(&mut self, stream: Stream) {
        // What was used last is still the last one used.
        if self.streams.get(&stream).is_some_and(|keys| keys.used == self.clock && self.clock > 0) {
            return;
        }
        self.clock += 1;
        if let Some(keys) = self.streams.get_mut(&stream) {
            self.uses.remove(&keys.used);
            keys.used = self.clock;
            self.uses.insert(self.clock, stream);
        }
    }

    /// Makes room, sparing the stream in use.
    fn evict(&mut self, spared: Stream) {
        while self.entries > self.entries_max {
            let Some((&used, &stream)) = self.uses.iter().find(|&(_, &stream)| stream != spared) else { return };
            self.uses.remove(&used);
            if let Some(keys) = self.streams.remove(&stream) {
                self.entries -= keys.known.len() + STREAM_COST;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use uuid::Uuid;

    use super::*;
    use crate::domain::SessionId;

    fn stream(number: u128) -> Stream {
        Stream::Session(SessionId::from_uuid(Uuid::from_u128(number)))
    }

    fn ask(cache: &mut KeyCache, stream: Stream, until: u64, loads: &mut Vec<(u64, u64)>) -> Vec<Sequence> {
        let load = |from: Sequence, until: Sequence| {
            loads.push((from.0, until.0));
            Ok::<_, Infallible>((from.0..until.0).map(|sequence| (sequence % 10, sequence)).collect())
        };
        match cache.candidates(stream, 3, Sequence(until), load) {
            Ok(found) => found,
            Err(never) => match never {},
        }
    }

    #[test]
    fn only_what_is_new_is_read_again() {
        let (mut cache, mut loads) = (KeyCache::new(1_000), Vec::new());
        assert_eq!(ask(&mut cache, stream(1), 11, &mut loads), [Sequence(3)]);
        assert_eq!(ask(&mut cache, stream(1), 11, &mut loads), [Sequence(3)]);
        assert_eq!(ask(&mut cache, stream(1), 21, &mut loads), [Sequence(3), Sequence(13)]);
        assert_eq!(loads, [(1, 11), (11, 21)]);
    }

    #[test]
    fn a_key_is_ruled_out_only_where_everything_was_read() {
        let (mut cache, mut loads) = (KeyCache::new(1_000), Vec::new());
        assert!(cache.rules_out(stream(1), 4, Sequence(1)), "there is nothing before the first");
        assert!(!cache.rules_out(stream(1), 4, Sequence(2)), "nothing was read yet");
        ask(&mut cache, stream(1), 4, &mut loads);
        assert!(cache.rules_out(stream(1), 4, Sequence(4)));
        assert!(!cache.rules_out(stream(1), 3, Sequence(4)), "it is there");
        assert!(!cache.rules_out(stream(1), 4, Sequence(5)), "4 was not read yet");
    }

    #[test]
    fn the_stream_used_least_recently_gives_way_and_can_come_back() {
        let (mut cache, mut loads) = (KeyCache::new(100), Vec::new());
        for number in [1, 2, 1, 3, 4] {
            assert_eq!(ask(&mut cache, stream(number), 21, &mut loads).len(), 2);
        }
        assert!(cache.entries <= 100);
        assert!(cache.streams.contains_key(&stream(1)));
        assert!(!cache.streams.contains_key(&stream(2)));
        assert_eq!(ask(&mut cache, stream(2), 21, &mut loads).len(), 2);
        assert_eq!(cache.uses.len(), cache.streams.len());
    }

    #[test]
    fn streams_without_keys_are_bounded_too() {
        let mut cache = KeyCache::new(100);
        for number in 0..1_000 {
            let none = |_, _| Ok::<_, Infallible>(Vec::new());
            assert_eq!(cache.candidates(stream(number), 3, Sequence(1), none), Ok(Vec::new()));
        }
        assert!(cache.streams.len() <= 100 / STREAM_COST);
    }
}
