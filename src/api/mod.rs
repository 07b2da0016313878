//! One room per protocol, and the corridor that leads to them.
//!
//! A room is three lists: what can be asked (its `Endpoint`), what it needs (`needs`), what we answer (a `match`). Rooms
//! translate between their clients and the relay; they hold no state and never import each other.

pub mod common;
