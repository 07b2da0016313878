#![doc = include_str!("ARCHITECTURE.md")]
#![forbid(unsafe_code)]

pub mod domain;
#[cfg(feature = "journal")]
pub mod journal;
#[cfg(feature = "server")]
pub mod security;
