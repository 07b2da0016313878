//! Whom to tell: the addresses of notification targets, each of them a secret as a whole.
//!
//! Whoever knows a push endpoint, a webhook's URL or an ntfy topic may speak there, so an address is sealed before it
//! is kept and nothing of it is shown but its host. Whether a URL may be called is asked where calls are made.

use std::{fmt, str::FromStr};

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize};

use super::{
    push_encoding::{AUTH_BYTES, PUBLIC_KEY_BYTES},
    random::NoRandomness,
    vault::{NotOurs, Vault},
};
use crate::domain::{
    TargetId,
    event::Fingerprint,
    limits::{TARGET_SEALED_BYTES_MAX, TARGET_SECRET_BYTES_MAX},
    notify::TargetKind,
};

/// An address, with what it takes to be heard there. What is stored of it is this, sealed: names are for ever.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    WebPush {
        endpoint: String,
        p256dh: String,
        auth: String,
    },
    Webhook {
        url: String,
        /// What its calls are signed with.
        #[serde(default)]
        secret: Option<String>,
    },
    Ntfy {
        /// With the topic as its last part.
        url: String,
        #[serde(default)]
        token: Option<String>,
    },
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient").field("kind", &self.kind()).field("host", &self.host()).finish_non_exhaustive()
    }
}

/// Why something is no address. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecipient {
    #[error("p256dh must be a public key of P-256: 65 bytes in base64url, the first of them 4")]
    PublicKey,
    #[error("auth must be 16 bytes in base64url")]
    Auth,
    #[error("the URL must begin with https://, or with ntfy:// for a topic of an ntfy server")]
    Scheme,
    #[error("the URL must name a host, and no name and password before it: they would be shown with the host")]
    Host,
    #[error("the URL must end with a topic: 1 to 64 letters, digits, - and _")]
    Topic,
    #[error("the settings behind # must be turns, answers, or both with a + between them")]
    Settings,
    #[error("is longer than {TARGET_SEALED_BYTES_MAX} bytes with its secrets, or one of these than 512")]
    TooLong,
}

/// Browsers differ in whether they pad.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Recipient {
    /// A browser, as its `PushSubscription` says.
    pub fn browser(endpoint: String, p256dh: &str, auth: &str) -> Result<Self, InvalidRecipient> {
        let key: [u8; PUBLIC_KEY_BYTES] =
            exactly(p256dh).filter(|key: &[u8; PUBLIC_KEY_BYTES]| key[0] == 4).ok_or(InvalidRecipient::PublicKey)?;
        let auth: [u8; AUTH_BYTES] = exactly(auth).ok_or(InvalidRecipient::Auth)?;
        let (p256dh, auth) = (URL_SAFE_NO_PAD.encode(key), URL_SAFE_NO_PAD.encode(auth));
        Self::WebPush { endpoint, p256dh, auth }.checked()
    }

    /// Somebody's program.
    pub fn webhook(url: String, secret: Option<String>) -> Result<Self, InvalidRecipient> {
        Self::Webhook { url, secret }.checked()
    }

    /// A topic of an ntfy server: as the server's own URL, or under a scheme that says so.
    pub fn ntfy(url: &str, token: Option<String>) -> Result<Self, InvalidRecipient> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidRecipient::Scheme)?;
        let scheme = match scheme {
            "ntfy" | "ntfys" | "https+ntfy" | "https" => "https",
            "http+ntfy" | "http" => "http",
            _ => return Err(InvalidRecipient::Scheme),
        };
        // A token stands where others have a name and a password.
        let (inner, rest) = rest.split_once('@').map_or((None, rest), |(token, rest)| (Some(token.to_owned()), rest));
        let token = token.or(inner.map(|token| token.trim_start_matches(':').to_owned()));
        let url = format!("{scheme}://{}", rest.trim_end_matches('/'));
        let is_topic = |topic: &str| {
            let sound = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            (1..=64).contains(&topic.len()) && topic.chars().all(sound)
        };
        split_topic(&url).filter(|(_, topic)| is_topic(topic)).ok_or(InvalidRecipient::Topic)?;
        Self::Ntfy { url, token }.checked()
    }

    fn checked(self) -> Result<Self, InvalidRecipient> {
        let secret = match &self {
            Self::WebPush { .. } => None,
            Self::Webhook { secret, .. } => secret.as_ref(),
            Self::Ntfy { token, .. } => token.as_ref(),
        };
        if authority(self.url()).is_empty() || authority(self.url()).contains('@') {
            return Err(InvalidRecipient::Host);
        }
        // A token becomes a header.
        let sound = |secret: &String| {
            secret.len() <= TARGET_SECRET_BYTES_MAX
                && !secret.is_empty()
                && secret.chars().all(|c| c.is_ascii_graphic())
        };
        let is_bounded = self.to_bytes().len() <= TARGET_SEALED_BYTES_MAX && secret.is_none_or(sound);
        if is_bounded { Ok(self) } else { Err(InvalidRecipient::TooLong) }
    }

    /// How it is told.
    pub const fn kind(&self) -> TargetKind {
        match self {
            Self::WebPush { .. } => TargetKind::WebPush,
            Self::Webhook { .. } => TargetKind::Webhook,
            Self::Ntfy { .. } => TargetKind::Ntfy,
        }
    }

    /// Where requests go.
    pub fn url(&self) -> &str {
        match self {
            Self::WebPush { endpoint: url, .. } | Self::Webhook { url, .. } | Self::Ntfy { url, .. } => url,
        }
    }

    /// All that is shown of it.
    pub fn host(&self) -> &str {
        host(self.url())
    }

    /// The key and the shared secret of a browser.
    pub fn browser_keys(&self) -> Option<([u8; PUBLIC_KEY_BYTES], [u8; AUTH_BYTES])> {
        let Self::WebPush { p256dh, auth, .. } = self else { return None };
        Some((exactly(p256dh)?, exactly(auth)?))
    }

    /// By what its address is known again.
    pub fn fingerprint(&self, vault: &Vault) -> Fingerprint {
        vault.know(self.url().as_bytes())
    }

    /// By what it is known again with all its secrets: one that is configured with another token is another one.
    pub fn whole_fingerprint(&self, vault: &Vault) -> Fingerprint {
        vault.know(&self.to_bytes())
    }

    /// As it is kept.
    pub fn seal(&self, vault: &Vault, target: TargetId) -> Result<Vec<u8>, NoRandomness> {
        vault.seal(&place(target), &self.to_bytes())
    }

    /// From what is kept.
    pub fn unseal(vault: &Vault, target: TargetId, sealed: &[u8]) -> Result<Self, NotOurs> {
        serde_json::from_slice(&vault.unseal(&place(target), sealed)?).map_err(|_| NotOurs)
    }

    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an enum of strings always becomes JSON")
    }
}

