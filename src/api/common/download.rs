//! A stored file on its way out, for every room that gives files.
//!
//! It is read in bounded pieces while it is sent, so that no download holds a file in memory. What others uploaded is
//! never shown under our origin: it is a download, of the type that was said, in a sandbox.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue,
    header::{self, HeaderName},
};

use super::{
    House, Response,
    reply::{Feed, streamed},
};
use crate::{
    domain::{Event, FileId, Sequence, Stream, event::FileStored},
    relay::{RelayError, page_bounds},
};

/// What a file is when nobody said.
const UNTYPED: &str = "application/octet-stream";
const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The file as an answer; nothing where retention took a part of it. Whether the caller may have it was asked before.
pub fn download(house: &Arc<House>, file: FileId, stored: &FileStored) -> Result<Option<Response>, RelayError> {
    // Its length is told before its first byte, so what retention took away must be known before.
    if house.relay.stream_tail(Stream::File(file))?.is_none_or(|tail| tail.earliest > Sequence(1)) {
        return Ok(None);
    }
    let FileStored { name, media_type, size_bytes, .. } = stored;
    let left = *size_bytes;
    let pieces = Pieces { house: Arc::clone(house), file, next: Sequence(1), left, ready: VecDeque::new() };
    let mut response = streamed(UNTYPED, pieces);
    let headers = response.headers_mut();
    if let Some(media_type) = media_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(left));
    headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    let disposition = HeaderValue::from_str(&disposition(name));
    headers.insert(header::CONTENT_DISPOSITION, disposition.unwrap_or(HeaderValue::from_static("attachment")));
    Ok(Some(response))
}

/// RFC 6266: a plain name for old clients, and the real one.
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_. ".contains(c) { c } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
    let encode = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let encoded: String = name.bytes().map(encode).collect();
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}

/// A file on its way out.
struct Pieces {
    house: Arc<House>,
    file: FileId,
    next: Sequence,
    /// Bytes to come. The length was announced, so an end before it is an error that the client sees.
    left: u64,
    ready: VecDeque<Bytes>,
}

impl Feed for Pieces {
    async fn next(&mut self) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        if self.ready.is_empty() {
            self.read_more();
        }
        let mut piece = self.ready.pop_front()?;
        if piece.len() as u64 > self.left {
            piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        }
        self.left -= piece.len() as u64;
        Some(piece)
    }
}

impl Pieces {
    fn read_more(&mut self) {
        match self.house.relay.read(Stream::File(self.file), self.next, page_bounds()) {
            Ok(records) => {
                for record in records {
                    self.next = record.sequence.next();
                    if matches!(record.event, Event::FileChunk { .. }) {
                        self.ready.push_back(record.payload.clone());
                    }
                }
            }
            Err(error) => tracing::error!(file = %self.file, %error, "a file could not be read to its end"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        let text = disposition("né \"x\"\\; a/../b.html");
        assert_eq!(
            text,
            "attachment; filename=\"n_ _x___ a_.._b.html\"; filename*=UTF-8''n%C3%A9%20%22x%22%5C%3B%20a%2F..%2Fb.html"
        );
    }
}
