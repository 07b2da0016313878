//! Who speaks, what they may do, how often, and what is sealed.
//!
//! Rooms ask this wing three questions: [`api_key::authenticate`] and [`token`] turn a credential into a [`Principal`];
//! [`grant::may`] says whether that principal may; [`throttle::Throttle`] says whether it may now. Secrets are random,
//! known to the journal by digest only, and never shown by `Debug`, an error or a log line.
//!
//! This wing may not know requests, journals or rooms: keys and owners are looked up by the caller.

pub mod address;
mod answer_token;
pub mod api_key;
pub mod digest;
pub mod grant;
pub mod principal;
pub mod private_file;
pub mod push_encoding;
pub mod push_key;
pub mod random;
pub mod recipient;
pub mod secret;
pub mod signing;
pub mod target;
pub mod throttle;
pub mod token;
pub mod vault;
mod wake_token;
pub mod webhook_keys;
mod worker_token;

pub use address::TrustedProxies;
pub use api_key::{ApiKey, KeyView, authenticate};
pub use digest::{dedupe_key, fingerprint};
pub use grant::{AnonymousRights, Denied, Grant, may, may_run_environment, may_run_session};
pub use principal::{Principal, Scope, ThrottleKey};
pub use push_key::PushKey;
pub use random::{NoRandomness, fresh_uuid};
pub use recipient::Recipient;
pub use secret::Secret;
pub use signing::SigningKeys;
pub use target::PrivateTargets;
pub use throttle::{RetryAfter, Throttle, ThrottleConfig};
pub use vault::Vault;
pub use webhook_keys::WebhookKeys;
