//! A push service of the test's own, or any other receiver: it hears requests one by one and answers what the test
//! says. What a browser would decrypt it decrypts with another library than the server's.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::{PublicKey, SecretKey, ecdh::diffie_hellman, elliptic_curve::sec1::ToSec1Point as _};
pub(super) use receiver::Heard;
use receiver::{Receiver, header_of};
use ring::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use serde_json::{Value, json};
use tokio::time::timeout;

#[path = "../../../src/api/common/bench/receiver.rs"]
mod receiver;

/// The browser's key of RFC 8291, which is as good as any.
const PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
/// Longer than the grace of a question, and than anything that is due takes.
const SILENCE: Duration = Duration::from_millis(3_500);

pub(super) type Service = Receiver;

impl Receiver {
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What a browser would say of its subscription here.
    pub(super) fn subscription(&self, name: &str) -> Value {
        let public = SecretKey::from_slice(&bytes(PRIVATE)).expect("a key").public_key();
        let public = URL_SAFE_NO_PAD.encode(public.to_sec1_point(false).as_bytes());
        json!({"kind": "web_push", "endpoint": self.url(&format!("/push/{name}")), "p256dh": public, "auth": AUTH})
    }

    /// Whether nothing comes for longer than anything would take.
    pub(super) async fn is_silent(&mut self) -> bool {
        timeout(SILENCE, self.heard.recv()).await.is_err()
    }
}

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derived(salt: &[u8], ikm: &[u8], info: &[&[u8]], length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    let prk = Salt::new(HKDF_SHA256, salt).extract(ikm);
    prk.expand(info, Length(length)).and_then(|okm| okm.fill(&mut out)).expect("short enough");
    out
}

impl Heard {
    pub(super) fn has(&self, name: &str) -> bool {
        header_of(&self.head, name).is_some()
    }

    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).expect("a path")
    }

    pub(super) fn answer(self, status: &str) {
        self.reply(status, "");
    }

    /// What the browser reads of a push (RFC 8291).
    pub(super) fn message(&self, _service: &Service) -> Value {
        let (salt, rest) = self.body.split_at(16);
        assert!(self.body.len() <= 4_096 && rest[4] == 65);
        let (theirs, record) = rest[5..].split_at(65);
        let ours = SecretKey::from_slice(&bytes(PRIVATE)).expect("a key");
        let public = PublicKey::from_sec1_bytes(theirs).expect("a point");
        let agreed = diffie_hellman(ours.to_nonzero_scalar(), public.as_affine());
        let own = ours.public_key().to_sec1_point(false);
        let info: [&[u8]; 3] = [b"WebPush: info\0", own.as_bytes(), theirs];
        let ikm = derived(&bytes(AUTH), agreed.raw_secret_bytes(), &info, 32);
        let key = derived(salt, &ikm, &[b"Content-Encoding: aes128gcm\0"], 16);
        let nonce = derived(salt, &ikm, &[b"Content-Encoding: nonce\0"], 12);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).expect("a key"));
        let nonce = Nonce::try_assume_unique_for_key(&nonce).expect("a nonce");
        let mut record = record.to_vec();
        let text = key.open_in_place(nonce, Aad::empty(), &mut record).expect("encrypted for us");
        let (delimiter, text) = text.split_last().expect("a delimiter");
        assert_eq!(*delimiter, 2);
        serde_json::from_slice(text).expect("JSON")
    }

    /// The VAPID token is this server's, for this service (RFC 8292).
    pub(super) fn is_signed_for(&self, service: &Service, key: &str, contact: &str) {
        let value = self.header("authorization").strip_prefix("vapid t=").expect("the scheme");
        let (token, known) = value.split_once(", k=").expect("a key");
        assert_eq!(known, key);
        let (signed, signature) = token.rsplit_once('.').expect("a signature");
        let verifier = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes(known));
        verifier.verify(signed.as_bytes(), &bytes(signature)).expect("its signature");
        let claims: Value = serde_json::from_slice(&bytes(signed.split_once('.').expect("claims").1)).expect("JSON");
        assert_eq!((&claims["aud"], &claims["sub"]), (&json!(service.url("")), &json!(contact)));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        let left = claims["exp"].as_u64().expect("a time").saturating_sub(now);
        assert!((60..=86_400).contains(&left), "{left}");
    }
}
