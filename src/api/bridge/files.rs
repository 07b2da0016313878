//! Files that go with a message: `POST /api/oauth/files` takes one, `GET /api/oauth/files/{uuid}/content` gives it to
//! the worker, which asks with its machine's API key.
//!
//! A file is a stream of chunks. It is read in bounded pieces while it is sent, so that no download holds a file in
//! memory. What others uploaded is never shown under our origin: it is a download, of the type that was said, in a
//! sandbox.

use std::{collections::VecDeque, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{self, HeaderName},
};

use super::{Endpoint, Failure};
use crate::{
    api::common::{
        BadRequest, Call, House, Response,
        reply::{self, Feed, streamed},
    },
    domain::{Command, Event, FileId, Sequence, Stream, event::FileStored, limits},
    relay::page_bounds,
    security::Principal,
    wire::bridge::worker::{FileUploaded, UploadFile},
};

/// What a file is when nobody said.
const UNTYPED: &str = "application/octet-stream";
const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// Answers this module's endpoints.
pub(super) async fn answer(
    house: &Arc<House>,
    call: &Call,
    principal: &Principal,
    endpoint: &Endpoint,
) -> Result<Response, Failure> {
    match *endpoint {
        Endpoint::FileUpload => upload(house, call, principal).await,
        Endpoint::FileContent { file } => content(house, file),
        _ => Err(Failure::NotFound),
    }
}

/// A file as it comes in.
struct Upload {
    name: String,
    media_type: Option<String>,
    bytes: Bytes,
}

async fn upload(house: &House, call: &Call, principal: &Principal) -> Result<Response, Failure> {
    let Some(owner) = principal.owner() else { return Err(Failure::NotFound) };
    let Upload { name, media_type, bytes } = received(call)?;
    let file = FileId::from_uuid(house.fresh()?);
    let size_bytes = bytes.len() as u64;
    let command =
        Command::StoreFile { file, owner, session: None, name: name.clone(), media_type, chunks: chunks(&bytes) };
    house.relay.submit(principal.actor(), command).await?;
    let uploaded = FileUploaded { file_uuid: file.uuid().to_string(), file_name: name, size_bytes };
    Ok(reply::json(StatusCode::OK, &uploaded))
}

/// With `?file_name=` the body is the file, of the type that its header says; without it the body is JSON around it,
/// where base64 leaves room for three quarters of the limit.
fn received(call: &Call) -> Result<Upload, BadRequest> {
    let upload = if let Some(name) = call.query("file_name") {
        let media_type = call.header(header::CONTENT_TYPE).map(str::to_owned);
        Upload { name: name.into_owned(), media_type, bytes: call.body.clone() }
    } else {
        let UploadFile { file_name, media_type, data_base64 } = call.json()?;
        let bytes = STANDARD
            .decode(data_base64.as_bytes())
            .map_err(|error| BadRequest::parameter("data_base64", format!("is not base64: {error}")))?;
        Upload { name: file_name, media_type, bytes: bytes.into() }
    };
    let sensible =
        |text: &str| !text.is_empty() && text.len() <= limits::NAME_BYTES_MAX && !text.contains(char::is_control);
    if !sensible(&upload.name) {
        let reason = format!("must have 1 to {} bytes without control characters", limits::NAME_BYTES_MAX);
        return Err(BadRequest::parameter("file_name", reason));
    }
    if upload.media_type.as_deref().is_some_and(|text| !sensible(text)) {
        return Err(BadRequest::parameter("media_type", "must be a media type such as text/plain"));
    }
    if upload.bytes.len() > limits::FILE_BYTES_MAX {
        return Err(BadRequest::parameter("data_base64", format!("holds more than {} bytes", limits::FILE_BYTES_MAX)));
    }
    Ok(upload)
}

/// A file in pieces that fit into records.
pub(super) fn chunks(bytes: &Bytes) -> Vec<Bytes> {
    let starts = (0..bytes.len()).step_by(limits::FILE_CHUNK_BYTES_MAX);
    starts.map(|start| bytes.slice(start..bytes.len().min(start + limits::FILE_CHUNK_BYTES_MAX))).collect()
}

fn content(house: &Arc<House>, file: FileId) -> Result<Response, Failure> {
    let stored = house.relay.world().file(file).cloned();
    let Some(stored) = stored else { return Err(Failure::NotFound) };
    // Its length is told before its first byte, so what retention took away must be known before.
    if house.relay.stream_tail(Stream::File(file))?.is_none_or(|tail| tail.earliest > Sequence(1)) {
        return Err(Failure::NotFound);
    }
    let FileStored { name, media_type, size_bytes, .. } = stored;
    let pieces = Pieces { house: Arc::clone(house), file, next: Sequence(1), left: size_bytes, ready: VecDeque::new() };
    let mut response = streamed(UNTYPED, pieces);
    let headers = response.headers_mut();
    if let Some(media_type) = media_type.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size_bytes));
    headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    let disposition = HeaderValue::from_str(&disposition(&name));
    headers.insert(header::CONTENT_DISPOSITION, disposition.unwrap_or(HeaderValue::from_static("attachment")));
    Ok(response)
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
    fn a_file_is_cut_into_records_and_nothing_is_lost() {
        let bytes = Bytes::from(vec![7; 2 * limits::FILE_CHUNK_BYTES_MAX + 1]);
        let lengths: Vec<_> = chunks(&bytes).iter().map(Bytes::len).collect();
        assert_eq!(lengths, [limits::FILE_CHUNK_BYTES_MAX, limits::FILE_CHUNK_BYTES_MAX, 1]);
        assert!(chunks(&Bytes::new()).is_empty());
    }

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        let text = disposition("né \"x\"\\; a/../b.html");
        assert_eq!(
            text,
            "attachment; filename=\"n_ _x___ a_.._b.html\"; filename*=UTF-8''n%C3%A9%20%22x%22%5C%3B%20a%2F..%2Fb.html"
        );
    }
}