/// What a URL says of where it leads to.
fn authority(url: &str) -> &str {
    let behind = url.split_once("://").map_or("", |(_, rest)| rest);
    behind.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The host and the port of a URL, which is all that may be shown of one.
pub fn host(url: &str) -> &str {
    authority(url).rsplit('@').next().unwrap_or_default()
}

fn place(target: TargetId) -> Vec<u8> {
    [&b"notification target\0"[..], target.uuid().as_bytes()].concat()
}

/// The server of a topic, with a slash at its end, and the topic.
pub fn split_topic(url: &str) -> Option<(&str, &str)> {
    let at = url.rfind('/').filter(|at| *at > url.find("://").map_or(usize::MAX, |scheme| scheme + 2))?;
    Some((&url[..=at], &url[at + 1..]))
}

fn exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    LENIENT.decode(text.trim()).ok()?.try_into().ok()
}

/// A target that the operator wrote into the configuration: a URL, and behind `#` what it is told beside questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    pub recipient: Recipient,
    pub turns: bool,
    pub answers: bool,
}

impl FromStr for Configured {
    type Err = InvalidRecipient;

    fn from_str(text: &str) -> Result<Self, InvalidRecipient> {
        let (url, settings) = text.split_once('#').unwrap_or((text, ""));
        let (mut turns, mut answers) = (false, false);
        for word in settings.split('+').filter(|word| !word.is_empty()) {
            match word {
                "turns" => turns = true,
                "answers" => answers = true,
                _ => return Err(InvalidRecipient::Settings),
            }
        }
        let is_plain = url.starts_with("https://") || url.starts_with("http://");
        let recipient = if is_plain { Recipient::webhook(url.to_owned(), None)? } else { Recipient::ntfy(url, None)? };
        Ok(Self { recipient, turns, answers })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn vault() -> (tempfile::TempDir, Vault) {
        let directory = tempfile::tempdir().expect("a directory");
        let vault = Vault::open(&directory.path().join("vault.key")).expect("made");
        (directory, vault)
    }

    #[test]
    fn an_address_is_sealed_for_its_target_and_shows_its_host_alone() {
        let (_directory, vault) = vault();
        let recipient = Recipient::ntfy("ntfy://tk_secret@ntfy.sh/hush", None).expect("a topic");
        let (mine, other) = (TargetId::from_uuid(Uuid::from_u128(1)), TargetId::from_uuid(Uuid::from_u128(2)));
        let sealed = recipient.seal(&vault, mine).expect("sealed");
        assert_eq!(Recipient::unseal(&vault, mine, &sealed).expect("ours"), recipient);
        assert_eq!(Recipient::unseal(&vault, other, &sealed), Err(NotOurs));
        let shown = format!("{recipient:?}");
        assert!(shown.contains("ntfy.sh") && !shown.contains("hush") && !shown.contains("tk_"), "{shown}");
    }

    #[test]
    fn a_topic_is_the_last_part_of_its_url() {
        let of = |text: &str| text.parse::<Configured>().map(|known| (known.recipient, known.turns, known.answers));
        let ntfy = |url: &str, token: Option<&str>| Recipient::Ntfy { url: url.into(), token: token.map(Into::into) };
        assert_eq!(of("ntfy://ntfy.sh/a-B_1"), Ok((ntfy("https://ntfy.sh/a-B_1", None), false, false)));
        let local = of("http+ntfy://:tk_x@10.0.0.2:8080/base/t/#turns+answers");
        assert_eq!(local, Ok((ntfy("http://10.0.0.2:8080/base/t", Some("tk_x")), true, true)));
        let hook = Recipient::Webhook { url: "https://hooks.example/x?y=1".into(), secret: None };
        assert_eq!(of("https://hooks.example/x?y=1"), Ok((hook, false, false)));
        assert_eq!(split_topic("https://ntfy.sh/a"), Some(("https://ntfy.sh/", "a")));
        for (text, expected) in [
            ("ntfy://ntfy.sh", InvalidRecipient::Topic),
            ("ntfy://ntfy.sh/", InvalidRecipient::Topic),
            ("ntfy://ntfy.sh/a b", InvalidRecipient::Topic),
            ("ftp://x/y", InvalidRecipient::Scheme),
            ("nonsense", InvalidRecipient::Scheme),
            ("ntfy://ntfy.sh/a#loud", InvalidRecipient::Settings),
            ("https://", InvalidRecipient::Host),
            ("https:///hook", InvalidRecipient::Host),
        ] {
            assert_eq!(of(text), Err(expected), "{text}");
        }
        let long = Recipient::webhook(format!("https://x.example/{}", "x".repeat(5_000)), None);
        assert_eq!(long, Err(InvalidRecipient::TooLong));
        let spaced = Recipient::webhook("https://x.example/".into(), Some("a\nb".into()));
        assert_eq!(spaced, Err(InvalidRecipient::TooLong));
    }

    /// It would have stood in the journal and in lists, as a part of the host, and every call would have failed.
    #[test]
    fn a_password_in_a_configured_url_is_refused_and_never_shown_as_a_host() {
        for url in ["https://me:hunter2@hooks.example/x", "http://hunter2@hooks.example", "ntfy://tk@hunter2@ntfy.sh/t"]
        {
            let refused = url.parse::<Configured>().expect_err("refused");
            assert_eq!(refused, InvalidRecipient::Host, "{url}");
            assert!(!refused.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn of_a_url_only_the_host_is_shown() {
        for (url, shown) in [
            ("https://hooks.test/T0/secret?token=x", "hooks.test"),
            ("http://me:word@hooks.test:8080#x", "hooks.test:8080"),
            ("https://[::1]:9/a", "[::1]:9"),
        ] {
            assert_eq!(host(url), shown);
        }
    }

    #[test]
    fn the_keys_of_a_browser_are_read_with_and_without_padding() {
        let key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        let of = |key: &str, auth: &str| Recipient::browser("https://push.example/1".into(), key, auth);
        let padded = of(&format!("{key}="), "BTBZMqHH6r4Tts7J_aSIgg==").expect("keys");
        assert_eq!(of(key, "BTBZMqHH6r4Tts7J_aSIgg").expect("keys"), padded);
        assert!(padded.browser_keys().is_some());
        assert_eq!(of(&key[2..], "BTBZMqHH6r4Tts7J_aSIgg"), Err(InvalidRecipient::PublicKey));
        assert_eq!(of(key, "AAAA"), Err(InvalidRecipient::Auth));
    }
}
