//! What went wrong, as RFC 9457 problem details with the members that a client can act on.

use serde::{Deserialize, Serialize};

use super::permission::Winner;

/// An error body, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    pub title: String,
    pub status: u16,
    /// What happened, to which id, and what to do.
    pub detail: String,
    /// The field or parameter at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// With [`ProblemKind::AlreadyDecided`]: the decision that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<Winner>,
    /// With [`ProblemKind::Gap`]: the first sequence that can still be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<u64>,
    /// With [`ProblemKind::Gap`]: the last sequence there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<u64>,
    /// With [`ProblemKind::Gap`]: the numbering in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// Try again after so many seconds; the `Retry-After` header says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $urn:literal, $status:literal, $title:literal;)*) => {
        /// What sort of problem. The text form is for programs and never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ProblemKind {
            $($(#[$doc])* #[serde(rename = $urn)] $name,)*
            /// A kind of a later release: go by the status.
            #[serde(other, rename = "about:blank")]
            Other,
        }

        impl ProblemKind {
            /// All kinds of this release.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The status code that it comes with.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                    Self::Other => 500,
                }
            }

            /// The last part of the text form.
            pub fn name(self) -> &'static str {
                let urn = match self {
                    $(Self::$name => $urn,)*
                    Self::Other => "other",
                };
                urn.rsplit(':').next().unwrap_or(urn)
            }

            /// The words that it is called by, the same each time.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                    Self::Other => "Something else",
                }
            }
        }
    };
}

kinds! {
    /// The request is not what the endpoint takes.
    BadRequest = "urn:rcs:problem:bad-request", 400, "The request is not valid";
    /// No credential, or one that opens nothing.
    Unauthenticated = "urn:rcs:problem:unauthenticated", 401, "A valid credential is needed";
    /// The credential does not open this.
    Forbidden = "urn:rcs:problem:forbidden", 403, "This credential may not do that";
    /// A page of a foreign origin.
    ForeignOrigin = "urn:rcs:problem:foreign-origin", 403, "Pages of this origin may not call this server";
    /// It is not there, or not yours.
    NotFound = "urn:rcs:problem:not-found", 404, "There is no such thing";
    /// It takes other methods: see `Allow`.
    MethodNotAllowed = "urn:rcs:problem:method-not-allowed", 405, "This method is not allowed here";
    /// Somebody else's answer came first: see `winner`.
    AlreadyDecided = "urn:rcs:problem:already-decided", 409, "Already decided";
    /// The worker has it already.
    AlreadyDelivered = "urn:rcs:problem:already-delivered", 409, "Already delivered";
    /// The session takes no more.
    Archived = "urn:rcs:problem:archived", 409, "The session is archived";
    /// There is no worker to ask.
    WorkerOffline = "urn:rcs:problem:worker-offline", 409, "The worker is offline";
    /// The same key, another request.
    KeyReused = "urn:rcs:problem:key-reused", 409, "This key was used for another request";
    /// It is not in a state for this.
    Conflict = "urn:rcs:problem:conflict", 409, "This cannot be done in its present state";
    /// The offset cannot be continued from: see `earliest`, `latest` and `epoch`.
    Gap = "urn:rcs:problem:gap", 410, "The stream cannot be continued from there";
    /// The agent does not ask any more.
    TakenBack = "urn:rcs:problem:taken-back", 410, "The question was taken back";
    /// More than one request may carry.
    TooLarge = "urn:rcs:problem:too-large", 413, "Too large";
    /// Another media type is needed.
    UnsupportedMediaType = "urn:rcs:problem:unsupported-media-type", 415, "This media type is not taken here";
    /// The agent, or what it is reached through, has no way to do this.
    NotSupported = "urn:rcs:problem:not-supported", 422, "The agent cannot do this";
    /// Too often: see `retry_after`.
    TooManyRequests = "urn:rcs:problem:too-many-requests", 429, "Too many requests";
    /// A bounded list or queue is full.
    Full = "urn:rcs:problem:full", 429, "There is no room left";
    /// A fault of the server.
    Internal = "urn:rcs:problem:internal", 500, "The server failed";
    /// The server is behind or going down: see `retry_after`.
    Unavailable = "urn:rcs:problem:unavailable", 503, "Not available at the moment";
    /// The server's disk has no room for it.
    NoSpace = "urn:rcs:problem:no-space", 507, "The server's disk is too full";
}

impl Problem {
    /// The media type of the body.
    pub const MEDIA_TYPE: &str = "application/problem+json";

    /// A problem without members.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            field: None,
            winner: None,
            earliest: None,
            latest: None,
            epoch: None,
            retry_after: None,
        }
    }

    /// The same, naming the field at fault.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same, saying when to try again.
    #[must_use]
    pub const fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}
