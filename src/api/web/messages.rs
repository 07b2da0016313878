//! What people say to an agent: posting, receipts, taking back.

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{caller::Caller, created, error::Failure, json};
use crate::{
    api::common::{Response, identity::message_key},
    domain::{
        Command, Event, FileId, MessageId, Outcome, OwnerId, Record, Sequence, SessionId, Stream, WorkId,
        command::{Prompt, Refusal},
        limits,
    },
    relay::{RelayError, page_bounds},
    security::fingerprint,
    wire::web::{FileAttachment, MessageAccepted, MessageReceipt, MessageState, PostMessage, ProblemKind},
};

/// Something to say, from whichever body it came.
#[derive(Debug)]
pub(super) struct Words {
    /// What the body calls it.
    pub(super) field: &'static str,
    pub(super) content: Box<RawValue>,
    pub(super) attachments: Option<Vec<FileAttachment>>,
    pub(super) message: Option<MessageId>,
}

/// A content block, as far as it must be one: the rest is between its author and the agent.
#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    _kind: String,
}

/// The neutral form that is kept; each worker's room renders it.
#[derive(Serialize)]
struct Kept<'a> {
    content: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_attachments: Option<&'a [FileAttachment]>,
}

pub(super) async fn post(caller: &Caller<'_>, session: SessionId) -> Result<Response, Failure> {
    let PostMessage { content, file_attachments, message_id } = caller.body()?;
    let words = Words { field: "content", content, attachments: file_attachments, message: message_id };
    let (message, sequence) = say(caller, session, words).await?;
    let accepted = MessageAccepted { message_id: message, sequence: sequence.0, state: MessageState::Accepted };
    Ok(created(&format!("/api/v1/sessions/{session}/messages/{message}"), &accepted))
}

/// Posts; the same message id again posts nothing and has the same place.
pub(super) async fn say(
    caller: &Caller<'_>,
    session: SessionId,
    words: Words,
) -> Result<(MessageId, Sequence), Failure> {
    let owner = caller.house.owner_of(session).ok_or_else(|| Failure::absent(session))?;
    let prompt = prompt(caller, owner, words)?;
    let work = WorkId::from_uuid(caller.house.fresh()?);
    match caller.submit(Command::PostMessage { session, prompt, work }).await? {
        Outcome::Posted { message, sequence } => Ok((message, sequence)),
        other => Err(Failure::unexpected(&other)),
    }
}

/// What goes into the journal for these words.
pub(super) fn prompt(caller: &Caller<'_>, owner: OwnerId, words: Words) -> Result<Prompt, Failure> {
    let Words { field, content, attachments, message } = words;
    caller.house.throttle.check_messages(caller.throttle_key(), 1)?;
    check_content(field, &content)?;
    let attachments = attachments.filter(|files| !files.is_empty());
    for file in attachments.iter().flatten() {
        check_attachment(caller, owner, file)?;
    }
    let kept = Kept { content: &content, file_attachments: attachments.as_deref() };
    let payload = serde_json::to_vec(&kept).map_err(|error| Failure::field(field, &error.to_string()))?;
    // Workers keep these ids in transcripts and expect the random kind of UUID.
    let fresh = || caller.house.fresh().map(|id| uuid::Builder::from_random_bytes(id.into_bytes()).into_uuid());
    let message = message.map_or_else(|| fresh().map(MessageId::from_uuid), Ok)?;
    Ok(Prompt {
        message,
        key: message_key(message),
        fingerprint: fingerprint([payload.as_slice()]),
        payload: Bytes::from(payload),
    })
}

fn check_content(field: &'static str, content: &RawValue) -> Result<(), Failure> {
    let text = content.get();
    match text.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(words) if words.trim().is_empty() => Err(Failure::field(field, "must not be empty")),
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::field(field, &format!("is not text: {error}"))),
        },
        Some(b'[') => match serde_json::from_str::<Vec<Block>>(text) {
            Ok(blocks) if blocks.is_empty() => Err(Failure::field(field, "must not be empty")),
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::field(field, &format!("must be a list of blocks with a type: {error}"))),
        },
        _ => Err(Failure::field(field, "must be text or a list of content blocks")),
    }
}

