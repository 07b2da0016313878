//! What a person can read in what agents and people said: their words, and the commands that were run. Not what tools
//! printed, not what an agent thought, no bytes of pictures.
//!
//! Payloads of three kinds: the neutral form in which prompts are kept, ccb's messages, and the frames of agents behind
//! links. Whatever is none of them says nothing.

use std::borrow::Cow;

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

/// What of a tool's input says what it does.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Input<'a> {
    /// A line of shell, or its words.
    #[serde(borrow)]
    command: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<Cow<'a, str>>,
    #[serde(borrow)]
    file_path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    notebook_path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pattern: Option<Cow<'a, str>>,
    #[serde(borrow)]
    query: Option<Cow<'a, str>>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    prompt: Option<Cow<'a, str>>,
    #[serde(borrow)]
    plan: Option<Cow<'a, str>>,
    #[serde(borrow)]
    questions: Option<Vec<Question<'a>>>,
}

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
        (Speaker::Tool, joined([Some(name), Some(&input(block.input))]))
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
            match whole([(Speaker::Tool, joined([update.title.as_deref(), Some(&input(update.input))]))]) {
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

fn input(raw: Option<&RawValue>) -> String {
    let input = raw.and_then(|raw| parsed::<Input<'_>>(raw.get().as_bytes())).unwrap_or_default();
    let command = input.command.and_then(|command| {
        let command = command.get().as_bytes();
        parsed::<String>(command).or_else(|| Some(parsed::<Vec<String>>(command)?.join(" ")))
    });
    let questions: Vec<_> = input.questions.iter().flatten().map(|asked| asked.question.as_ref()).collect();
    joined([
        command.as_deref(),
        input.description.as_deref(),
        input.file_path.as_deref(),
        input.notebook_path.as_deref(),
        input.path.as_deref(),
        input.pattern.as_deref(),
        input.query.as_deref(),
        input.url.as_deref(),
        input.prompt.as_deref(),
        input.plan.as_deref(),
        Some(&questions.join("\n")),
    ])
}

fn joined<const N: usize>(parts: [Option<&str>; N]) -> String {
    let said: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
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
