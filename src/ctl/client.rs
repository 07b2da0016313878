//! The server's `/api/v1`, as calls that return values or a [`CtlError`] with the right exit code.
//!
//! Knows HTTP and problem+json; may not know what the commands do with the answers, nor print.

use std::{io::Read, time::Duration};

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use ureq::{
    Agent, Body, RequestBuilder,
    http::{Response, StatusCode, header},
    typestate::WithoutBody,
};
use uuid::Uuid;

use super::{
    CtlError,
    error::Kind,
    origin::{ApiKey, Origin},
};
use crate::{
    domain::Timestamp,
    wire::web::{IDEMPOTENCY_KEY, Problem, ProblemKind},
};

/// Connecting on a network that answers at all takes far less.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until the answer begins. The longest is a page of history from a cold disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Verifying reads the whole journal before it answers, and a backup copies it.
const WHOLE_JOURNAL_TIMEOUT: Duration = Duration::from_hours(1);
/// Silence on a live stream: the server sends a comment every 15 s, so after three the connection is dead.
const STREAM_SILENCE: Duration = Duration::from_secs(45);
/// One answer. Pages are bounded by the server far below it.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A server and the key to it.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    base: String,
    key: ApiKey,
}

/// A query string: names and values that are there.
pub(crate) type Query<'a> = &'a [(&'a str, Option<String>)];

impl Client {
    /// For this server. Connects with the first call.
    pub(crate) fn new(origin: &Origin) -> Result<Self, CtlError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .user_agent(concat!("rcsctl/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent(), base: origin.base.clone(), key: origin.key()? })
    }

    /// `GET`, with the answer's own bytes.
    pub(crate) fn get_raw(&self, path: &str, query: Query<'_>) -> Result<Box<RawValue>, CtlError> {
        self.read(self.asking(self.agent.get(self.url(path)), query).call())
    }

    /// `GET`.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<T, CtlError> {
        self.read(self.asking(self.agent.get(self.url(path)), query).call())
    }

    /// `POST`. Carries an idempotency key of its own, so that a proxy that repeats it does no harm.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CtlError> {
        let request = self.agent.post(self.url(path)).header(header::AUTHORIZATION, self.key.bearer());
        self.read(request.header(IDEMPOTENCY_KEY, fresh_id()?.to_string()).send_json(body))
    }

    /// `POST` for the one call that takes as long as the journal is.
    pub(crate) fn post_slow<T: DeserializeOwned>(&self, path: &str) -> Result<T, CtlError> {
        let request = self.agent.post(self.url(path)).header(header::AUTHORIZATION, self.key.bearer());
        self.read(request.config().timeout_recv_response(Some(WHOLE_JOURNAL_TIMEOUT)).build().send_empty())
    }

    /// `PATCH`.
    pub(crate) fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CtlError> {
        let request = self.agent.patch(self.url(path)).header(header::AUTHORIZATION, self.key.bearer());
        self.read(request.send_json(body))
    }

    /// `DELETE`, whose answer says nothing more than that it was done.
    pub(crate) fn delete(&self, path: &str) -> Result<(), CtlError> {
        let answer = self.asking(self.agent.delete(self.url(path)), &[]).call().map_err(|error| self.lost(&error))?;
        self.accept(answer).map(drop)
    }

    /// A live stream of events after `after` of the numbering `epoch`, as bytes.
    pub(crate) fn stream(&self, path: &str, after: u64, epoch: &str) -> Result<impl Read + use<>, CtlError> {
        let query = [("after", Some(after.to_string())), ("epoch", Some(epoch.to_owned()))];
        let request = self.asking(self.agent.get(self.url(path)), &query);
        let request = request.header(header::ACCEPT, "text/event-stream").header("last-event-id", after.to_string());
        let request = request.config().timeout_per_read(Some(STREAM_SILENCE)).build();
        let answer = self.accept(request.call().map_err(|error| self.lost(&error))?)?;
        Ok(answer.into_body().into_with_config().limit(u64::MAX).reader())
    }

    /// A copy of the whole journal, and how many bytes it has.
    pub(crate) fn backup(&self) -> Result<(impl Read + use<>, Option<u64>), CtlError> {
        let request = self.asking(self.agent.get(self.url("/backup")), &[]).config();
        let request = request.timeout_recv_response(Some(WHOLE_JOURNAL_TIMEOUT));
        let request = request.timeout_per_read(Some(STREAM_SILENCE)).build();
        let answer = self.accept(request.call().map_err(|error| self.lost(&error))?)?;
        let body = answer.into_body();
        let bytes = body.content_length();
        Ok((body.into_with_config().limit(u64::MAX).reader(), bytes))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.base)
    }

    fn asking(&self, request: RequestBuilder<WithoutBody>, query: Query<'_>) -> RequestBuilder<WithoutBody> {
        let request = request.header(header::AUTHORIZATION, self.key.bearer());
        query.iter().fold(request, |request, (name, value)| match value {
            Some(value) => request.query(name, value),
            None => request,
        })
    }

    fn read<T: DeserializeOwned>(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<T, CtlError> {
        let answer = self.accept(answer.map_err(|error| self.lost(&error))?)?;
        let body = answer.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| self.lost(&error))?;
        serde_json::from_slice(&body).map_err(|error| {
            CtlError::failed(format!("{} answered something that this rcsctl does not understand: {error}", self.base))
                .hint("is it an RCS server, of the same release?")
        })
    }

    /// The answer, if it is one that says yes.
    fn accept(&self, answer: Response<Body>) -> Result<Response<Body>, CtlError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.into_body().into_with_config().limit(64 * 1024).read_to_vec().unwrap_or_default();
        Err(refused(&self.base, status, &body))
    }

    /// No answer at all.
    fn lost(&self, error: &ureq::Error) -> CtlError {
        let unreachable = CtlError::new(Kind::Unavailable, format!("cannot talk to {}: {error}", self.base));
        match error {
            ureq::Error::Io(_) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => {
                unreachable.hint("is the server running? its address is set by --server or RCS_SERVER")
            }
            ureq::Error::Http(_) => CtlError::usage(format!("the key or the address cannot be sent: {error}"))
                .hint("an API key is printable ASCII without spaces"),
            _ => unreachable,
        }
    }
}

