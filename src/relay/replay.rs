//! From the journal to the world. What start-up does, and what an audit does offline.

use crate::{
    domain::{World, apply},
    journal::{JournalError, JournalReader},
};

/// Folds everything that shapes the world. Reads no transcripts: the cost grows with decisions, not with words.
pub fn rebuild(reader: &dyn JournalReader) -> Result<World, JournalError> {
    let mut world = World::default();
    reader.read_facts(&mut |record| apply(&mut world, &record))?;
    for (stream, tail) in reader.stream_tails()? {
        world.observe_tail(stream, tail.latest, tail.at);
    }
    Ok(world)
}
