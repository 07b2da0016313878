#![doc = include_str!("ARCHITECTURE.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "server")]
pub mod api;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "ctl")]
pub mod ctl;
pub mod domain;
#[cfg(feature = "journal")]
pub mod journal;
#[cfg(any(feature = "server", feature = "ctl"))]
pub mod paths;
#[cfg(feature = "journal")]
pub mod relay;
#[cfg(feature = "server")]
pub mod security;
#[cfg(feature = "server")]
pub mod serve;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "server")]
pub mod ui;
pub mod wire;
