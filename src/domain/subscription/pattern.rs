//! Paths of streams below the root, and patterns of them.
//!
//! A pattern is matched segment by segment: `*` is any one segment, `**` any number of them, none included, and
//! everything else is itself. Matching takes at most pattern times path steps, whatever is written: patterns come from
//! clients and are matched under the writer's lock.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, de};

use super::super::limits;

/// Why a text is no path or no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("must have between 1 and {} bytes", limits::STREAM_NAME_BYTES_MAX)]
    Length,
    #[error("must not have empty segments, `.`, `..` or control characters")]
    Segment,
    #[error("must not begin with `__ds`: such paths are the server's own")]
    Reserved,
    #[error("has a `*` within a segment: `*` stands for a whole segment and `**` for any number of them")]
    PartialStar,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $read:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidPath;

            /// Slashes at both ends mean nothing and are left out.
            fn from_str(text: &str) -> Result<Self, InvalidPath> {
                let text = text.trim_matches('/');
                $read(text)?;
                Ok(Self(Arc::from(text)))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

texts! {
    /// The path of a stream below the root, as its owner wrote it: `events/abc`.
    StreamPath, path;
    /// A pattern of such paths: `events/*`.
    Pattern, pattern;
}

fn path(text: &str) -> Result<(), InvalidPath> {
    if text.is_empty() || text.len() > limits::STREAM_NAME_BYTES_MAX {
        return Err(InvalidPath::Length);
    }
    if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) || text.chars().any(char::is_control) {
        return Err(InvalidPath::Segment);
    }
    if text.split('/').next() == Some("__ds") {
        return Err(InvalidPath::Reserved);
    }
    Ok(())
}

fn pattern(text: &str) -> Result<(), InvalidPath> {
    path(text)?;
    let partial = |segment: &str| segment.contains('*') && !matches!(segment, "*" | "**");
    if text.split('/').any(partial) { Err(InvalidPath::PartialStar) } else { Ok(()) }
}

impl Pattern {
    /// What every path that matches begins with.
    pub(super) fn literal_prefix(&self) -> &str {
        // A segment with an escape stands for other text.
        let end = self.0.find(['*', '%']).unwrap_or(self.0.len());
        self.0[..end].trim_end_matches('/')
    }

    /// Whether a path is one of those meant.
    pub fn matches(&self, path: &StreamPath) -> bool {
        let pattern: Vec<&str> = self.0.split('/').collect();
        let path: Vec<&str> = path.0.split('/').collect();
        let (mut at, mut seen) = (0, 0);
        // Where to go on when a literal does not fit: behind the last `**`, with one more segment swallowed by it.
        // Earlier ones need not be reconsidered; they took as little as they could.
        let mut again: Option<(usize, usize)> = None;
        while seen < path.len() {
            match pattern.get(at) {
                Some(&"**") => {
                    again = Some((at + 1, seen));
                    at += 1;
                    continue;
                }
                Some(segment) if *segment == "*" || literal(segment, path[seen]) => {
                    at += 1;
                    seen += 1;
                    continue;
                }
                _ => {}
            }
            let Some((behind, swallowed)) = again else { return false };
            again = Some((behind, swallowed + 1));
            (at, seen) = (behind, swallowed + 1);
        }
        pattern[at..].iter().all(|segment| *segment == "**")
    }
}

/// A star in a stream's own name is written `%2A` in a pattern.
fn literal(segment: &str, path: &str) -> bool {
    if segment.contains('%') { segment.replace("%2A", "*").replace("%2a", "*") == path } else { segment == path }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let pattern: Pattern = pattern.parse().expect("a pattern");
        pattern.matches(&path.parse().expect("a path"))
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_any_number() {
        for (pattern, path, expected) in [
            ("events/*", "events/a", true),
            ("events/*", "events", false),
            ("events/*", "events/a/b", false),
            ("/events/*/", "events/a", true),
            ("events/**", "events", true),
            ("events/**", "events/a/b", true),
            ("events/**", "other/a", false),
            ("**", "a/b/c", true),
            ("**/c", "a/b/c", true),
            ("**/c", "c", true),
            ("a/**/c", "a/c", true),
            ("a/**/c", "a/b/b/c", true),
            ("a/**/c", "a/b/b/d", false),
            ("a/**/b/*", "a/x/b/y/b/z", true),
            ("a/b", "a/b", true),
            ("a/b", "a/B", false),
            ("a/%2A", "a/*", true),
            ("a/%2a", "a/b", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn what_is_no_path_or_no_pattern_is_told_apart() {
        let path = |text: &str| text.parse::<StreamPath>().map(|path| path.to_string());
        assert_eq!(path("/a/b/"), Ok("a/b".to_owned()));
        assert_eq!(path(""), Err(InvalidPath::Length));
        assert_eq!(path("//"), Err(InvalidPath::Length));
        assert_eq!(path("a//b"), Err(InvalidPath::Segment));
        assert_eq!(path("a/../b"), Err(InvalidPath::Segment));
        assert_eq!(path("a/\u{7}"), Err(InvalidPath::Segment));
        assert_eq!(path("__ds/subscriptions/x"), Err(InvalidPath::Reserved));
        assert_eq!(path(&"x".repeat(2_000)), Err(InvalidPath::Length));
        assert_eq!("a/user-*".parse::<Pattern>(), Err(InvalidPath::PartialStar));
        assert_eq!("a/***".parse::<Pattern>(), Err(InvalidPath::PartialStar));
    }

    /// The definition, word for word; exponential, so only for short ones.
    fn by_definition(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            (["**", rest @ ..], _) => (0..=path.len()).any(|skip| by_definition(rest, &path[skip..])),
            (["*", rest @ ..], [_, more @ ..]) => by_definition(rest, more),
            ([first, rest @ ..], [segment, more @ ..]) => first == segment && by_definition(rest, more),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_the_definition_says(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**"]), 1..7),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b"]), 1..7),
        ) {
            prop_assert_eq!(matches(&pattern.join("/"), &path.join("/")), by_definition(&pattern, &path));
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = vec!["**/a"; 200].join("/") + "/b";
        assert!(!matches(&pattern, &vec!["a"; 500].join("/")));
    }
}
