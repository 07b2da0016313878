//! What a person can read in what agents and people said: their words, and the commands that were run. Not what tools
//! printed, not what an agent thought, no bytes of pictures.
//!
//! Payloads of three kinds: the neutral form in which prompts are kept, ccb's messages, and the frames of agents behind
//! links. Whatever is none of them says nothing.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

/// The kind of block that is text.
const TEXT: &str = "text";

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    Person,
    Agent,
    /// The agent, through what it runs.
    Tool,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    pub by: Speaker,
    pub text: String,
}

/// What one payload says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing, and it ends nothing either.
    Nothing,
    /// Nothing to read, but what was being said ends here.
    End,
    /// These.
    Whole(Vec<Spoken>),
    /// A piece, which the next piece of the same speaker goes on with.
    Piece(Spoken),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// What of a tool's input says what it does, as it is put together. `command` is a line of shell or its words.
const TELLING: [&str; 10] =
    ["command", "description", "file_path", "notebook_path", "path", "pattern", "query", "url", "prompt", "plan"];

#[derive(Deserialize)]
struct Question<'a> {
    #[serde(borrow, default)]
    question: Cow<'a, str>,
}

fn parsed<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}

/// The words of a prompt, as they are kept.
pub fn prompt(payload: &[u8]) -> Said {
    #[derive(Deserialize)]
    struct Kept<'a> {
        #[serde(borrow)]
        content: &'a RawValue,
    }
    let text = parsed::<Kept<'_>>(payload).map(|kept| words_of(&blocks(kept.content))).unwrap_or_default();
    whole([(Speaker::Person, text)])
}

/// What a message of a worker, or a frame of an agent's link, says.
pub fn message(payload: &[u8]) -> Said {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Cow<'a, str>,
        #[serde(borrow, default)]
        message: Option<&'a RawValue>,
        #[serde(borrow, default)]
        payload: Option<&'a RawValue>,
        #[serde(default, rename = "isMeta")]
        meta: bool,
    }
    let Some(Frame { kind, message, payload, meta }) = parsed(payload) else { return Said::Nothing };
    match (kind.as_ref(), message, payload) {
        // What the program tells its model under the person's name.
        ("user", ..) if meta => Said::Nothing,
        ("user", Some(message), _) => user(message.get()),
        ("assistant", Some(message), _) => assistant(message.get()),
        ("session_update", _, Some(payload)) => update(payload.get()),
        ("prompt_complete" | "error", _, Some(_)) => Said::End,
        _ => Said::Nothing,
    }
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

fn user(message: &str) -> Said {
    let text =
        parsed::<Inner<'_>>(message.as_bytes()).map(|inner| words_of(&blocks(inner.content))).unwrap_or_default();
    whole([(Speaker::Person, text)])
}

fn assistant(message: &str) -> Said {
    let Some(Inner { content }) = parsed(message.as_bytes()) else { return Said::Nothing };
    let blocks = blocks(content);
    let words = words_of(&blocks);
    let runs = blocks.iter().filter(|block| block.kind == "tool_use").map(|block| {
        let name = block.name.as_deref().unwrap_or_default();
        (Speaker::Tool, joined([name.to_owned(), input(block.input)]))
    });
    whole(std::iter::once((Speaker::Agent, words)).chain(runs))
}

fn update(payload: &str) -> Said {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        update: Update<'a>,
    }
    #[derive(Deserialize)]
    struct Update<'a> {
        #[serde(borrow, default, rename = "sessionUpdate")]
        kind: Cow<'a, str>,
        #[serde(borrow, default)]
        content: Option<&'a RawValue>,
        #[serde(borrow, default)]
        title: Option<Cow<'a, str>>,
        #[serde(borrow, default, rename = "rawInput")]
        input: Option<&'a RawValue>,
    }
    let Some(Payload { update }) = parsed(payload.as_bytes()) else { return Said::Nothing };
    let piece = |by| {
        let block = update.content.and_then(|content| parsed::<Block<'_>>(content.get().as_bytes()));
        let text = block.and_then(|block| block.text).map(Cow::into_owned);
        text.map_or(Said::Nothing, |text| Said::Piece(Spoken { by, text }))
    };
    match update.kind.as_ref() {
        "agent_message_chunk" => piece(Speaker::Agent),
        "user_message_chunk" => piece(Speaker::Person),
        "tool_call" | "tool_call_update" => {
            match whole([(Speaker::Tool, joined([update.title.unwrap_or_default().into_owned(), input(update.input)]))])
            {
                Said::Nothing => Said::End,
                said => said,
            }
        }
        "agent_thought_chunk" | "plan" => Said::End,
        _ => Said::Nothing,
    }
}

