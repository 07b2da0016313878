//! What is counted of every request. The handles are kept: to find one by its labels takes longer than to count.

use std::sync::OnceLock;

use http::{Method, StatusCode};
use metrics::{Counter, Histogram};

use super::Room;
use crate::telemetry;

const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Anybody can make up a method; these are the classes there are.
const METHODS: [&str; 3] = ["read", "write", "other"];

/// Of one room. A handle is made when it is first used: a page of zeros would say nothing.
#[derive(Default)]
struct Handles {
    requests: [OnceLock<Counter>; STATUSES.len()],
    seconds: [[OnceLock<Histogram>; STATUSES.len()]; METHODS.len()],
}

/// Of all rooms.
#[derive(Default)]
pub(super) struct Meters([Handles; Room::COUNT]);

/// A method as far as it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct MethodClass(usize);

impl MethodClass {
    pub(super) const fn of(method: &Method) -> Self {
        Self(match *method {
            Method::GET | Method::HEAD => 0,
            Method::POST | Method::PUT | Method::PATCH | Method::DELETE => 1,
            _ => 2,
        })
    }
}

fn class_of(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).clamp(1, STATUSES.len()) - 1
}

impl Meters {
    /// One more answer.
    pub(super) fn count(&self, room: Room, status: StatusCode) {
        let class = class_of(status);
        let make = || metrics::counter!(telemetry::REQUESTS, "room" => room.name(), "status" => STATUSES[class]);
        self.0[room as usize].requests[class].get_or_init(make).increment(1);
    }

    /// How long an answer took.
    pub(super) fn time(&self, room: Room, MethodClass(method): MethodClass, status: StatusCode, seconds: f64) {
        let class = class_of(status);
        let make = || {
            let (room, method, status) = (room.name(), METHODS[method], STATUSES[class]);
            metrics::histogram!(telemetry::REQUEST_SECONDS, "room" => room, "method" => method, "status" => status)
        };
        self.0[room as usize].seconds[method][class].get_or_init(make).record(seconds);
    }
}
