//! What can be asked under `__ds`, and what each question needs.

use http::Method;

use super::super::endpoint::{NoRoute, decode};
use crate::{
    domain::{SubscriptionName, subscription::StreamPath},
    security::Grant,
};

/// A question about subscriptions. Names are decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The public halves of the keys that notifications are signed with.
    Keys,
    Create(SubscriptionName),
    Show(SubscriptionName),
    Delete(SubscriptionName),
    Link(SubscriptionName),
    Unlink(SubscriptionName, StreamPath),
    Claim(SubscriptionName),
    /// What follows a wake, with the wake's own token.
    Wake(SubscriptionName, Step),
}

/// What whoever has a wake says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A webhook: how far it got.
    Callback,
    /// A worker: how far it got.
    Ack,
    /// A worker: somebody else shall have it.
    Release,
}

impl Endpoint {
    /// The question behind a method and the segments after `__ds`, as sent.
    pub fn parse(method: &Method, segments: &[&str]) -> Result<Self, NoRoute> {
        let (name, rest) = match segments {
            ["jwks.json"] => return only(method, &Method::GET, "GET", Self::Keys),
            ["subscriptions", name, rest @ ..] => (subscription_name(name)?, rest),
            _ => return Err(NoRoute::NotFound),
        };
        let post = |endpoint| only(method, &Method::POST, "POST", endpoint);
        match rest {
            [] => match *method {
                Method::PUT => Ok(Self::Create(name)),
                Method::GET => Ok(Self::Show(name)),
                Method::DELETE => Ok(Self::Delete(name)),
                _ => Err(NoRoute::MethodNotAllowed("GET, PUT, DELETE")),
            },
            ["streams"] => post(Self::Link(name)),
            ["streams", path @ ..] => {
                let path = decode(&path.join("/")).and_then(|path| path.parse().ok());
                let path = path.ok_or(NoRoute::BadName("is no path of a stream"))?;
                only(method, &Method::DELETE, "DELETE", Self::Unlink(name, path))
            }
            ["claim"] => post(Self::Claim(name)),
            ["callback"] => post(Self::Wake(name, Step::Callback)),
            ["ack"] => post(Self::Wake(name, Step::Ack)),
            ["release"] => post(Self::Wake(name, Step::Release)),
            _ => Err(NoRoute::NotFound),
        }
    }

    /// What the caller must be allowed in their own namespace. A subscription makes the server call somebody, so
    /// whoever may only read may not make one; to claim a wake is to move cursors.
    pub const fn needs(&self) -> &'static [Grant] {
        match self {
            Self::Keys | Self::Wake(..) => &[],
            Self::Show(_) => &[Grant::StreamRead],
            Self::Create(_) | Self::Link(_) | Self::Unlink(..) => &[Grant::StreamRead, Grant::StreamCreate],
            Self::Delete(_) => &[Grant::StreamDelete],
            Self::Claim(_) => &[Grant::StreamRead, Grant::StreamAppend],
        }
    }

    /// Whether it carries a credential of its own, or needs none: then nobody is recognised.
    pub const fn own_credential(&self) -> bool {
        matches!(self, Self::Keys | Self::Wake(..))
    }
}

fn only(method: &Method, allowed: &Method, name: &'static str, endpoint: Endpoint) -> Result<Endpoint, NoRoute> {
    if method == allowed { Ok(endpoint) } else { Err(NoRoute::MethodNotAllowed(name)) }
}

fn subscription_name(segment: &str) -> Result<SubscriptionName, NoRoute> {
    let name = decode(segment).and_then(|name| name.parse().ok());
    name.ok_or(NoRoute::BadName("is no name of a subscription: 1 to 256 bytes without control characters"))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn all_of_it_on_one_page() {
        let mut page = String::new();
        for path in [
            "jwks.json",
            "subscriptions/NAME",
            "subscriptions/NAME/streams",
            "subscriptions/NAME/streams/PATH",
            "subscriptions/NAME/claim",
            "subscriptions/NAME/callback",
            "subscriptions/NAME/ack",
            "subscriptions/NAME/release",
        ] {
            for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
                let segments: Vec<&str> = path.split('/').collect();
                if let Ok(endpoint) = Endpoint::parse(&method.parse().expect("a method"), &segments) {
                    let needs = if endpoint.own_credential() && endpoint != Endpoint::Keys {
                        "WakeToken".to_owned()
                    } else {
                        format!("{:?}", endpoint.needs())
                    };
                    writeln!(page, "{method:<8}/v1/stream/__ds/{path:<32} {needs}").expect("a string takes everything");
                }
            }
        }
        let committed = include_str!("../../../../schema/streams/routes.txt");
        let own =
            committed.lines().filter(|line| line.contains("/__ds")).fold(String::new(), |own, line| own + line + "\n");
        assert_eq!(page, own, "the room changed: review schema/streams/routes.txt");
    }

    #[test]
    fn names_and_paths_are_decoded() {
        let parse = |method: Method, path: &str| Endpoint::parse(&method, &path.split('/').collect::<Vec<_>>());
        let name: SubscriptionName = "a b/c".parse().expect("a name");
        assert_eq!(parse(Method::GET, "subscriptions/a%20b%2Fc"), Ok(Endpoint::Show(name.clone())));
        let path: StreamPath = "events/x y".parse().expect("a path");
        for spelled in ["events%2Fx%20y", "events/x%20y"] {
            let unlink = parse(Method::DELETE, &format!("subscriptions/a%20b%2Fc/streams/{spelled}"));
            assert_eq!(unlink, Ok(Endpoint::Unlink(name.clone(), path.clone())));
        }
        for bad in ["subscriptions", "subscriptions/%", "subscriptions/%00", "subscriptions/a/streams/..", "x", ""] {
            assert!(parse(Method::GET, bad).is_err(), "{bad}");
        }
    }
}
