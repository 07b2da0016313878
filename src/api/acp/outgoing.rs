//! What the log has for an agent, in the words of its link: prompts as content blocks, answers as one of the options
//! that were offered. Reads records, writes nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    api::common::House,
    domain::{
        Event, Record, Sequence, SessionId, Stream,
        event::{PermissionDecided, Verdict},
    },
    relay::{Bounds, RelayError},
    wire::acp::answer::{Outcome, choices, choose},
};

const ONE: Bounds = Bounds { records_max: 1, bytes_max: 1 };

/// A record of a stream. One that was trimmed away is none.
pub(super) fn record(house: &House, stream: Stream, sequence: Sequence) -> Result<Option<Arc<Record>>, RelayError> {
    match house.relay.read(stream, sequence, ONE) {
        Ok(records) => Ok(records.into_iter().next().filter(|record| record.sequence == sequence)),
        Err(RelayError::Gap { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A prompt's content as the journal keeps it, whatever room it came through.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) content: &'a RawValue,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    file_attachments: Option<&'a RawValue>,
}

impl<'a> Content<'a> {
    pub(super) const fn new(content: &'a RawValue) -> Self {
        Self { content, file_attachments: None }
    }
}

/// A block as other rooms' clients write it: pictures in the form of the Messages API.
#[derive(Deserialize)]
struct Foreign<'a> {
    #[serde(borrow)]
    source: Source<'a>,
}

#[derive(Deserialize)]
struct Source<'a> {
    media_type: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    data: std::borrow::Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        data: &'a str,
        #[serde(rename = "mimeType")]
        media_type: &'a str,
    },
}

/// A prompt as a list of ACP content blocks. Blocks that are of ACP already pass as they came.
pub(super) fn blocks(payload: &[u8]) -> Option<Vec<Box<RawValue>>> {
    let Content { content, file_attachments } = serde_json::from_slice(payload).ok()?;
    let mut blocks = if let Ok(text) = serde_json::from_str::<String>(content.get()) {
        vec![to_raw_value(&Block::Text { text: &text }).ok()?]
    } else {
        let given: Vec<&RawValue> = serde_json::from_str(content.get()).ok()?;
        given.into_iter().map(block).collect()
    };
    if let Some(files) = file_attachments.and_then(|files| names(files.get())) {
        // Links have no way to fetch a file; what was attached is at least named.
        blocks.push(to_raw_value(&Block::Text { text: &files }).ok()?);
    }
    Some(blocks)
}

fn block(given: &RawValue) -> Box<RawValue> {
    let picture = serde_json::from_str::<Foreign<'_>>(given.get()).ok();
    let turned = picture.and_then(|Foreign { source: Source { media_type, data } }| {
        to_raw_value(&Block::Image { data: &data, media_type: &media_type }).ok()
    });
    turned.unwrap_or_else(|| given.to_owned())
}

fn names(files: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct File {
        file_name: String,
    }
    let files: Vec<File> = serde_json::from_str(files).ok()?;
    let names: Vec<_> = files.into_iter().map(|file| file.file_name).collect();
    (!names.is_empty()).then(|| format!("(Attached, but this agent cannot be sent files: {})", names.join(", ")))
}

/// What goes with a decision that was made here, as the journal keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Chosen<'a> {
    /// The link's words: one of its options.
    #[serde(borrow)]
    pub(super) acp: Outcome<'a>,
}

/// The answer to a question, as its link takes it. What was chosen by its id is that; a yes or no is the option that
/// means it.
pub(super) fn answer(
    house: &House,
    session: SessionId,
    sequence: Sequence,
    moot: bool,
) -> Result<Option<(String, Outcome<'static>)>, RelayError> {
    let stream = Stream::Session(session);
    let Some(decision) = record(house, stream, sequence)? else { return Ok(None) };
    let Event::PermissionDecided(PermissionDecided { request, verdict, .. }) = &decision.event else {
        return Ok(None);
    };
    if moot {
        return Ok(Some((request.to_string(), Outcome::Cancelled)));
    }
    if let Ok(Chosen { acp }) = serde_json::from_slice::<Chosen<'_>>(&decision.payload) {
        return Ok(Some((request.to_string(), owned(acp))));
    }
    let asked = {
        let world = house.relay.world();
        let settled = world.session(session).and_then(|found| found.permissions.get_settled(request));
        settled.map(|settled| settled.asked)
    };
    let question = asked.map(|asked| record(house, stream, asked)).transpose()?.flatten();
    let offered = question.as_ref().map(|question| choices(&question.payload)).unwrap_or_default();
    Ok(Some((request.to_string(), owned(choose(&offered, *verdict == Verdict::Allow)))))
}

fn owned(outcome: Outcome<'_>) -> Outcome<'static> {
    match outcome {
        Outcome::Selected { option } => Outcome::Selected { option: option.into_owned().into() },
        Outcome::Cancelled => Outcome::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(payload: &str) -> String {
        let blocks = blocks(payload.as_bytes()).expect("a prompt");
        serde_json::to_string(&blocks).expect("JSON")
    }

    #[test]
    fn a_prompt_of_every_room_is_a_list_of_blocks() {
        assert_eq!(shown(r#"{"content":"hi \"you\""}"#), r#"[{"type":"text","text":"hi \"you\""}]"#);
        let own =
            r#"[{"type":"text","text":"x","_meta":{"vendor":[1, 2]}},{"type":"resource_link","uri":"file:///a"}]"#;
        assert_eq!(shown(&format!(r#"{{"content":{own}}}"#)), own, "what is ACP passes byte for byte");
        let picture = r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}"#;
        let turned = r#"[{"type":"image","data":"AAAA","mimeType":"image/png"}]"#;
        assert_eq!(shown(&format!(r#"{{"content":[{picture}]}}"#)), turned);
        let files = r#"[{"file_uuid":"x","file_name":"log.txt"}]"#;
        assert!(shown(&format!(r#"{{"content":"see","file_attachments":{files}}}"#)).contains("log.txt"));
    }
}
