//! The ACP room over the wire, against a real server: agents behind links, those who look on, and what outlives a cut.

mod link;
mod returns;
mod steering;
mod together;
mod viewer;

use link::{Agent, Talents};

/// An agent that can do everything.
fn agent() -> Agent {
    Agent::new("node", Talents { load: true, resume: true })
}
