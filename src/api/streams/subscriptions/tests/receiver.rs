//! What a webhook of a subscription hears and answers, and whose signature it believes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;

pub(super) use crate::api::common::bench::receiver::{Heard, Receiver};

impl Receiver {
    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Whether somebody called and was not heard yet.
    pub(super) fn was_called(&self) -> bool {
        !self.heard.is_empty()
    }
}

impl Heard {
    pub(super) fn text(&self, name: &str) -> String {
        self.json()[name].as_str().expect("text").to_owned()
    }

    pub(super) fn generation(&self) -> u64 {
        self.json()["generation"].as_u64().expect("a number")
    }

    /// Answers, and says that somebody else is the one to ask: whom nobody may follow there.
    pub(super) fn answer(self, status: &str, body: &str) {
        self.reply(&format!("{status}\r\nlocation: http://127.0.0.1:1/"), body);
    }

    /// Whether one of these keys signed it.
    pub(super) fn is_signed_by(&self, keys: &Value) -> bool {
        let signature = self.header("webhook-signature");
        let parts: Vec<&str> = signature.split(',').collect();
        let [time, kid, signature] = parts[..] else { return false };
        let part = |text: &'static str, part| -> &str { str::strip_prefix(part, text).expect("in this order") };
        let (time, kid, signature) = (part("t=", time), part("kid=", kid), part("ed25519=", signature));
        let keys = keys["keys"].as_array().expect("keys");
        let Some(key) = keys.iter().find(|key| key["kid"] == kid) else { return false };
        let bytes = URL_SAFE_NO_PAD.decode(key["x"].as_str().expect("a key")).expect("base64url");
        let signed = [time.as_bytes(), b".", self.body.as_slice()].concat();
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        UnparsedPublicKey::new(&ED25519, bytes).verify(&signed, &signature).is_ok()
    }
}
