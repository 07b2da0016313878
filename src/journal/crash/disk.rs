//! A disk that loses what was not synced.
//!
//! Between two syncs it may keep any subset of the writes, and of each write any subset of its 512-byte sectors. What
//! redb asks of a disk holds: a byte is written or not, what was synced stays, and no byte outside of a write changes.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ::redb::StorageBackend;
use ring::digest::{Context, SHA256};

use super::dice::Dice;

const SECTOR_BYTES: usize = 512;

/// A file on the disk, as the database or the log holds it.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    platter: Arc<Mutex<Platter>>,
    power: Arc<Mutex<Power>>,
}

/// What all files of a disk live from.
#[derive(Debug)]
struct Power {
    syncs: u64,
    /// The sync that does not return.
    crash_at: u64,
    crashed: bool,
    /// Says that it synced when it did not.
    lies: bool,
}

struct Platter {
    /// What reads see.
    live: Vec<u8>,
    /// What was synced.
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// Everything that reached the disk, in the order of syncs.
    trace: Context,
}

#[derive(Debug, Clone)]
enum Change {
    /// `layer`: above how many writes to the same place it lies.
    Write {
        layer: u32,
        offset: usize,
        bytes: Vec<u8>,
    },
    Resize(usize),
}

impl std::fmt::Debug for Platter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platter").field("bytes", &self.live.len()).finish_non_exhaustive()
    }
}

impl Disk {
    /// A file that holds `image`, on a disk that dies in its `crash_at`-th sync.
    pub(super) fn new(image: Vec<u8>, crash_at: u64) -> Self {
        let power = Power { syncs: 0, crash_at, crashed: false, lies: false };
        Self { platter: Platter::new(image), power: Arc::new(Mutex::new(power)) }
    }

    /// Another file on the same disk.
    pub(super) fn beside(&self, image: Vec<u8>) -> Self {
        Self { platter: Platter::new(image), power: Arc::clone(&self.power) }
    }

    /// From now on it does not sync what it is told to.
    pub(super) fn lie(&self) {
        self.power().lies = true;
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn power(&self) -> MutexGuard<'_, Power> {
        self.power.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills the disk, if it has not died yet.
    pub(super) fn crash(&self) {
        self.power().crashed = true;
    }

    /// What is on the disk after the crash: what was synced, and whatever of the rest the dice keep.
    pub(super) fn image(&self, dice: &mut Dice) -> Vec<u8> {
        assert!(self.power().crashed, "only a dead disk has an image");
        let mut platter = self.platter();
        let mut image = platter.durable.clone();
        // Mostly a mixture; sometimes all of it, sometimes nothing.
        let keep = [0, 20, 50, 80, 100][usize::try_from(dice.between(0, 4)).unwrap_or(0)];
        let pending = platter.take_pending();
        for change in pending {
            match change {
                Change::Resize(bytes) if dice.percent(keep) => image.resize(bytes, 0),
                Change::Resize(_) => {}
                Change::Write { offset, bytes, .. } => {
                    for (start, end) in sectors(offset, bytes.len()) {
                        if dice.percent(keep) {
                            put(&mut image, offset + start, &bytes[start..end]);
                        }
                    }
                }
            }
        }
        image
    }

    /// A digest of everything that was synced.
    pub(super) fn trace(&self) -> Vec<u8> {
        self.platter().trace.clone().finish().as_ref().to_vec()
    }

    /// Of all its files.
    pub(super) fn syncs(&self) -> u64 {
        self.power().syncs
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, Platter>> {
        self.power().refuse_if_dead()?;
        Ok(self.platter())
    }
}

/// The parts of a write that lie in one sector each.
fn sectors(offset: usize, length: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let here = start;
        start = length.min(here + SECTOR_BYTES - (offset + here) % SECTOR_BYTES);
        (here < length).then_some((here, start))
    })
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

impl Power {
    fn refuse_if_dead(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("the machine has lost its power")) } else { Ok(()) }
    }
}

impl Platter {
    fn new(image: Vec<u8>) -> Arc<Mutex<Self>> {
        let (durable, pending, trace) = (image.clone(), Vec::new(), Context::new(&SHA256));
        Arc::new(Mutex::new(Self { live: image, durable, pending, trace }))
    }

    /// Above which pending writes a new one lies.
    fn layer(&self, offset: usize, length: usize) -> u32 {
        let below = self.pending.iter().filter_map(|change| match change {
            Change::Write { layer, offset: begin, bytes } => {
                (*begin < offset + length && offset < begin + bytes.len()).then_some(layer + 1)
            }
            Change::Resize(_) => None,
        });
        below.max().unwrap_or(0)
    }

    /// What was not synced, in an order that does not depend on the order of unrelated writes: the database flushes its
    /// pages in the order of a hash map. Writes to one place stay in their order.
    fn take_pending(&mut self) -> Vec<Change> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|change| match change {
            Change::Resize(_) => (0, 0),
            Change::Write { layer, offset, .. } => (*layer, *offset),
        });
        pending
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let platter = self.alive()?;
        Ok(platter.live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.alive()?;
        let offset = place(offset)?;
        let bytes = platter.live.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.alive()?;
        let len = place(len)?;
        platter.live.resize(len, 0);
        platter.pending.push(Change::Resize(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut power = self.power();
        power.refuse_if_dead()?;
        power.syncs += 1;
        if power.syncs >= power.crash_at {
            power.crashed = true;
            return power.refuse_if_dead();
        }
        if power.lies {
            return Ok(());
        }
        let mut platter = self.platter();
        for change in platter.take_pending() {
            match change {
                Change::Resize(bytes) => {
                    platter.trace.update(&(bytes as u64).to_be_bytes());
                    platter.durable.resize(bytes, 0);
                }
                Change::Write { offset, bytes, .. } => {
                    platter.trace.update(&(offset as u64).to_be_bytes());
                    platter.trace.update(&bytes);
                    put(&mut platter.durable, offset, &bytes);
                }
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.alive()?;
        let offset = place(offset)?;
        put(&mut platter.live, offset, data);
        let layer = platter.layer(offset, data.len());
        platter.pending.push(Change::Write { layer, offset, bytes: data.to_vec() });
        Ok(())
    }
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_torn_at_sectors_of_the_disk() {
        let all = |offset, length| sectors(offset, length).collect::<Vec<_>>();
        assert_eq!(all(0, 1_024), [(0, 512), (512, 1_024)]);
        assert_eq!(all(500, 20), [(0, 12), (12, 20)]);
        assert_eq!(all(512, 0), []);
    }

    #[test]
    fn of_two_writes_to_one_place_the_later_one_stays() {
        let disk = Disk::new(Vec::new(), 2);
        disk.write(4, b"old").expect("writes");
        disk.write(0, b"the new").expect("writes");
        disk.sync_data().expect("syncs");
        disk.crash();
        assert_eq!(disk.image(&mut Dice::new(1)), b"the new");
    }

    #[test]
    fn what_was_synced_stays_and_nothing_works_after_the_crash() {
        let disk = Disk::new(Vec::new(), 2);
        disk.write(0, b"kept").expect("writes");
        disk.sync_data().expect("syncs");
        disk.write(4, b"lost?").expect("writes");
        assert!(disk.sync_data().is_err() && disk.write(0, b"late").is_err() && disk.len().is_err());
        for seed in 0..20 {
            let image = disk.image(&mut Dice::new(seed));
            assert!(image == b"kept" || image == b"keptlost?");
        }
    }
}
