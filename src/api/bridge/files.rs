//! Files that go with a message: `POST /api/oauth/files` takes one, `GET /api/oauth/files/{uuid}/content` gives it to
//! the worker, which asks with its machine's API key.
//!
//! A file is a stream of chunks.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{StatusCode, header};

use super::{Endpoint, Failure};
use crate::{
    api::common::{BadRequest, Call, House, Response, download::download, reply},
    domain::{Command, FileId, limits},
    security::Principal,
    wire::bridge::worker::{FileUploaded, UploadFile},
};

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
    download(house, file, &stored)?.ok_or(Failure::NotFound)
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
}
