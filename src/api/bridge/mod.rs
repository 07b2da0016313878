use super::common::{Call, House, Response, reply};
use std::sync::Arc;
pub async fn answer(_: Arc<House>, _: Call) -> Response {
    reply::empty(http::StatusCode::NOT_IMPLEMENTED)
}
pub fn open_socket(_: Arc<House>, _: Call, _: warp::ws::Ws) -> Response {
    reply::empty(http::StatusCode::NOT_IMPLEMENTED)
}
