//! One room per protocol, and the corridor that leads to them.
//!
//! A room is three lists: what can be asked (its `Endpoint`), what it needs (`needs`), what we answer (a `match`).
//! Rooms translate between their clients and the relay; they hold no state and never import each other.

use std::{sync::Arc, time::Instant};

use http::{HeaderValue, Request, StatusCode, header};
use hyper::{body::Incoming, service::Service as _};
use hyper_util::service::TowerToHyperService;
use tracing::Instrument as _;
use warp::filters::BoxedFilter;

use self::{
    common::{Call, House, Response, front, reply},
    meters::{Meters, MethodClass},
};

pub mod acp;
pub mod bridge;
pub mod common;
mod meters;
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
    const COUNT: usize = 6;

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
pub struct Corridor {
    house: Arc<House>,
    roof: Roof,
    sockets: BoxedFilter<(Response,)>,
    meters: Arc<Meters>,
}

impl std::fmt::Debug for Corridor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Corridor").field("house", &self.house).finish_non_exhaustive()
    }
}

impl Corridor {
    /// The way to the rooms of this house.
    pub fn new(house: Arc<House>, roof: Roof) -> Self {
        let meters = Arc::new(Meters::default());
        let counted = Arc::clone(&meters);
        let sockets = front::sockets(Arc::clone(&house), move |house, call, ws| open_socket(&counted, house, call, ws));
        Self { house, roof, sockets, meters }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response {
        if front::is_upgrade(request.headers()) {
            let service = TowerToHyperService::new(warp::service(self.sockets.clone()));
            return service.call(request).await.unwrap_or_else(|never| match never {});
        }
        match front::call(request).await {
            Ok(call) => answer(&self.meters, Arc::clone(&self.house), call, self.roof).await,
            Err(refusal) => refusal,
        }
    }
}

async fn answer(meters: &Meters, house: Arc<House>, call: Call, roof: Roof) -> Response {
    let room = Room::of(&call);
    let started = Instant::now();
    let (name, method_class) = (request_id(&house, &call), MethodClass::of(&call.method));
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
    meters.count(room, status);
    if !is_held(&response) {
        meters.time(room, method_class, status, started.elapsed().as_secs_f64());
    }
    if let Ok(id) = HeaderValue::from_str(&name) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

fn open_socket(meters: &Meters, house: Arc<House>, call: Call, ws: warp::ws::Ws) -> Response {
    let room = Room::of(&call);
    let response = match room {
        Room::Acp => acp::open_socket(house, call, ws),
        Room::Bridge => bridge::open_socket(house, call, ws),
        Room::Web => web::open_socket(house, call, ws),
        Room::Streams | Room::Ops | Room::Roof => reply::empty(StatusCode::NOT_FOUND),
    };
    meters.count(room, response.status());
    response
}

/// The caller's own id for the request, if it is one that can be printed, else a fresh one.
fn request_id(house: &House, call: &Call) -> String {
    let sane = |id: &&str| id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    call.header("x-request-id").filter(sane).map_or_else(|| house.names.next(), ToOwned::to_owned)
}

/// Whether the time until this answer says nothing of the server: it goes on for as long as somebody reads it, or was
/// held back until there was something to say.
fn is_held(response: &Response) -> bool {
    let media_type = response.headers().get(header::CONTENT_TYPE);
    let is_stream = media_type.is_some_and(|media_type| media_type == "text/event-stream");
    is_stream || response.extensions().get::<reply::Held>().is_some()
}
