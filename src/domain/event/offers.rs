//! What an agent lets people choose from in a conversation. Stored with the events: names are for ever, new fields
//! have a default.

use serde::{Deserialize, Serialize};

/// Modes and models, each as far as the agent said which there are. What it said nothing of is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modes: Option<Offer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Offer>,
}

/// One list to choose from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// By the agent's ids, in its order.
    pub ids: Vec<String>,
    /// The option of the agent's configuration that switches it; without one the agent has a word of its own for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
}

impl Offers {
    /// Whether nothing is known.
    pub const fn is_unknown(&self) -> bool {
        self.modes.is_none() && self.models.is_none()
    }

    /// Whether something that was known is not said here.
    pub const fn says_less_than(&self, known: &Self) -> bool {
        (self.modes.is_none() && known.modes.is_some()) || (self.models.is_none() && known.models.is_some())
    }

    /// Takes what a later word says, and keeps what it says nothing of.
    pub fn learn(&mut self, later: &Self) {
        for (known, said) in [(&mut self.modes, &later.modes), (&mut self.models, &later.models)] {
            if said.is_some() {
                known.clone_from(said);
            }
        }
    }
}
