//! What a socket is opened with: a header, or for browsers, which can set none, a subprotocol.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderName, HeaderValue};

use super::{Response, call::Call};
use crate::wire::web::SOCKET_AUTH_PREFIX;

/// The subprotocol to offer beside the credential, so that the credential need not be echoed.
const PLAIN_PROTOCOL: &str = "rcs.v1";

/// See the module.
pub struct Credential {
    pub token: String,
    /// What to echo: a client that offered subprotocols hangs up unless one of them is chosen.
    protocol: Option<HeaderValue>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoCredential {
    #[error("no credential: send `Authorization: Bearer <API key>`, or offer the subprotocol `rcs.auth.<base64url>`")]
    Missing,
    #[error("must carry the base64url form of an API key after `rcs.auth.`")]
    Malformed,
}

impl Credential {
    /// The credential of an upgrade. A header outranks a subprotocol.
    pub fn of(call: &Call) -> Result<Self, NoCredential> {
        let offered = call.header("sec-websocket-protocol").unwrap_or_default();
        let offered: Vec<&str> = offered.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let secret = offered.iter().find_map(|name| Some((*name, name.strip_prefix(SOCKET_AUTH_PREFIX)?)));
        let chosen = offered.iter().copied().find(|name| *name == PLAIN_PROTOCOL);
        let protocol = chosen.or(secret.map(|(name, _)| name)).and_then(|name| HeaderValue::from_str(name).ok());
        let token = match (call.bearer().or_else(|| call.header("x-api-key")), secret) {
            (Some(token), _) => token.to_owned(),
            (None, Some((_, encoded))) => {
                let bytes = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok();
                bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(NoCredential::Malformed)?
            }
            (None, None) => return Err(NoCredential::Missing),
        };
        Ok(Self { token, protocol })
    }

    /// Says in the answer to an upgrade which of the offered subprotocols it is.
    pub fn echo(self, response: &mut Response) {
        if let Some(protocol) = self.protocol {
            response.headers_mut().insert(HeaderName::from_static("sec-websocket-protocol"), protocol);
        }
    }
}
