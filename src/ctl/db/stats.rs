//! `rcsctl db stats`.

use std::collections::BTreeMap;

use serde_json::json;

use super::Which;
use crate::{
    ctl::{
        Context, CtlError,
        table::{Columns, bytes, properties},
    },
    domain::Stream,
    journal::{JournalReader, RedbJournal, maintenance},
};

pub(super) fn run(which: &Which, context: &mut Context<'_>) -> Result<(), CtlError> {
    let path = which.path(context)?;
    let reader = RedbJournal::open(&path)?.redb_reader();
    let stats = maintenance::stats(&reader)?;
    let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (stream, tail) in reader.stream_tails()? {
        let (streams, kept) = kinds.entry(kind(stream)).or_default();
        *streams += 1;
        *kept += (tail.latest.0 + 1).saturating_sub(tail.earliest.0);
    }
    let out = &mut context.out;
    if out.look.json {
        let tables = stats.tables.iter().map(|table| {
            json!({"name": table.name, "rows": table.rows, "stored_bytes": table.stored_bytes,
                   "metadata_bytes": table.metadata_bytes, "fragmented_bytes": table.fragmented_bytes})
        });
        let streams = kinds.iter().map(|(kind, (count, kept))| json!({"kind": kind, "streams": count, "events": kept}));
        return out.json(&json!({
            "file": path.display().to_string(), "file_bytes": stats.file_bytes, "free_bytes": stats.free_bytes(),
            "epoch": reader.epoch().to_string(), "tail": reader.tail(),
            "tables": tables.collect::<Vec<_>>(), "streams": streams.collect::<Vec<_>>(),
        }));
    }
    let rows = [
        ("file", path.display().to_string()),
        ("size", format!("{} ({} free)", bytes(stats.file_bytes), bytes(stats.free_bytes()))),
        ("records", reader.tail().to_string()),
        ("epoch", reader.epoch().to_string()),
    ];
    properties(out, &rows.map(|(name, value)| (name, Some(value))))?;
    out.line("")?;
    let mut table = Columns::new(out, &["STREAMS OF", "STREAMS", "EVENTS KEPT"]);
    for (kind, (count, kept)) in kinds {
        table.row([kind.to_owned(), count.to_string(), kept.to_string()]);
    }
    table.print(out, "there are no streams")?;
    out.line("")?;
    let mut table = Columns::new(out, &["TABLE", "ROWS", "STORED", "METADATA", "FRAGMENTED"]);
    for found in &stats.tables {
        let sizes = [found.stored_bytes, found.metadata_bytes, found.fragmented_bytes].map(bytes);
        table.row([found.name.clone(), found.rows.to_string()].into_iter().chain(sizes));
    }
    table.print(out, "there are no tables")
}

fn kind(stream: Stream) -> &'static str {
    match stream {
        Stream::System => "the server",
        Stream::Ledger(_) => "owners' commands",
        Stream::Environment(_) => "runners",
        Stream::Session(_) => "sessions",
        Stream::Transcript(_) => "transcripts",
        Stream::File(_) => "files",
        Stream::User(_) => "users",
        Stream::Subscription(_) => "subscriptions",
        Stream::Target(_) => "notification targets",
    }
}
