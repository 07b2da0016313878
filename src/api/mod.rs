//! One room per protocol, and the corridor that leads to them.
//!
//! A room is three lists: what can be asked (its `Endpoint`), what it needs (`needs`), what we answer (a `match`).
//! Rooms translate between their clients and the relay; they hold no state and never import each other.

use std::{sync::Arc, time::Instant};

use http::{HeaderValue, Method, StatusCode, header};
use tracing::Instrument as _;
use warp::{Filter as _, filters::BoxedFilter};

use self::common::{Call, House, Response, front, reply};
use crate::telemetry;

pub mod acp;
pub mod bridge;
pub mod common;
pub mod ops;
pub mod streams;
pub mod web;

/// The rooms, by what their paths begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Acp,
    Bridge,
    Streams,
    Web,
    Ops,
    /// Above this floor: pages.
    Roof,
}

impl Room {
    fn of(call: &Call) -> Self {
        match call.segments().as_slice() {
            // One path, two kinds of runners: each room knows its own.
            ["v1", "environments", "bridge"] if acp::is_registration(call) => Self::Acp,
            ["acp", ..] => Self::Acp,
            ["v1", "stream", ..] => Self::Streams,
            ["v1" | "v2", ..] | ["api", "oauth", ..] => Self::Bridge,
            ["api", "v1", ..] | ["web", ..] => Self::Web,
            ["health" | "ready" | "metrics"] => Self::Ops,
            _ => Self::Roof,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Acp => "acp",
            Self::Bridge => "bridge",
            Self::Streams => "streams",
            Self::Web => "web",
            Self::Ops => "ops",
            Self::Roof => "ui",
        }
    }
}

/// What answers the paths that no room has: the browser app, which lives above this floor.
pub type Roof = fn(&House, &Call) -> Response;

/// Everything that the server answers.
pub fn corridor(house: Arc<House>, roof: Roof) -> BoxedFilter<(Response,)> {
    let sockets = front::sockets(Arc::clone(&house), open_socket);
    let requests = front::requests(house, move |house, call| answer(house, call, roof));
    sockets.or(requests).unify().boxed()
}

async fn answer(house: Arc<House>, call: Call, roof: Roof) -> Response {
    let room = Room::of(&call);
    let started = Instant::now();
    let (name, method_class) = (request_id(&house, &call), class_of_method(&call.method));
    // Paths carry ids and no secrets; queries may carry what people type, so they stay out of the log.
    let asked = tracing::enabled!(tracing::Level::DEBUG).then(|| (call.method.clone(), call.path.clone()));
    let span = tracing::debug_span!("request", room = room.name(), request_id = name);
    let answering = async {
        match room {
            Room::Acp => acp::answer(house, call).await,
            Room::Bridge => bridge::answer(house, call).await,
            Room::Streams => streams::answer(house, call).await,
            Room::Web => web::answer(house, call).await,
            Room::Ops => ops::answer(house, call).await,
            Room::Roof => roof(&house, &call),
        }
    };
    let mut response = answering.instrument(span).await;
    let status = response.status();
    if let Some((method, path)) = asked {
        let (status_code, ms) = (status.as_u16(), started.elapsed().as_millis());
        tracing::debug!(room = room.name(), %method, path, status = status_code, ms, "answered");
    }
    count(room, status);
    if !is_held(&response) {
        let seconds = started.elapsed().as_secs_f64();
        let (room, status) = (room.name(), class_of_status(status));
        metrics::histogram!(telemetry::REQUEST_SECONDS, "room" => room, "method" => method_class, "status" => status)
            .record(seconds);
    }
    if let Ok(id) = HeaderValue::from_str(&name) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

fn open_socket(house: Arc<House>, call: Call, ws: warp::ws::Ws) -> Response {
    let room = Room::of(&call);
    let response = match room {
        Room::Acp => acp::open_socket(house, call, ws),
        Room::Bridge => bridge::open_socket(house, call, ws),
        Room::Web => web::open_socket(house, call, ws),
        Room::Streams | Room::Ops | Room::Roof => reply::empty(StatusCode::NOT_FOUND),
    };
    count(room, response.status());
    response
}

/// The caller's own id for the request, if it is one that can be printed, else a fresh one.
fn request_id(house: &House, call: &Call) -> String {
    let sane = |id: &&str| id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    call.header("x-request-id").filter(sane).map_or_else(|| house.names.next(), ToOwned::to_owned)
}

fn count(room: Room, status: StatusCode) {
    let status = class_of_status(status);
    metrics::counter!(telemetry::REQUESTS, "room" => room.name(), "status" => status).increment(1);
}

/// Whether the time until this answer says nothing of the server: it goes on for as long as somebody reads it, or was
/// held back until there was something to say.
fn is_held(response: &Response) -> bool {
    let media_type = response.headers().get(header::CONTENT_TYPE);
    let is_stream = media_type.is_some_and(|media_type| media_type == "text/event-stream");
    is_stream || response.extensions().get::<reply::Held>().is_some()
}

const fn class_of_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// Anybody can make up a method; these are the classes there are.
fn class_of_method(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "read",
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE => "write",
        _ => "other",
    }
}
