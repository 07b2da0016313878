//! What is sent: requests that are built once and differ by a number.

use serde_json::json;

use super::target::{Ask, Target};
use crate::{
    ctl::{CtlError, client::fresh_id},
    domain::SessionId,
};

/// The path that a worker posts to with an API key.
fn ingress(session: SessionId) -> String {
    format!("/v2/session_ingress/session/{session}/events")
}

/// What stands for the number of a message until it is sent.
const NUMBER: &str = "000000000000";

/// A request that is different each time: a server that leaves repetitions out must not profit. Built once; only the
/// number is written into it before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where the number is written.
    places: Vec<usize>,
}

impl Template {
    /// A request with a number behind each [`MARK`] in it.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&bytes);
        // A session's own id may hold as many zeros; ours follow the mark.
        let places = text.match_indices(MARK).map(|(at, _)| at + MARK.len()).collect();
        Self { bytes, places }
    }

    /// Posts `count` messages of a worker of about 300 bytes, as agents send them most.
    pub(crate) fn messages(target: &Target, session: SessionId, count: usize) -> Result<Self, CtlError> {
        let messages = (0..count).map(|_| message()).collect::<Result<Vec<_>, _>>()?;
        let body = format!("{{\"events\":[{}]}}", messages.join(","));
        Ok(Self::new(target.request("POST", &ingress(session), &body)))
    }

    /// Appends to a stream: a salt, a number, and what is missing to this many bytes, as a JSON text.
    pub(crate) fn append(target: &Target, path: &str, media: &str, length: usize) -> Result<Self, CtlError> {
        let start = format!("\"{}{MARK}{NUMBER}", fresh_id()?.as_simple());
        let body = format!("{start:x<width$}\"", width = length.saturating_sub(1));
        let ask = Ask { content_type: Some(media), body: body.as_bytes(), ..Ask::new("POST", path) };
        Ok(Self::new(target.bytes(&ask)))
    }

    /// The request with this number in each message.
    pub(crate) fn number(&mut self, number: u64) -> &[u8] {
        let digits = format!("{number:012x}");
        for place in &self.places {
            if let Some(slot) = self.bytes.get_mut(*place..*place + NUMBER.len()) {
                slot.copy_from_slice(digits.as_bytes());
            }
        }
        &self.bytes
    }
}

/// What one connection sends, by turns.
#[derive(Debug)]
pub(crate) struct Load {
    templates: Vec<Template>,
}

impl Load {
    /// Always the same request, but for its number.
    pub(crate) fn one(template: Template) -> Self {
        Self { templates: vec![template] }
    }

    /// All of them in turn, beginning with this one, so that connections do not walk in step. There must be one at
    /// least.
    pub(crate) fn in_turn(mut templates: Vec<Template>, first: usize) -> Self {
        let turns = first % templates.len().max(1);
        templates.rotate_left(turns);
        Self { templates }
    }

    /// The request of this number.
    pub(crate) fn number(&mut self, number: u64) -> &[u8] {
        let count = self.templates.len() as u64;
        let turn = usize::try_from(number % count.max(1)).unwrap_or(0);
        self.templates.get_mut(turn).map_or(&[], |template| template.number(number))
    }
}

/// What stands before a number: a piece of a UUID, so that it may be a part of one, and in nothing else.
pub(crate) const MARK: &str = "-8bec-";

fn message() -> Result<String, CtlError> {
    let salt = fresh_id()?.as_simple().to_string();
    let (a, b) = (&salt[..8], &salt[8..12]);
    let uuid = format!("{a}-{b}-4{}{MARK}{NUMBER}", &salt[13..16]);
    let words = "The quick brown fox jumps over the lazy dog.";
    let message = json!({
        "type": "assistant",
        "message": {"id": "msg_bench", "type": "message", "role": "assistant", "model": "bench",
                    "content": [{"type": "text", "text": words}]},
        "parent_tool_use_id": null,
        "session_id": "93fa0000-0000-4000-8000-000000000000",
        "uuid": uuid,
    });
    Ok(message.to_string())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::ctl::origin::ApiKey;

    fn target() -> Target {
        Target::new("http://h:1", Some(&ApiKey::from("k"))).expect("an address")
    }

    #[test]
    fn each_number_makes_other_messages_of_the_same_length() {
        let target = target();
        let session = SessionId::from_uuid(Uuid::nil());
        let mut template = Template::messages(&target, session, 2).expect("is made");
        let (first, second) = (template.number(1).to_vec(), template.number(0xabc).to_vec());
        assert_eq!(first.len(), second.len());
        let text = String::from_utf8(second).expect("text");
        let body = text.split("\r\n\r\n").nth(1).expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("is JSON");
        let ids: Vec<&str> = (0..2).filter_map(|at| body["events"][at]["uuid"].as_str()).collect();
        assert!(ids.iter().all(|id| Uuid::try_parse(id).is_ok() && id.ends_with("-8bec-000000000abc")), "{ids:?}");
        assert_ne!(ids[0], ids[1]);
        assert!(first.len() / 2 < 450);
    }

    #[test]
    fn an_append_has_the_length_that_was_asked_for_and_is_json() {
        let mut template = Template::append(&target(), "/s", "a/b", 256).expect("is made");
        let text = String::from_utf8(template.number(0xf0).to_vec()).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        assert!(head.contains("content-type: a/b\r\ncontent-length: 256"), "{head}");
        assert_eq!(body.len(), 256);
        assert!(body.contains("-8bec-0000000000f0x") && serde_json::from_str::<String>(body).is_ok(), "{body}");
    }

    #[test]
    fn connections_take_turns_and_begin_at_different_requests() {
        let templates = || ["a", "b", "c"].map(|text| Template::new(text.into())).to_vec();
        let mut load = Load::in_turn(templates(), 4);
        let sent: Vec<_> = (0..4).map(|number| load.number(number).to_vec()).collect();
        assert_eq!(sent.concat(), b"bcab");
        let mut load = Load::one(Template::new(format!("{MARK}{NUMBER}").into()));
        assert_eq!(load.number(17), b"-8bec-000000000011");
    }
}