/// A file that is not the session's owner's could not be fetched by the worker, or should not be.
fn check_attachment(caller: &Caller<'_>, owner: OwnerId, file: &FileAttachment) -> Result<(), Failure> {
    const FIELD: &str = "file_attachments";
    let id = Uuid::try_parse(&file.file_uuid).map_err(|_| Failure::field(FIELD, "must name files by their UUIDs"))?;
    if file.file_name.is_empty() || file.file_name.len() > limits::NAME_BYTES_MAX {
        let reason = format!("must have names of 1 to {} bytes", limits::NAME_BYTES_MAX);
        return Err(Failure::field(FIELD, &reason));
    }
    let world = caller.house.relay.world();
    let theirs = world.file(FileId::from_uuid(id)).is_some_and(|stored| stored.owner == owner);
    if theirs { Ok(()) } else { Err(Failure::field(FIELD, &format!("names {id}, which is not stored here"))) }
}

pub(super) async fn show(caller: &Caller<'_>, session: SessionId, message: MessageId) -> Result<Response, Failure> {
    Ok(json(StatusCode::OK, &receipt(caller, session, message).await?))
}

/// Takes a message back that no worker has yet. Repeating it changes nothing.
pub(super) async fn cancel(caller: &Caller<'_>, session: SessionId, message: MessageId) -> Result<Response, Failure> {
    match caller.try_submit(Command::CancelMessage { session, message }).await? {
        Ok(_) => {}
        // Consumed, cancelled, or never there: the receipt knows.
        Err(RelayError::Refused(Refusal::NoMessage { .. })) => {
            let found = receipt(caller, session, message).await?;
            if found.state != MessageState::Cancelled {
                let detail = Refusal::AlreadyDelivered { message }.to_string();
                return Err(Failure::new(ProblemKind::AlreadyDelivered, detail));
            }
            return Ok(json(StatusCode::OK, &found));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(json(StatusCode::OK, &receipt(caller, session, message).await?))
}

/// Reads from where the message was posted on, until nothing more can come: what the outbox still holds has no last
/// receipt yet, and what it let go of has one.
async fn receipt(caller: &Caller<'_>, session: SessionId, message: MessageId) -> Result<MessageReceipt, Failure> {
    let relay = &caller.house.relay;
    let stream = Stream::Session(session);
    let absent = || Failure::absent(format_args!("message {message} in {session}"));
    let posted = relay.journal().find(stream, message_key(message))?.ok_or_else(absent)?;
    let awaited = match relay.world().session(session).and_then(|found| found.outbox.prompt(message)) {
        Some((_, item)) if item.is_delivered() => MessageState::Delivered,
        Some(_) => MessageState::Accepted,
        None => MessageState::Consumed,
    };
    let mut receipt: Option<MessageReceipt> = None;
    let mut next = posted;
    loop {
        let records = relay.read(stream, next, page_bounds())?;
        let Some(last) = records.last() else { break };
        next = last.sequence.next();
        for record in &records {
            note(&mut receipt, record, message);
            let state = receipt.as_ref().ok_or_else(absent)?.state;
            if state == awaited || matches!(state, MessageState::Consumed | MessageState::Cancelled) {
                return receipt.ok_or_else(absent);
            }
        }
        tokio::task::yield_now().await;
    }
    receipt.ok_or_else(absent)
}

/// Notes what a record says of the message. A prompt that was typed at the terminal has the key of a message and is
/// none of ours: it makes no receipt.
fn note(receipt: &mut Option<MessageReceipt>, record: &Record, id: MessageId) {
    let at = record.at.to_string();
    match (&record.event, receipt) {
        (Event::MessagePosted { message, .. }, receipt @ None) if *message == id => {
            *receipt = Some(MessageReceipt {
                message_id: id,
                sequence: record.sequence.0,
                state: MessageState::Accepted,
                accepted_at: at,
                delivered_at: None,
                consumed_at: None,
                cancelled_at: None,
            });
        }
        (Event::MessageDelivered { message, .. }, Some(receipt)) if *message == id => {
            receipt.state = MessageState::Delivered;
            receipt.delivered_at = Some(at);
        }
        (Event::MessageConsumed { message, .. }, Some(receipt)) if *message == id => {
            receipt.state = MessageState::Consumed;
            receipt.consumed_at = Some(at);
        }
        (Event::MessageCancelled { message, .. }, Some(receipt)) if *message == id => {
            receipt.state = MessageState::Cancelled;
            receipt.cancelled_at = Some(at);
        }
        _ => {}
    }
}
