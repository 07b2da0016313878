//! Files that messages refer to, kept in the journal like everything else. People read theirs back here; workers fetch
//! them from the bridge's room.

use http::header;

use super::{
    caller::{Caller, plain_text},
    created,
    error::Failure,
};
use crate::{
    api::common::{Response, download::download},
    domain::{Command, FileId, Outcome, SessionId, limits},
    security::Grant,
    wire::web::StoredFile,
};

/// The body is the file, `?name=` its name; `?session=` says which session it is for.
pub(super) async fn store(caller: &Caller<'_>) -> Result<Response, Failure> {
    let body = &caller.call.body;
    let name = caller.call.query("name").unwrap_or_default();
    let name = plain_text("name", &name, limits::NAME_BYTES_MAX)?;
    if name.contains(['/', '\\']) {
        return Err(Failure::field("name", "must be a name without a path"));
    }
    if body.is_empty() {
        return Err(Failure::field("body", "must not be empty: it is the file"));
    }
    let session: Option<SessionId> = caller.query("session")?;
    let owner = match session {
        None => caller.owner()?,
        // A worker gets only what is its owner's.
        Some(id) => {
            let owner = caller.house.owner_of(id);
            caller.may(Grant::SessionWrite, owner).map_err(|denied| Failure::denied(denied, id))?;
            owner.ok_or_else(|| Failure::absent(id))?
        }
    };
    let media_type = caller.call.header(header::CONTENT_TYPE).map(|text| text.chars().take(255).collect::<String>());
    let starts = (0..body.len()).step_by(limits::FILE_CHUNK_BYTES_MAX);
    let chunks = starts.map(|start| body.slice(start..body.len().min(start + limits::FILE_CHUNK_BYTES_MAX))).collect();
    let file = FileId::from_uuid(caller.house.fresh()?);
    let command = Command::StoreFile { file, owner, session, name, media_type, chunks };
    let id = match caller.submit(command).await? {
        Outcome::File { file } => file,
        other => return Err(Failure::unexpected(&other)),
    };
    let stored = caller.house.relay.world().file(id).cloned().ok_or_else(|| Failure::absent(id))?;
    let shown = StoredFile {
        id,
        file_uuid: id.uuid().as_hyphenated().to_string(),
        file_name: stored.name,
        media_type: stored.media_type,
        size_bytes: stored.size_bytes,
    };
    Ok(created(&format!("/api/oauth/files/{}/content", shown.file_uuid), &shown))
}

/// The file as it was stored, for its owner. Somebody else's is not there.
pub(super) fn read(caller: &Caller<'_>, id: FileId) -> Result<Response, Failure> {
    let stored = caller.house.relay.world().file(id).cloned().ok_or_else(|| Failure::absent(id))?;
    caller.may(Grant::SessionRead, Some(stored.owner)).map_err(|denied| Failure::denied(denied, id))?;
    download(caller.house, id, &stored)?.ok_or_else(|| Failure::absent(id))
}
