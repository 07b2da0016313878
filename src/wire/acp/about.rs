//! What an agent said of itself and of what can be chosen, in words for people. Which of it can be had is
//! [`offers`](super::offers)' to say.

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize;
use serde_json::Value;

/// The modes that a link lets through when it begins a conversation.
pub const BEGINNING_MODES: [&str; 6] = ["auto", "default", "acceptEdits", "dontAsk", "plan", "bypassPermissions"];

/// What people call something that can be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Called {
    pub name: Option<String>,
    pub description: Option<String>,
}

/// What a program said of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name, with its version if it told one.
    pub name: Option<String>,
    pub capabilities: Option<Value>,
}

/// What the modes and models are called, by their ids, in the frame with which an agent told of a conversation.
pub fn names(frame: &[u8]) -> HashMap<String, Called> {
    let mut names = HashMap::new();
    let Ok(frame) = serde_json::from_slice::<Value>(frame) else { return names };
    let payload = &frame["payload"];
    collect(&payload["modes"]["availableModes"], &mut names);
    collect(&payload["models"]["availableModels"], &mut names);
    for option in payload["configOptions"].as_array().into_iter().flatten() {
        collect(&option["options"], &mut names);
        for group in option["options"].as_array().into_iter().flatten() {
            collect(&group["options"], &mut names);
        }
    }
    names
}

fn collect(list: &Value, names: &mut HashMap<String, Called>) {
    for one in list.as_array().into_iter().flatten() {
        let id = ["id", "modelId", "value"].into_iter().find_map(|name| one[name].as_str());
        let text = |name: &str| one[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        if let Some(id) = id {
            let called = Called { name: text("name"), description: text("description") };
            names.entry(id.to_owned()).or_insert(called);
        }
    }
}

/// Reads the frame with which a link told of its program.
pub fn about(frame: &[u8]) -> About {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        payload: Status<'a>,
    }
    #[derive(Deserialize)]
    struct Status<'a> {
        #[serde(borrow, default, rename = "agentInfo")]
        info: Option<Info<'a>>,
        #[serde(default)]
        capabilities: Option<Value>,
    }
    #[derive(Deserialize)]
    struct Info<'a> {
        #[serde(borrow, default)]
        name: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        title: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        version: Option<Cow<'a, str>>,
    }
    let Ok(Frame { payload: Status { info, capabilities } }) = serde_json::from_slice(frame) else {
        return About::default();
    };
    let name = info.and_then(|info| {
        let name = info.title.or(info.name).filter(|name| !name.is_empty())?;
        Some(info.version.map_or_else(|| name.to_string(), |version| format!("{name} {version}")))
    });
    About { name, capabilities: capabilities.filter(Value::is_object) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_can_be_chosen_has_the_name_that_its_agent_gave_it() {
        let frame = json!({"type": "session_created", "payload": {"sessionId": "s",
            "modes": {"availableModes": [{"id": "default", "name": "Always ask"}, {"id": "plan"}, 7]},
            "models": {"availableModels": [{"modelId": "a", "name": "A", "description": "fast"}]},
            "configOptions": [{"id": "model", "options": [
                {"value": "b", "name": "B"}, {"name": "group", "options": [{"value": "c", "name": "C"}]}]}]}});
        let names = names(frame.to_string().as_bytes());
        let name = |id: &str| names.get(id).and_then(|called| called.name.as_deref());
        assert_eq!([name("default"), name("plan"), name("a")], [Some("Always ask"), None, Some("A")]);
        assert_eq!([name("b"), name("c"), name("d")], [Some("B"), Some("C"), None]);
        for nothing in [json!({"payload": {"models": null, "modes": []}}), json!({"payload": 7}), json!(null)] {
            assert!(super::names(nothing.to_string().as_bytes()).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn a_program_is_known_by_what_it_called_itself() {
        let frame = json!({"type": "status", "payload": {"connected": true,
            "agentInfo": {"name": "qwen-code", "title": "Qwen Code", "version": "0.24.4"},
            "capabilities": {"loadSession": true}}});
        let told = about(frame.to_string().as_bytes());
        assert_eq!(told.name.as_deref(), Some("Qwen Code 0.24.4"));
        assert_eq!(told.capabilities, Some(json!({"loadSession": true})));
        assert_eq!(about(b"{\"payload\":{\"connected\":false}}"), About::default());
    }
}
