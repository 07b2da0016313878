//! What an agent said that can be chosen, as far as a link can pass the choice on.
//!
//! A link asks for a mode when it begins a conversation, and only for one of its own list; it switches models only of
//! agents that told theirs in the older form. What agents offer beside that is for programs that run on their machine.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

/// The modes that a link lets through; agents that announce others cannot be asked for them.
const MODES: [&str; 6] = ["auto", "default", "acceptEdits", "dontAsk", "plan", "bypassPermissions"];

/// One of several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Choice {
    #[serde(alias = "modelId")]
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
}

/// What can be chosen for a conversation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Choices {
    pub modes: Vec<Choice>,
    pub models: Vec<Choice>,
}

/// What a program said of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name, with its version if it told one.
    pub name: Option<String>,
    pub capabilities: Option<Value>,
}

/// Reads the frame with which an agent told of a conversation that it has open.
pub fn choices(frame: &[u8]) -> Choices {
    #[derive(Deserialize)]
    struct Frame {
        payload: Told,
    }
    #[derive(Deserialize)]
    struct Told {
        #[serde(default)]
        modes: Option<Value>,
        #[serde(default)]
        models: Option<Value>,
    }
    let Ok(Frame { payload }) = serde_json::from_slice(frame) else { return Choices::default() };
    let mut modes = listed(payload.modes, "availableModes");
    modes.retain(|mode| MODES.contains(&mode.id.as_str()));
    Choices { modes, models: listed(payload.models, "availableModels") }
}

/// The entries of a list that are what they should be.
fn listed(holder: Option<Value>, name: &str) -> Vec<Choice> {
    let list = holder.and_then(|mut holder| holder.get_mut(name).map(Value::take));
    let Some(Value::Array(list)) = list else { return Vec::new() };
    list.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect()
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
    fn only_what_a_link_can_pass_on_is_a_choice() {
        let frame = json!({"type": "session_created", "payload": {"sessionId": "s",
            "modes": {"currentModeId": "default", "availableModes": [
                {"id": "default", "name": "Always ask"}, {"id": "architect", "name": "Architect"}, {"id": "plan"}, 7]},
            "models": {"currentModelId": "a",
                "availableModels": [{"modelId": "a", "name": "A", "description": "fast"}]},
            "configOptions": [{"id": "model", "options": [{"value": "b", "name": "B"}]}]}});
        let Choices { modes, models } = choices(frame.to_string().as_bytes());
        assert_eq!(modes.iter().map(|mode| mode.id.as_str()).collect::<Vec<_>>(), ["default", "plan"]);
        assert_eq!(models, [Choice { id: "a".into(), name: Some("A".into()), description: Some("fast".into()) }]);
        for nothing in [json!({"payload": {"models": null, "modes": []}}), json!({"payload": 7}), json!(null)] {
            assert_eq!(choices(nothing.to_string().as_bytes()), Choices::default(), "{nothing}");
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
