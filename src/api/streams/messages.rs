//! JSON mode: what a request body holds of messages. Bytes in, bytes out; nothing is parsed into values.
//!
//! Messages are kept as they came, one append beside the other without the brackets of the array: a reader gets them
//! back between brackets of our own, and a fork may take the first few.

use bytes::Bytes;
use serde::{
    Deserialize,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::error::Failure;
use crate::{
    api::common::{BadRequest, json::depth},
    domain::limits,
};

/// The messages of a body, without brackets, and how many there are. An array is one level of batch, anything else one
/// message.
pub(super) fn messages(body: &Bytes) -> Result<(Bytes, usize), Failure> {
    let text = std::str::from_utf8(body).map_err(|_| Failure::bad("the body", "is not UTF-8"))?;
    if depth(body) > limits::JSON_DEPTH_MAX {
        return Err(Failure::bad("the body", "is nested too deep"));
    }
    let trimmed = text.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\n' | '\r'));
    let start = text.len() - text.trim_start_matches([' ', '\t', '\n', '\r']).len();
    if !trimmed.starts_with('[') {
        serde_json::from_str::<IgnoredAny>(trimmed).map_err(|error| not_json(&error))?;
        return Ok((part(body, start..start + trimmed.len()), 1));
    }
    let Count(count) = serde_json::from_str(trimmed).map_err(|error| not_json(&error))?;
    // Without its brackets, which it has: it was just parsed.
    Ok((part(body, start + 1..start + trimmed.len() - 1), count))
}

/// A part of a body. One that keeps little of it is copied: the rest would stay in memory for as long as the record.
fn part(body: &Bytes, range: std::ops::Range<usize>) -> Bytes {
    if range.len() < body.len() / 2 { Bytes::copy_from_slice(&body[range]) } else { body.slice(range) }
}

fn not_json(error: &serde_json::Error) -> Failure {
    BadRequest::Json { at: String::new(), reason: error.to_string() }.into()
}

/// The first few messages of what [`messages`] kept; `None` if there are not so many.
pub(super) fn first(kept: &[u8], wanted: usize) -> Option<Vec<u8>> {
    let array = [b"[", kept, b"]"].concat();
    let all: Vec<&RawValue> = serde_json::from_slice(&array).ok()?;
    let taken = all.get(..wanted)?;
    Some(taken.iter().map(|message| message.get().as_bytes()).collect::<Vec<_>>().join(&b','))
}

/// How many elements an array has.
struct Count(usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Count;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Count, A::Error> {
                let mut count = 0;
                while elements.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Count(count))
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(body: &'static str) -> Option<(String, usize)> {
        let (kept, count) = messages(&Bytes::from_static(body.as_bytes())).ok()?;
        Some((String::from_utf8(kept.to_vec()).expect("text"), count))
    }

    #[test]
    fn one_level_of_an_array_is_a_batch_and_anything_else_one_message() {
        assert_eq!(kept("{\"a\":1}"), Some(("{\"a\":1}".into(), 1)));
        assert_eq!(kept(" [ {\"a\":1} , 2 ]\n"), Some((" {\"a\":1} , 2 ".into(), 2)));
        assert_eq!(kept("[[1,2],[3]]"), Some(("[1,2],[3]".into(), 2)));
        assert_eq!(kept("[]"), Some((String::new(), 0)));
        assert_eq!(kept("\"text\""), Some(("\"text\"".into(), 1)));
    }

    #[test]
    fn a_small_message_in_a_large_body_does_not_keep_all_of_it_in_memory() {
        for (body, is_part) in [(format!("[1{}]", " ".repeat(100)), true), (format!("{}7", " ".repeat(100)), false)] {
            let body = Bytes::from(body);
            let (kept, _) = messages(&body).expect("JSON");
            assert_eq!(body.as_ptr_range().contains(&kept.as_ptr()), is_part);
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for body in ["", " ", "{", "[1,]", "[1] [2]", "{} {}", "nul", "[1\u{a0}]", "\"a\nb\""] {
            assert_eq!(kept(body), None, "{body:?}");
        }
        assert!(messages(&Bytes::from_static(b"\"\xff\"")).is_err());
        assert!(messages(&Bytes::from(vec![b'['; 1_000_000])).is_err());
    }

    #[test]
    fn a_fork_takes_the_first_few() {
        let text =
            |wanted| first(b" {\"a\":1}, 2 ,\"x,y\"", wanted).map(|taken| String::from_utf8(taken).expect("text"));
        assert_eq!(text(0).as_deref(), Some(""));
        assert_eq!(text(2).as_deref(), Some("{\"a\":1},2"));
        assert_eq!(text(3).as_deref(), Some("{\"a\":1},2,\"x,y\""));
        assert_eq!(text(4), None);
    }
}
