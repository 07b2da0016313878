//! The answer to an agent's question: one of the options that it offered, chosen by what the option means.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// An answer as the link takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome<'a> {
    Selected {
        #[serde(borrow, rename = "optionId")]
        option: Cow<'a, str>,
    },
    Cancelled,
}

/// What an agent offers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Choice<'a> {
    #[serde(borrow, rename = "optionId")]
    pub id: Cow<'a, str>,
    #[serde(default)]
    pub kind: Meaning,
}

/// What an option means. Its id is the agent's own and says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    AllowOnce,
    AllowAlways,
    RejectOnce,
    RejectAlways,
    /// A later kind: it can be chosen by its id, and is taken for a no.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Meaning {
    /// Whether it lets the agent go on.
    pub const fn allows(self) -> bool {
        matches!(self, Self::AllowOnce | Self::AllowAlways)
    }
}

/// The options in a question's frame.
pub fn choices(frame: &[u8]) -> Vec<Choice<'_>> {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow, default)]
        options: Vec<Choice<'a>>,
    }
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        payload: Payload<'a>,
    }
    serde_json::from_slice::<Frame<'_>>(frame).map(|frame| frame.payload.options).unwrap_or_default()
}

/// The option that says yes or no with the least reach: what was asked once is answered once, also where the agent
/// offers more. Nothing offered fits: the question is taken back.
pub fn choose<'a>(choices: &[Choice<'a>], allow: bool) -> Outcome<'a> {
    let wanted =
        if allow { [Meaning::AllowOnce, Meaning::AllowAlways] } else { [Meaning::RejectOnce, Meaning::RejectAlways] };
    let found = wanted.iter().find_map(|kind| choices.iter().find(|choice| choice.kind == *kind));
    found.map_or(Outcome::Cancelled, |choice| Outcome::Selected { option: choice.id.clone() })
}
