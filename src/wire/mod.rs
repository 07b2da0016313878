//! What others say: pure serde types, one file per protocol.
//!
//! Foreign payloads are kept as their bytes and peeked at, never re-serialised. May know ids and limits, nothing else.

pub mod acp;
pub mod bridge;
pub mod spoken;
pub mod streams;
pub mod web;
