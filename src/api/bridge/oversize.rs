//! What becomes of an item that does not fit into one frame of the event stream.
//!
//! ccb's parser gives up on a frame beyond 1,048,576 characters, connects again from where it was, and gets the same
//! frame: the session is bricked. So nothing larger than [`limits::WORKER_FRAME_BYTES_MAX`] is ever written.
//!
//! * A prompt goes out under its own id with its content in attached files, which the worker fetches with its key.
//! * An answer goes out as a denial that says why. An "allow" must repeat the whole input, because a child refuses one
//!   without it and a REPL would run with an empty one; a tool call that waits for ever would be worse than one that is
//!   refused with a reason, which the agent can act on by taking smaller steps. Nothing is ever allowed by this.
//! * A control request is bounded by the limits on names and cannot be too large.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Builder;

use super::{files, translate::Outgoing};
use crate::{
    api::common::House,
    domain::{Actor, Command, FileId, OwnerId, Refusal, SessionId, limits},
    relay::{Idempotency, RelayError},
    security::{dedupe_key, fingerprint},
    wire::bridge::{
        permission_answer, user_message,
        worker::{FileAttachment, SentAnswer, SentAnswerBody, SentPrompt},
    },
};

/// Why a large item cannot be sent in any form.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsendable {
    #[error("it has no form in which it could be sent: {0}")]
    Form(#[from] serde_json::Error),
    #[error(transparent)]
    Relay(#[from] RelayError),
}

/// The same item in a form that fits.
pub(super) async fn fit(house: &House, session: SessionId, large: Outgoing) -> Result<Outgoing, Unsendable> {
    let json = match large.event_type {
        "user" => attach(house, session, &large.json).await?,
        _ => deny(&large.json)?,
    };
    Ok(Outgoing { json, ..large })
}

/// A part of a prompt that becomes a file.
struct Part {
    name: String,
    media_type: String,
    bytes: Bytes,
}

/// A block of a prompt's content, as far as its form must be known to take it out.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        #[serde(borrow)]
        text: Cow<'a, str>,
    },
    Image {
        #[serde(borrow)]
        source: ImageSource<'a>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct ImageSource<'a> {
    #[serde(borrow, default)]
    media_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

async fn attach(house: &House, session: SessionId, json: &str) -> Result<String, Unsendable> {
    let prompt: SentPrompt<'_> = serde_json::from_str(json)?;
    let (text, parts) = take_apart(prompt.message.content)?;
    let owner = house.relay.world().session(session).map(|found| found.owner);
    let owner = owner.ok_or(Refusal::NoSession(session)).map_err(RelayError::from)?;
    let mut attachments = prompt.file_attachments;
    let mut names = Vec::with_capacity(parts.len());
    for part in parts {
        let file = store(house, session, owner, &prompt.uuid, &part).await?;
        attachments.push(FileAttachment { file_uuid: file.uuid().to_string(), file_name: part.name.clone() });
        names.push(part.name);
    }
    let content = format!(
        "This message was too large for the live connection, so its content was attached as {} ({}). Read the attached \
         content in full: it is part of this message.{}{text}",
        if names.len() == 1 { "a file" } else { "files" },
        names.join(", "),
        if text.is_empty() { "" } else { "\n\n" },
    );
    let content = to_raw_value(&content)?;
    let attachments = to_raw_value(&attachments)?;
    let session_id = prompt.session_id.unwrap_or_default();
    Ok(user_message(&session_id, &prompt.uuid, &content, Some(&attachments)))
}

/// What stays in the prompt, and what becomes files.
fn take_apart(content: &RawValue) -> Result<(String, Vec<Part>), serde_json::Error> {
    let mut text = String::new();
    let mut parts = Vec::new();
    if let Ok(whole) = serde_json::from_str::<Cow<'_, str>>(content.get()) {
        text = whole.into_owned();
    } else {
        for raw in serde_json::from_str::<Vec<&RawValue>>(content.get())? {
            match serde_json::from_str(raw.get()) {
                Ok(Block::Text { text: more }) => {
                    text.push_str(if text.is_empty() { "" } else { "\n\n" });
                    text.push_str(&more);
                }
                Ok(Block::Image { source }) => parts.push(image(parts.len() + 1, &source, raw)),
                // Nothing is lost: what we do not know goes as it is.
                Ok(Block::Other) | Err(_) => parts.push(json_part(parts.len() + 1, raw)),
            }
        }
    }
    if text.len() > limits::OVERSIZE_TEXT_BYTES_MAX {
        let bytes = Bytes::from(std::mem::take(&mut text));
        parts.insert(0, Part { name: "message.txt".into(), media_type: "text/plain; charset=utf-8".into(), bytes });
    }
    Ok((text, parts))
}

fn image(number: usize, source: &ImageSource<'_>, raw: &RawValue) -> Part {
    let Ok(bytes) = STANDARD.decode(source.data.as_bytes()) else { return json_part(number, raw) };
    let media_type = source.media_type.as_deref().unwrap_or("image/png");
    let extension = match media_type {
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => "png",
    };
    Part { name: format!("image-{number}.{extension}"), media_type: media_type.into(), bytes: bytes.into() }
}

fn json_part(number: usize, raw: &RawValue) -> Part {
    let bytes = Bytes::copy_from_slice(raw.get().as_bytes());
    Part { name: format!("content-{number}.json"), media_type: "application/json".into(), bytes }
}

/// Keeps a part once: a prompt is sent again on every new connection until it is confirmed, so the file's id follows
/// from the message, and the ledger lets only the first of two connections store it.
async fn store(
    house: &House,
    session: SessionId,
    owner: OwnerId,
    message: &str,
    part: &Part,
) -> Result<FileId, RelayError> {
    let same = fingerprint([session.uuid().as_bytes(), message.as_bytes(), part.name.as_bytes()]);
    let file = FileId::from_uuid(Builder::from_custom_bytes(same.0).into_uuid());
    if house.relay.world().file(file).is_some() {
        return Ok(file);
    }
    let command = Command::StoreFile {
        file,
        owner,
        session: Some(session),
        name: part.name.clone(),
        media_type: Some(part.media_type.clone()),
        chunks: files::chunks(&part.bytes),
    };
    let once = Idempotency {
        owner,
        key: dedupe_key("oversized prompt", file.uuid().as_bytes()),
        fingerprint: fingerprint([part.bytes.as_ref()]),
    };
    house.relay.submit_once(Actor::System, command, once).await?;
    Ok(file)
}

fn deny(json: &str) -> Result<String, serde_json::Error> {
    let answer: SentAnswer<'_> = serde_json::from_str(json)?;
    let message = format!(
        "The answer to this request is too large to be delivered ({} bytes, at most {}). Do the same in smaller steps.",
        json.len(),
        limits::WORKER_FRAME_BYTES_MAX
    );
    let SentAnswerBody { request_id, response } = answer.response;
    Ok(permission_answer(&request_id, false, Some(&message), None, None, response.tool_use_id.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_images_and_the_rest_are_told_apart() {
        let json = r#"[{"type":"text","text":"look"},
            {"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AAEC"}},
            {"type":"document","title":"x"},{"type":"text","text":"here"}]"#;
        let raw: &RawValue = serde_json::from_str(json).expect("json");
        let (text, parts) = take_apart(raw).expect("content");
        assert_eq!(text, "look\n\nhere");
        let seen: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.bytes.len())).collect();
        assert_eq!(seen, [("image-1.jpg", 3), ("content-2.json", 31)]);
    }

    #[test]
    fn a_long_text_becomes_a_file_and_leaves_nothing_behind() {
        let json = serde_json::to_string(&"é".repeat(limits::OVERSIZE_TEXT_BYTES_MAX)).expect("json");
        let (text, parts) = take_apart(serde_json::from_str(&json).expect("raw")).expect("content");
        assert_eq!(text, "");
        assert_eq!(
            (parts[0].name.as_str(), parts[0].bytes.len()),
            ("message.txt", 2 * limits::OVERSIZE_TEXT_BYTES_MAX)
        );
    }

    #[test]
    fn an_answer_that_cannot_be_delivered_denies_and_says_why() {
        let large = r#"{"type":"control_response","response":{"subtype":"success","request_id":"4c371bcf",
            "response":{"behavior":"allow","updatedInput":{"content":"…"},"toolUseID":"toolu_5521"}}}"#;
        let sent: serde_json::Value = serde_json::from_str(&deny(large).expect("denial")).expect("json");
        insta::assert_json_snapshot!(sent);
    }
}
