//! The integration tests: one binary, one module per protocol or concern.
//!
//! `tidy` finds a file that is not listed here. Low tests stand before high ones.

mod acp;
mod backup;
mod bridge;
mod ctl;
mod harness;
mod kill;
mod metrics;
mod notify;
mod proxies;
mod retention;
mod secrecy;
mod streams;
mod tidy;
mod web;
