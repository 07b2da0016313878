//! What an agent says can be chosen in a conversation: modes and models, each in one of two forms, some in both.
//!
//! Of an offer in both forms the agent's own word is taken: older agents know only that.

use serde::Deserialize;

/// One list to choose from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    pub ids: Vec<String>,
    /// The configuration option that switches it, where the agent has no word of its own for it.
    pub option: Option<String>,
}

/// What is offered, as far as it is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    pub modes: Option<Choices>,
    pub models: Option<Choices>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    modes: Option<Modes>,
    #[serde(default)]
    models: Option<Models>,
    #[serde(default, rename = "configOptions")]
    options: Option<Vec<Configurable>>,
}

#[derive(Deserialize)]
struct Modes {
    #[serde(default, rename = "availableModes")]
    available: Option<Vec<Mode>>,
}

#[derive(Deserialize)]
struct Mode {
    id: String,
}

#[derive(Deserialize)]
struct Models {
    #[serde(default, rename = "availableModels")]
    available: Option<Vec<Model>>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "modelId")]
    id: String,
}

#[derive(Deserialize)]
struct Configurable {
    id: String,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    options: Option<Vec<Value>>,
}

/// A value, or a group of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    One { value: String },
    Group { options: Vec<Single> },
    Unknown(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Single {
    value: String,
}

/// What the payload of a frame offers. What cannot be read of it is not known.
pub fn offered(payload: &str) -> Offered {
    let Ok(Payload { modes, models, options }) = serde_json::from_str(payload) else { return Offered::default() };
    let option = |name: &str| {
        let options = options.as_deref().unwrap_or_default();
        let of_kind = |option: &&Configurable| option.category.as_deref().unwrap_or(&option.id) == name;
        // A switch of this kind has nothing to choose from.
        options.iter().filter(of_kind).find_map(|found| {
            let ids = found.options.as_ref()?.iter().flat_map(Value::ids).collect();
            Some(Choices { ids, option: Some(found.id.clone()) })
        })
    };
    let own = |ids: Vec<String>| Choices { ids, option: None };
    let modes = modes.and_then(|modes| modes.available).map(|all| own(all.into_iter().map(|one| one.id).collect()));
    let models = models.and_then(|models| models.available).map(|all| own(all.into_iter().map(|one| one.id).collect()));
    Offered { modes: modes.or_else(|| option("mode")), models: models.or_else(|| option("model")) }
}

impl Value {
    fn ids(&self) -> Vec<String> {
        match self {
            Self::One { value } => vec![value.clone()],
            Self::Group { options } => options.iter().map(|one| one.value.clone()).collect(),
            Self::Unknown(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_read_in_every_form_and_what_cannot_be_read_is_not_known() {
        let both = r#"{"modes":{"currentModeId":"a","availableModes":[{"id":"a"},{"id":"b"}]},"models":null,
            "configOptions":[{"id":"mode","category":"mode","options":[{"value":"other"}]},
                {"id":"switch","category":"model","type":"boolean"},
                {"id":"model","options":[{"value":"m1"},{"name":"fast","options":[{"value":"m2"}]},{"group":1}]}]}"#;
        let Offered { modes, models } = offered(both);
        assert_eq!(modes, Some(Choices { ids: vec!["a".into(), "b".into()], option: None }), "its own word is older");
        assert_eq!(models, Some(Choices { ids: vec!["m1".into(), "m2".into()], option: Some("model".into()) }));
        for unknown in ["{}", r#"{"modes":{"currentModeId":"a"}}"#, r#"{"modes":7}"#, r#"{"models":{}}"#, "no JSON"] {
            assert_eq!(offered(unknown), Offered::default(), "{unknown}");
        }
        let none = offered(r#"{"models":{"availableModels":[]}}"#);
        assert_eq!(none.models, Some(Choices::default()), "none is something else than not known");
    }
}
