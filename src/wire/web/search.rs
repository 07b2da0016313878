//! What was found in what people and agents said.

use serde::{Deserialize, Serialize};

use crate::domain::id::SessionId;

/// A page of a search, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchPage {
    pub hits: Vec<SearchHit>,
    /// Pass it as `?after=` to search further back. A page may be empty and have one: it says how far was looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Sessions that were not, or not wholly, looked through.
    pub sessions_left: u64,
    /// Of those, the one that comes next was last active then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<String>,
}

/// One place where all the words are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchHit {
    pub session_id: SessionId,
    pub title: Option<String>,
    pub archived: bool,
    /// The event that says it; the first one, where it is in pieces. None for a title.
    pub sequence: Option<u64>,
    pub at: String,
    pub from: SearchSource,
    /// What stands around the first of the words, as it was said.
    pub snippet: String,
    /// Where in the snippet the words are: from and to, counted in UTF-16 units as browsers do, in order and apart.
    pub marks: Vec<[u32; 2]>,
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchSource {
    Title,
    Person,
    Agent,
    /// The agent, through what it runs.
    Tool,
}

impl SearchSource {
    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Person => "person",
            Self::Agent => "agent",
            Self::Tool => "tool",
        }
    }
}
