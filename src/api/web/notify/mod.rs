//! Telling people that an agent waits for them: where, what, and what they answer straight from there.
//!
//! A question is told once it has been open for a moment and nobody who would be told is looking; when it is settled,
//! what was told is told that as well, under the same tag, which replaces it. What was told stands in the journal, so a
//! restart neither tells twice nor forgets. May not know how a question is decided: the answer goes the way of all
//! others.

mod answer;
mod deliver;
mod notice;
mod plan;
mod run;
mod targets;

pub(super) use answer::answer;
pub use run::run;
pub(super) use targets::{add, change, list, remove, test, vapid};
