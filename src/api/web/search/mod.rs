//! What was said somewhere, found in the log itself: no index that could be behind, nothing to build at start-up, and
//! nothing kept in memory for those who do not search. A page is one bounded look, going back; its cursor goes on.

use std::sync::Arc;

use http::StatusCode;

use self::{scan::Search, words::Words};
use super::{caller::Caller, error::Failure, json};
use crate::{api::common::Response, domain::limits, wire::web::ProblemKind};

mod cursor;
mod run;
mod scan;
mod words;

/// `?q=words&limit=&after=&archived=true`.
pub(super) async fn answer(caller: &Caller<'_>) -> Result<Response, Failure> {
    let query = caller.call.query("q").unwrap_or_default();
    let words = Words::of(&query).map_err(|reason| Failure::field("q", &reason))?;
    let limit = match caller.query::<u64>("limit")? {
        None => limits::SEARCH_HITS_DEFAULT,
        Some(0) => return Err(Failure::field("limit", "must be at least 1")),
        Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX).min(limits::SEARCH_HITS_MAX),
    };
    let archived = match caller.call.query("archived").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Failure::field("archived", "must be true or false")),
    };
    let search = Search { words, scope: caller.principal.scope(), archived, limit, cursor: caller.query("after")? };
    let place = caller.house.throttle.open_search(caller.throttle_key())?;
    let house = Arc::clone(caller.house);
    // It reads and compares for as long as a page may take: not on a thread that others wait for.
    let looked = tokio::task::spawn_blocking(move || {
        let _place = place;
        scan::look(&house, &search)
    });
    let page =
        looked.await.map_err(|_| Failure::new(ProblemKind::Unavailable, "the search was broken off; try again"))?;
    Ok(json(StatusCode::OK, &page?))
}
