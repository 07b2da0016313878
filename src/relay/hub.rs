//! Where the live readers of a stream meet: its durable tail to wait on, and its latest records in memory.
//!
//! The ring is a cache and nothing more. A reader that finds its next record there saves a read of the journal; one
//! that does not reads the journal. So there is nothing to hand over between replay and live, and no queue per
//! reader.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::watch;

use super::handover::{Ring, Source};
use crate::{
    domain::{Record, Sequence, Stream, limits},
    journal::{JournalError, JournalReader},
};

/// The meeting place of one stream's readers.
pub(super) struct Hub {
    ring: Mutex<Ring<Arc<Record>>>,
    tail: watch::Sender<Sequence>,
}

impl Hub {
    fn new(tail: Sequence) -> Self {
        Self { ring: Mutex::new(Ring::after(tail.0)), tail: watch::Sender::new(tail) }
    }

    /// The durable tail, to look at and to wait on.
    pub(super) fn tail(&self) -> watch::Receiver<Sequence> {
        self.tail.subscribe()
    }

    /// Puts durable records in the ring, then shows the new tail: whoever sees the tail finds the records.
    fn publish(&self, records: &[&Arc<Record>]) {
        let Some(last) = records.last() else { return };
        {
            let mut ring = lock(&self.ring);
            for record in records {
                ring.push(record.sequence.0, Arc::clone(record), record.payload.len());
            }
            ring.shrink(limits::RING_RECORDS_MAX, limits::RING_BYTES_MAX);
        }
        self.tail.send_replace(last.sequence);
    }
}

impl Source<Arc<Record>> for Hub {
    fn cached(&self, from: u64, max: usize) -> Option<Vec<Arc<Record>>> {
        lock(&self.ring).from(from, max)
    }
}

/// All hubs that somebody holds.
pub(super) struct Hubs {
    reader: Arc<dyn JournalReader>,
    hubs: Mutex<HashMap<Stream, Weak<Hub>>>,
}

impl Hubs {
    pub(super) fn new(reader: Arc<dyn JournalReader>) -> Self {
        Self { reader, hubs: Mutex::new(HashMap::new()) }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.hubs).len()
    }

    /// The hub of a stream, made if nobody follows it yet.
    ///
    /// The tail is read under the same lock that `publish` takes: a commit is either in what is read here, or is
    /// published to the hub that this puts in the map.
    pub(super) fn hub(&self, stream: Stream) -> Result<Arc<Hub>, JournalError> {
        let mut hubs = lock(&self.hubs);
        if let Some(hub) = hubs.get(&stream).and_then(Weak::upgrade) {
            return Ok(hub);
        }
        let tail = self.reader.stream_tail(stream)?.map_or(Sequence::ZERO, |tail| tail.latest);
        let hub = Arc::new(Hub::new(tail));
        hubs.insert(stream, Arc::downgrade(&hub));
        Ok(hub)
    }

    /// Tells the followers of every stream that the batch touches. The batch is durable.
    pub(super) fn publish(&self, batch: &[Arc<Record>]) {
        let mut followed: Vec<(Arc<Hub>, Vec<&Arc<Record>>)> = Vec::new();
        {
            let mut hubs = lock(&self.hubs);
            if hubs.is_empty() {
                return;
            }
            let mut places: HashMap<Stream, Option<usize>> = HashMap::new();
            for record in batch {
                let place = *places.entry(record.stream).or_insert_with(|| {
                    let hub = hubs.get(&record.stream)?.upgrade();
                    if let Some(hub) = hub {
                        followed.push((hub, Vec::new()));
                    } else {
                        hubs.remove(&record.stream);
                        return None;
                    }
                    Some(followed.len() - 1)
                });
                if let Some((_, records)) = place.and_then(|place| followed.get_mut(place)) {
                    records.push(record);
                }
            }
        }
        for (hub, records) in followed {
            hub.publish(&records);
        }
    }

    /// Forgets hubs that nobody holds any more. Called by the timers; publishing forgets those of busy streams.
    pub(super) fn prune(&self) {
        lock(&self.hubs).retain(|_, hub| hub.strong_count() > 0);
    }
}

/// A lock whose holder cannot leave it half-changed; a panic elsewhere ends the process.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The buffer of a cursor.
pub(super) type Buffer = VecDeque<Arc<Record>>;
