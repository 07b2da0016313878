//! What a worker's message says: prose, tool calls, results, notices. Peeks at the message; what it does not know it
//! shows as JSON, so that nothing stays unseen.

use std::collections::HashMap;

use serde_json::Value;

use super::tell::Part;

/// Tool use id to the tool's name, from the call to its result.
pub(crate) type Tools = HashMap<String, String>;

/// What a message of this kind tells.
pub(crate) fn parts(kind: &str, payload: &Value, tools: &mut Tools) -> Vec<Part> {
    match kind {
        "assistant" => blocks(payload, tools, "says"),
        "user" => blocks(payload, tools, "was told"),
        "result" => vec![result(payload)],
        "system" => vec![notice(payload)],
        "tasks" => vec![tasks(payload)],
        _ => vec![Part::new(format!("sent {}", text(payload, "type"))).code(payload.to_string())],
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn blocks(payload: &Value, tools: &mut Tools, verb: &str) -> Vec<Part> {
    let content = payload.pointer("/message/content").or_else(|| payload.get("content"));
    let inside = if text(payload, "parent_tool_use_id").is_empty() { "" } else { " (sub-agent)" };
    let verb = format!("{verb}{inside}");
    match content {
        Some(Value::String(words)) => vec![Part::new(verb).text(words)],
        Some(Value::Array(blocks)) => blocks.iter().map(|block| one(block, tools, &verb, inside)).collect(),
        _ => vec![Part::new(format!("sent {}", text(payload, "type"))).code(payload.to_string())],
    }
}

fn one(block: &Value, tools: &mut Tools, verb: &str, inside: &str) -> Part {
    match text(block, "type") {
        "text" => Part::new(verb).text(text(block, "text")),
        "thinking" => Part::new(format!("thinks{inside}")).text(text(block, "thinking")),
        "tool_use" => {
            let (id, name) = (text(block, "id"), text(block, "name"));
            tools.insert(id.to_owned(), name.to_owned());
            let part = Part::new(format!("calls {name}{inside} ({id})"));
            part.code(input_text(block.get("input").unwrap_or(&Value::Null)))
        }
        "tool_result" => {
            let id = text(block, "tool_use_id");
            let of = tools.remove(id).map_or_else(|| id.to_owned(), |name| format!("{name} ({id})"));
            let failed = block.get("is_error").and_then(Value::as_bool).unwrap_or_default();
            let what = if failed { format!("FAILED: {of}") } else { format!("result of {of}") };
            Part::new(what).code(content_text(block.get("content").unwrap_or(&Value::Null)))
        }
        _ => Part::new(format!("{verb} ({})", text(block, "type"))).code(shown(block)),
    }
}

/// Content as text: a string, or the texts of a list of blocks, with what is no text named in its place.
pub(crate) fn content_text(content: &Value) -> String {
    match content {
        Value::String(words) => words.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().map(|block| match text(block, "type") {
                "text" => text(block, "text").to_owned(),
                _ => shown(block),
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A block that is no text. Pictures and documents carry their bytes in base64, which nobody reads.
fn shown(block: &Value) -> String {
    let data = block.pointer("/source/data").and_then(Value::as_str);
    match data {
        Some(data) => {
            let media = block.pointer("/source/media_type").and_then(Value::as_str).unwrap_or("unknown type");
            format!("[{}: {media}, about {} bytes]", text(block, "type"), data.len() / 4 * 3)
        }
        None => block.to_string(),
    }
}

/// A tool's input: its command if that says it, otherwise name and value line by line.
pub(crate) fn input_text(input: &Value) -> String {
    let Value::Object(fields) = input else { return content_text(input) };
    if let Some(Value::String(command)) = fields.get("command") {
        let others = fields.keys().all(|name| matches!(name.as_str(), "command" | "description"));
        if others {
            return command.clone();
        }
    }
    let lines = fields.iter().map(|(name, value)| match value {
        Value::String(text) if text.contains('\n') => {
            let indented: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
            format!("{name}:\n{}", indented.join("\n"))
        }
        Value::String(text) => format!("{name}: {text}"),
        other => format!("{name}: {other}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn result(payload: &Value) -> Part {
    let subtype = match text(payload, "subtype") {
        "" => "success",
        other => other,
    };
    let mut what = format!("turn ended: {}", subtype.replace('_', " "));
    if let Some(ms) = payload.get("duration_ms").and_then(Value::as_u64).filter(|ms| *ms > 0) {
        what.push_str(", ");
        what.push_str(&super::table::duration_ms(ms));
    }
    if let Some(cost) = payload.get("total_cost_usd").and_then(Value::as_f64).filter(|cost| *cost > 0.0) {
        what = format!("{what}, {cost:.4} USD");
    }
    let failed = payload.get("is_error").and_then(Value::as_bool).unwrap_or_default();
    // What a turn that went well resulted in was said just before.
    if failed { Part::new(what).text(text(payload, "result")) } else { Part::new(what) }
}

fn notice(payload: &Value) -> Part {
    match text(payload, "subtype") {
        "init" => {
            let known =
                [("model", "model"), ("mode", "permissionMode"), ("in", "cwd"), ("version", "claude_code_version")];
            let known = known.map(|(words, name)| (words, text(payload, name)));
            let given = known.iter().filter(|(_, value)| !value.is_empty());
            let told: Vec<String> = given.map(|(words, value)| format!("{words} {value}")).collect();
            Part::new(format!("starts a turn: {}", told.join(", ")))
        }
        "status" => Part::new(format!("status {}", shown_field(payload, "status"))),
        "compact_boundary" => Part::new("compacted its memory of the conversation"),
        other => Part::new(format!("notice: {}", other.replace('_', " "))).code(payload.to_string()),
    }
}

fn shown_field(payload: &Value, name: &str) -> String {
    payload.get(name).map_or_else(|| "none".into(), content_text)
}

fn tasks(payload: &Value) -> Part {
    let tasks = payload.get("tasks").and_then(Value::as_array);
    let lines: Vec<String> = tasks
        .into_iter()
        .flatten()
        .map(|task| {
            let mark = match text(task, "status") {
                "completed" => 'x',
                "in_progress" => '>',
                _ => ' ',
            };
            format!("[{mark}] {}", text(task, "subject"))
        })
        .collect();
    let part = Part::new(format!("task list ({})", lines.len()));
    if lines.is_empty() { part } else { part.code(lines.join("\n")) }
}