/// A no, in the server's words if it has any.
fn refused(base: &str, status: StatusCode, body: &[u8]) -> CtlError {
    let kind = kind_of(status);
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        let error = CtlError::new(kind, format!("{base} answered {status}"));
        return if status.is_redirection() || kind == Kind::NotFound {
            error.hint("is that the address of an RCS server?")
        } else {
            error
        };
    };
    let mut text = problem.detail.clone();
    if let Some(field) = problem.field.as_ref().filter(|field| !text.contains(field.as_str())) {
        text = format!("{field}: {text}");
    }
    let mut error = CtlError::new(kind, text);
    if let Some(winner) = &problem.winner {
        let verdict = format!("{:?}", winner.verdict).to_lowercase();
        let words = winner.message.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        error = error.hint(format!("{verdict} by {} at {}{words}", super::render::author(winner.by), winner.at));
    }
    if let (Some(earliest), Some(latest)) = (problem.earliest, problem.latest) {
        error = error.hint(format!("the stream holds {earliest} to {latest}"));
    }
    if let Some(seconds) = problem.retry_after {
        error = error.hint(format!("try again in {seconds} s"));
    }
    match problem.kind {
        ProblemKind::Unauthenticated => error.hint("set RCS_API_KEY to a valid key of that server"),
        _ => error,
    }
}

fn kind_of(status: StatusCode) -> Kind {
    match status.as_u16() {
        401 | 403 => Kind::Unauthorised,
        404 => Kind::NotFound,
        409 | 410 => Kind::Conflict,
        400 | 405 | 406 | 411 | 413 | 414 | 415 | 422 | 431 => Kind::Usage,
        429 | 502 | 503 | 504 => Kind::Unavailable,
        _ => Kind::Failed,
    }
}

/// A random UUID (version 4), for what a client names itself: messages, idempotency keys.
pub(crate) fn fresh_id() -> Result<Uuid, CtlError> {
    let mut bytes = [0; 16];
    let drawn = SystemRandom::new().fill(&mut bytes);
    drawn.map_err(|_| CtlError::failed("the system has no randomness to give"))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// A moment as the API gives it.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no(status: u16, body: &str) -> CtlError {
        refused("http://h", StatusCode::from_u16(status).expect("a status"), body.as_bytes())
    }

    #[test]
    fn a_refusal_has_the_exit_code_of_its_status() {
        let codes =
            [(400, 2), (401, 4), (403, 4), (404, 3), (409, 5), (410, 5), (413, 2), (429, 6), (500, 1), (503, 6)];
        for (status, code) in codes {
            assert_eq!(no(status, "").kind.code(), code, "{status}");
        }
    }

    #[test]
    fn a_lost_race_names_the_winner() {
        let body = r#"{"type":"urn:rcs:problem:already-decided","title":"Already decided","status":409,
            "detail":"permission request r1 was already decided","winner":{"verdict":"deny","by":{"type":"system"},
            "at":"2025-11-21T10:00:00.007Z","message":"not there"}}"#;
        insta::assert_snapshot!(no(409, body).lines().join("\n"), @r"
        error: permission request r1 was already decided
        hint: deny by the server at 2025-11-21T10:00:00.007Z: not there
        ");
    }

    #[test]
    fn a_bad_field_is_named_and_a_gap_says_what_is_there() {
        let body =
            r#"{"type":"urn:rcs:problem:bad-request","title":"","status":400,"detail":"is empty","field":"title"}"#;
        assert_eq!(no(400, body).lines(), ["error: title: is empty"]);
        let body = r#"{"type":"urn:rcs:problem:gap","title":"","status":410,"detail":"gone","earliest":5,"latest":9}"#;
        assert_eq!(no(410, body).lines(), ["error: gone", "hint: the stream holds 5 to 9"]);
    }

    #[test]
    fn a_page_of_some_other_server_is_told_as_that() {
        let error = no(404, "<html>nginx</html>");
        assert_eq!(error.lines()[0], "error: http://h answered 404 Not Found");
        assert_eq!(moment("2025-11-21T10:00:00.007Z"), Some(Timestamp(1_763_719_200_007)));
        assert_eq!(moment("yesterday"), None);
    }
}