/// A text is one block of it.
fn blocks(content: &RawValue) -> Vec<Block<'_>> {
    let content = content.get().as_bytes();
    if content.first() == Some(&b'"') {
        let text = parsed::<Cow<'_, str>>(content);
        return vec![Block { kind: TEXT.into(), text, ..Block::default() }];
    }
    parsed(content).unwrap_or_default()
}

/// A tool's result stands beside the texts, and is none.
fn words_of(blocks: &[Block<'_>]) -> String {
    let texts = blocks.iter().filter(|block| block.kind == TEXT).filter_map(|block| block.text.as_deref());
    texts.collect::<Vec<_>>().join("\n\n")
}

/// Each argument is read by itself: a tool of somebody else may mean something else by one of the names.
fn input(raw: Option<&RawValue>) -> String {
    let arguments: BTreeMap<Cow<'_, str>, &RawValue> =
        raw.and_then(|raw| parsed(raw.get().as_bytes())).unwrap_or_default();
    let argument = |name: &str| arguments.get(name).map(|argument| argument.get().as_bytes());
    let words = |argument| parsed::<String>(argument).or_else(|| Some(parsed::<Vec<String>>(argument)?.join(" ")));
    let questions = argument("questions").and_then(parsed::<Vec<Question<'_>>>).unwrap_or_default();
    let questions = questions.into_iter().map(|asked| asked.question.into_owned());
    joined(TELLING.into_iter().filter_map(|name| words(argument(name)?)).chain(questions))
}

fn joined(parts: impl IntoIterator<Item = String>) -> String {
    let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    said.join("\n")
}

fn whole(all: impl IntoIterator<Item = (Speaker, String)>) -> Said {
    let said = all.into_iter().filter(|(_, text)| !text.trim().is_empty());
    let said: Vec<_> = said.map(|(by, text)| Spoken { by, text }).collect();
    if said.is_empty() { Said::Nothing } else { Said::Whole(said) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(said: Said) -> Vec<(Speaker, String)> {
        match said {
            Said::Nothing | Said::End => Vec::new(),
            Said::Piece(one) => vec![(one.by, one.text)],
            Said::Whole(all) => all.into_iter().map(|one| (one.by, one.text)).collect(),
        }
    }

    #[test]
    fn what_a_person_reads_is_found_and_nothing_else() {
        use Speaker::{Agent, Person, Tool};
        let picture =
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8"}});
        let kept = json!({"content": [{"type": "text", "text": "see \u{56fe}"}, picture]});
        assert_eq!(texts(prompt(kept.to_string().as_bytes())), [(Person, "see \u{56fe}".into())]);
        assert_eq!(texts(prompt(br#"{"content":"hi"}"#)), [(Person, "hi".into())]);
        for (payload, expected) in [
            (
                json!({"type": "assistant", "message": {"content": [
                    {"type": "thinking", "thinking": "secret"}, {"type": "text", "text": "done"},
                    {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls -l", "timeout": 5}}]}}),
                vec![(Agent, "done".to_owned()), (Tool, "Bash\nls -l".into())],
            ),
            (
                json!({"type": "user", "message": {"content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "output"}]}]}}),
                vec![],
            ),
            (json!({"type": "user", "message": {"content": "typed"}}), vec![(Person, "typed".into())]),
            (json!({"type": "user", "isMeta": true, "message": {"content": "reminder"}}), vec![]),
            (
                json!({"type": "session_update", "payload": {"sessionId": "s", "update": {
                    "sessionUpdate": "tool_call", "toolCallId": "1", "title": "Run it",
                    "rawInput": {"command": ["a", "b"]}}}}),
                vec![(Tool, "Run it\na b".into())],
            ),
            (
                json!({"type": "session_update", "payload": {"update": {
                    "sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "wo"}}}}),
                vec![(Agent, "wo".into())],
            ),
            (
                json!({"type": "assistant", "message": {"content": [{"type": "tool_use", "name": "grep",
                    "input": {"pattern": "fn main", "path": ["src", "tests"], "query": 7, "url": null}}]}}),
                vec![(Tool, "grep\nsrc tests\nfn main".into())],
            ),
            (
                json!({"type": "assistant", "message": {"content": [{"type": "tool_use", "name": "Ask",
                    "input": {"questions": [{"question": "Which?"}, {"header": "x"}, {"question": "When?"}]}}]}}),
                vec![(Tool, "Ask\nWhich?\nWhen?".into())],
            ),
            (json!({"type": "assistant", "message": {"content": 7}}), vec![]),
            (
                json!({"type": "assistant", "message": {"content": [
                    {"type": "tool_use", "input": {"command": {"a": 1}}}]}}),
                vec![],
            ),
            (json!([1, 2]), vec![]),
        ] {
            assert_eq!(texts(message(payload.to_string().as_bytes())), expected, "{payload}");
        }
        assert_eq!(message(b"\xff\xfe"), Said::Nothing);
        assert_eq!(prompt(b""), Said::Nothing);
    }
}
