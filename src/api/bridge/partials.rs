//! Partial messages of one batch: of consecutive snapshots of the same text block only the last is kept.
//!
//! A v2 worker sends the text of a block so far, again and again, so a later snapshot says all that an earlier one
//! said. It is believed only where it is so: the later text begins with the earlier one.

use crate::wire::bridge::worker::{Snapshot, WorkerEvent};

/// The events of a batch with their places in it, without snapshots that the next event repeats.
pub(super) fn latest(events: Vec<WorkerEvent>) -> Vec<(usize, WorkerEvent)> {
    let mut kept: Vec<(usize, WorkerEvent)> = Vec::with_capacity(events.len());
    for (index, event) in events.into_iter().enumerate() {
        let repeats = kept.last().is_some_and(|(_, before)| continues(before, &event));
        if repeats {
            kept.pop();
        }
        kept.push((index, event));
    }
    kept
}

fn continues(before: &WorkerEvent, after: &WorkerEvent) -> bool {
    let (Some(before), Some(after)) = (snapshot(before), snapshot(after)) else { return false };
    let same = before.parent_tool_use_id == after.parent_tool_use_id && before.event.index == after.event.index;
    same && after.event.delta.text.starts_with(before.event.delta.text.as_ref())
}

fn snapshot(event: &WorkerEvent) -> Option<Snapshot<'_>> {
    if !event.ephemeral {
        return None;
    }
    let found: Snapshot<'_> = serde_json::from_str(event.payload.get()).ok()?;
    let is_text = found.kind == "stream_event"
        && found.event.kind == "content_block_delta"
        && found.event.delta.kind == "text_delta";
    is_text.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str, index: u64, parent: Option<&str>, ephemeral: bool) -> WorkerEvent {
        let payload = serde_json::json!({
            "type": "stream_event", "uuid": "x", "session_id": "y", "parent_tool_use_id": parent,
            "event": {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}},
        });
        let payload = serde_json::value::to_raw_value(&payload).expect("json");
        WorkerEvent { payload, ephemeral }
    }

    fn places(events: Vec<WorkerEvent>) -> Vec<usize> {
        latest(events).into_iter().map(|(place, _)| place).collect()
    }

    #[test]
    fn of_a_growing_text_the_last_is_kept() {
        let batch =
            vec![event("w0 ", 0, None, true), event("w0 w1 ", 0, None, true), event("w0 w1 w2 ", 0, None, true)];
        assert_eq!(places(batch), [2]);
    }

    #[test]
    fn nothing_is_dropped_that_is_not_said_again() {
        let other_block = vec![event("a", 0, None, true), event("ab", 1, None, true)];
        assert_eq!(places(other_block), [0, 1]);
        let other_agent = vec![event("a", 0, None, true), event("ab", 0, Some("toolu_1"), true)];
        assert_eq!(places(other_agent), [0, 1]);
        let deltas = vec![event("a", 0, None, true), event("b", 0, None, true)];
        assert_eq!(places(deltas), [0, 1]);
        let durable = vec![event("a", 0, None, false), event("ab", 0, None, false)];
        assert_eq!(places(durable), [0, 1]);
        let apart = vec![event("a", 0, None, true), event("x", 1, None, true), event("ab", 0, None, true)];
        assert_eq!(places(apart), [0, 1, 2]);
    }
}
