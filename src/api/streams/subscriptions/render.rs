//! How subscriptions, wakes and places in streams are shown.

use std::{num::NonZeroUsize, sync::Arc};

use super::super::source;
use crate::{
    api::common::House,
    domain::{
        Stream, SubscriptionId,
        subscription::{Delivery, Position, Progress, Subscription},
        user_stream::UserStream,
    },
    security::{
        Secret,
        token::{WakeClaims, sign_wake},
    },
    wire::streams::{
        Offset,
        subscription::{Health, Key, KeySet, Kind, LinkType, News, Shown, ShownLink, ShownWebhook, Signing},
    },
};

/// Whose eyes it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    /// Runners may read streams and not sessions.
    pub(super) sessions: bool,
}

impl Sight {
    pub(super) const fn includes(self, progress: &Progress) -> bool {
        self.sessions || !matches!(progress.feed, Some(Stream::Session(_)))
    }
}

/// The URL of something under `__ds`.
pub(super) fn url(house: &House, below: &str) -> String {
    format!("{}{}__ds/{below}", house.settings.base_url, super::super::endpoint::ROOT)
}

/// The URL of a subscription's action.
pub(super) fn action_url(house: &House, found: &Subscription, action: &str) -> String {
    url(house, &format!("subscriptions/{}/{action}", encoded(found.created.name.as_str())))
}

/// Percent-encoding of a path segment.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
        out
    })
}

/// The name of a wake. There is one per generation, and generations of another life of the name have other ids.
pub(super) fn wake_id(subscription: SubscriptionId, generation: u64) -> String {
    format!("w_{}_{generation}", subscription.uuid().as_simple())
}

/// The token of a wake, from now on.
pub(super) fn wake_token(house: &House, subscription: SubscriptionId, generation: u64) -> Secret {
    let expires_at = house.relay.now().plus_ms(crate::domain::limits::WAKE_TOKEN_MS);
    sign_wake(&house.signing, WakeClaims { subscription, generation, epoch: house.relay.epoch(), expires_at })
}

/// How clients hold a place.
pub(super) fn offset(house: &House, feed: Option<Stream>, position: Position) -> Offset {
    match feed {
        Some(Stream::User(id)) => {
            let base = house.relay.world().user_streams().get(id).map_or(0, UserStream::base);
            source::offset(house, id, base, position)
        }
        Some(Stream::Session(id)) => source::session_offset(house, id, position),
        _ => Offset::START,
    }
}

/// The place that a client means, if it is one of this stream.
pub(super) fn place(house: &House, feed: Option<Stream>, text: &str) -> Option<Position> {
    let given: Offset = text.parse().ok()?;
    (offset(house, feed, given.position) == given).then_some(given.position)
}

/// The streams of a wake.
pub(super) fn news(house: &House, progress: &[Progress], sight: Sight) -> Vec<News> {
    let seen = progress.iter().filter(|progress| sight.includes(progress));
    let shown = seen.map(|progress| News {
        path: progress.path.to_string(),
        link_type: link_type(progress),
        acked_offset: offset(house, progress.feed, progress.acked).to_string(),
        tail_offset: offset(house, progress.feed, progress.tail).to_string(),
        has_pending: progress.is_pending(),
    });
    shown.collect()
}

const fn link_type(progress: &Progress) -> LinkType {
    if progress.explicit { LinkType::Explicit } else { LinkType::Glob }
}

/// A subscription.
pub(super) fn subscription(
    house: &Arc<House>,
    found: &Subscription,
    progress: &[Progress],
    left_out: usize,
    sight: Sight,
) -> Shown {
    let created = &found.created;
    let seen = progress.iter().filter(|progress| sight.includes(progress));
    let streams = seen.map(|progress| ShownLink {
        path: progress.path.to_string(),
        link_type: link_type(progress),
        acked_offset: offset(house, progress.feed, progress.acked).to_string(),
    });
    let (kind, webhook, wake_stream) = match &created.delivery {
        Delivery::Webhook { url } => {
            let webhook = ShownWebhook { url: url.clone(), signing: signing(house) };
            (Kind::Webhook, Some(webhook), None)
        }
        Delivery::PullWake { wake_stream } => (Kind::PullWake, None, Some(wake_stream.to_string())),
    };
    Shown {
        id: created.name.to_string(),
        subscription_id: created.name.to_string(),
        kind,
        pattern: created.pattern.as_ref().map(ToString::to_string),
        streams: streams.collect(),
        // Runners may not know how many sessions there are.
        streams_left_out: NonZeroUsize::new(left_out).filter(|_| sight.sessions),
        webhook,
        wake_stream,
        lease_ttl_ms: created.lease_ms,
        created_at: found.created_at.to_string(),
        status: if found.retry.is_some() { Health::Failed } else { Health::Active },
        description: created.description.clone(),
    }
}

fn signing(house: &House) -> Signing {
    Signing { alg: "ed25519", kid: house.webhook_keys.kid(), jwks_url: url(house, "jwks.json") }
}

/// The published keys.
pub(super) fn keys(house: &House) -> KeySet {
    let published = house.webhook_keys.published(house.relay.now()).into_iter();
    let keys =
        published.map(|key| Key { kty: "OKP", crv: "Ed25519", kid: key.kid, usage: "sig", alg: "EdDSA", x: key.x });
    KeySet { keys: keys.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_url_reads_back() {
        assert_eq!(encoded("sub-1_~.x"), "sub-1_~.x");
        assert_eq!(encoded("a b/\u{e9}"), "a%20b%2F%C3%A9");
    }
}
