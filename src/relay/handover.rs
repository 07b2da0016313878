//! The hand-over from replay to live, in the small: a ring of the latest items and the one step of a cursor.
//!
//! Generic over the item and its source, so that a model checker can drive exactly this code through every
//! interleaving of a writer and its readers.

use std::collections::VecDeque;

/// The latest items of a stream, dense, bounded by whoever fills it.
#[derive(Debug)]
pub(super) struct Ring<T> {
    /// Number of the first item held.
    first: u64,
    items: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T: Clone> Ring<T> {
    /// An empty ring that continues after `tail`.
    pub(super) fn after(tail: u64) -> Self {
        Self { first: tail.saturating_add(1), items: VecDeque::new(), bytes: 0 }
    }

    /// Adds the item numbered `number`. A hole (items published before this ring existed) empties the ring first: it
    /// holds a dense run or nothing.
    pub(super) fn push(&mut self, number: u64, item: T, bytes: usize) {
        let next = self.first.saturating_add(self.items.len() as u64);
        if number < next {
            return;
        }
        if number > next {
            self.items.clear();
            self.bytes = 0;
            self.first = number;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.items.push_back((item, bytes));
    }

    /// Drops the oldest items until both bounds hold; the newest stays.
    pub(super) fn shrink(&mut self, items_max: usize, bytes_max: usize) {
        while self.items.len() > 1 && (self.items.len() > items_max || self.bytes > bytes_max) {
            if let Some((_, bytes)) = self.items.pop_front() {
                self.bytes = self.bytes.saturating_sub(bytes);
                self.first = self.first.saturating_add(1);
            }
        }
    }

    /// Items from `from` on, at most `max`; `None` if `from` is not held.
    pub(super) fn from(&self, from: u64, max: usize) -> Option<Vec<T>> {
        let skip = usize::try_from(from.checked_sub(self.first)?).ok()?;
        if skip >= self.items.len() {
            return None;
        }
        Some(self.items.iter().skip(skip).take(max).map(|(item, _)| item.clone()).collect())
    }
}

/// Where live items can be found without reading the log.
pub(super) trait Source<T> {
    /// Items from `from` on, or `None` if the log must be read.
    fn cached(&self, from: u64, max: usize) -> Option<Vec<T>>;
}

/// One step of a cursor whose next number is `next` and that has seen `tail` published: from memory if it is there,
/// else from the log. Both hold everything up to the tail, so it does not matter which answers.
pub(super) fn step<T, E>(
    next: u64,
    tail: u64,
    max: usize,
    source: &impl Source<T>,
    log: impl FnOnce(u64) -> Result<Vec<T>, E>,
) -> Result<Vec<T>, E> {
    if next > tail {
        return Ok(Vec::new());
    }
    match source.cached(next, max) {
        Some(items) => Ok(items),
        None => log(next),
    }
}

#[cfg(test)]
mod tests {
    use shuttle::{
        sync::{Arc, Condvar, Mutex},
        thread,
    };

    use super::*;

    /// A log, a ring over it and a tail to wait on, on the model checker's primitives.
    struct Stage {
        log: Mutex<Vec<u64>>,
        ring: Mutex<Ring<u64>>,
        tail: Mutex<u64>,
        moved: Condvar,
    }

    impl Source<u64> for Stage {
        fn cached(&self, from: u64, max: usize) -> Option<Vec<u64>> {
            self.ring.lock().unwrap().from(from, max)
        }
    }

    fn append(stage: &Stage, numbers: std::ops::Range<u64>) {
        stage.log.lock().unwrap().extend(numbers.clone());
        {
            let mut ring = stage.ring.lock().unwrap();
            for number in numbers.clone() {
                ring.push(number, number, 1);
            }
            ring.shrink(2, 1_000);
        }
        *stage.tail.lock().unwrap() = numbers.end - 1;
        stage.moved.notify_all();
    }

    fn follow(stage: &Stage, after: u64, until: u64) -> Vec<u64> {
        let mut seen = Vec::new();
        let mut next = after + 1;
        while next <= until {
            let tail = {
                let mut tail = stage.tail.lock().unwrap();
                while *tail < next {
                    tail = stage.moved.wait(tail).unwrap();
                }
                *tail
            };
            let read = |from: u64| {
                let log = stage.log.lock().unwrap();
                Ok::<_, ()>(log.iter().copied().filter(|number| *number >= from).take(3).collect())
            };
            let items = step(next, tail, 3, stage, read).unwrap();
            assert!(!items.is_empty(), "a published tail was not readable");
            next = items[items.len() - 1] + 1;
            seen.extend(items);
        }
        seen
    }

    #[test]
    fn no_interleaving_skips_or_repeats() {
        shuttle::check_random(
            || {
                let stage = Arc::new(Stage {
                    log: Mutex::new(vec![1, 2]),
                    ring: Mutex::new(Ring::after(2)),
                    tail: Mutex::new(2),
                    moved: Condvar::new(),
                });
                let readers: Vec<_> = [0, 1, 2]
                    .into_iter()
                    .map(|after| {
                        let stage = Arc::clone(&stage);
                        thread::spawn(move || (after, follow(&stage, after, 9)))
                    })
                    .collect();
                append(&stage, 3..4);
                append(&stage, 4..8);
                append(&stage, 8..10);
                for reader in readers {
                    let (after, seen) = reader.join().unwrap();
                    assert_eq!(seen, (after + 1..10).collect::<Vec<_>>());
                }
            },
            2_000,
        );
    }

    #[test]
    fn a_ring_never_holds_a_hole() {
        let mut ring = Ring::after(4);
        assert_eq!(ring.from(5, 9), None);
        ring.push(5, 'a', 10);
        ring.push(5, 'x', 10);
        ring.push(7, 'c', 10);
        assert_eq!(ring.from(5, 9), None);
        assert_eq!(ring.from(7, 9), Some(vec!['c']));
        ring.push(8, 'd', 10);
        ring.shrink(9, 15);
        assert_eq!(ring.from(7, 9), None);
        assert_eq!(ring.from(8, 9), Some(vec!['d']));
    }
}
