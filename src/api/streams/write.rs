//! Creating, writing, closing, deleting.

use std::sync::Arc;

use bytes::Bytes;
use http::{StatusCode, header};

use super::{
    caller::Caller,
    endpoint::{ROOT, stream_name},
    error::Failure,
    headers::{self, content_type, lifetime, producer, put, put_true, says_true, stream_seq},
    messages::{first, messages},
    source::{Format, Source, look, offset},
};
use crate::{
    api::common::{Response, reply},
    domain::{
        Command, Outcome, OwnerId, Refusal, UserStreamId,
        user_stream::{NewFork, NewUserStream, StreamRefusal, UserAppend, same_content_type},
    },
    relay::RelayError,
    wire::streams::{From, header as name},
};

/// `POST`: writes, closes, or both.
pub(super) async fn append(caller: &Caller<'_>, stream: &str) -> Result<Response, Failure> {
    let call = caller.call;
    let closes = says_true(call, name::CLOSED);
    let (producer, stream_seq) = (producer(call)?, stream_seq(call)?);
    let given = content_type(call)?;
    let (id, base, format, type_matches) = look(caller, caller.namespace()?, stream, |_, found| {
        let type_matches = given.is_some_and(|given| same_content_type(&found.content_type, given));
        (found.id, found.base(), Format::of(&found.content_type), type_matches)
    })
    .await?;
    let (payload, count) = match (call.body.is_empty(), format) {
        (true, _) if closes => (Bytes::new(), 1),
        (true, _) => return Err(Failure::bad("the body", "is empty, and the request does not close the stream")),
        (false, _) if given.is_none() => return Err(Failure::bad("content-type", "must say what the body is")),
        (false, Format::Json) if type_matches => match messages(&call.body)? {
            (_, 0) => return Err(Failure::bad("the body", "is an empty array: there is nothing to append")),
            kept => kept,
        },
        (false, _) => (call.body.clone(), 1),
    };
    caller.house.throttle.check_messages(caller.throttle_key(), count)?;
    let writes = !payload.is_empty();
    let append = UserAppend { stream: id, payload, type_matches, producer, stream_seq, closes };
    let outcome = match caller.house.relay.submit(caller.actor(), Command::AppendUserStream(append)).await {
        Err(RelayError::Refused(Refusal::Stream(StreamRefusal::Closed { tail }))) => {
            return Err(Failure::Closed(offset(caller.house, id, base, tail)));
        }
        other => other?,
    };
    let Outcome::Appended(done) = outcome else { return Err(Failure::unexpected(&outcome)) };
    // The protocol tells a producer what is new from what it repeated.
    let fresh = done.producer.is_some() && !done.known && writes;
    let mut response = reply::empty(if fresh { StatusCode::OK } else { StatusCode::NO_CONTENT });
    put(&mut response, name::NEXT_OFFSET, &offset(caller.house, id, base, done.tail).to_string());
    put_true(&mut response, name::CLOSED, done.closed);
    if let Some((epoch, seq)) = done.producer {
        put(&mut response, name::PRODUCER_EPOCH, &epoch.to_string());
        put(&mut response, name::PRODUCER_SEQ, &seq.to_string());
    }
    Ok(response)
}

/// `DELETE`.
pub(super) async fn delete(caller: &Caller<'_>, stream: &str) -> Result<Response, Failure> {
    let id = look(caller, caller.namespace()?, stream, |_, found| found.id).await?;
    caller.house.relay.submit(caller.actor(), Command::DeleteUserStream { stream: id }).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `PUT`: makes a stream, empty, filled or forked; or finds that it is there as described.
pub(super) async fn create(caller: &Caller<'_>, stream: &str) -> Result<Response, Failure> {
    let (call, house) = (caller.call, caller.house);
    let owner = caller.namespace()?;
    let lifetime = lifetime(call)?;
    let given = content_type(call)?;
    // A stream of this name whose time is over makes room.
    match look(caller, owner, stream, |_, _| ()).await {
        Ok(()) | Err(Failure::NotFound | Failure::Gone) => {}
        Err(failure) => return Err(failure),
    }
    let fork = fork(caller, owner).await?;
    let inherited = fork.as_ref().map(|(_, source)| &source.content_type);
    let format = given.or(inherited.map(AsRef::as_ref)).map_or(Format::Binary, Format::of);
    let (content, count) =
        if format == Format::Json && !call.body.is_empty() { messages(&call.body)? } else { (call.body.clone(), 1) };
    // The brackets of an empty array may have had blanks between them.
    let content = if count == 0 { Bytes::new() } else { content };
    house.throttle.check_messages(caller.throttle_key(), count.max(1))?;
    let new = NewUserStream {
        stream: UserStreamId::from_uuid(house.fresh()?),
        owner,
        name: Arc::from(stream),
        content_type: given.map(Arc::from),
        lifetime,
        closed: says_true(call, name::CLOSED),
        fork: fork.map(|(fork, _)| fork),
        content,
    };
    let outcome = house.relay.submit(caller.actor(), Command::CreateUserStream(new)).await?;
    let Outcome::UserStream { stream: id, created, tail, closed } = outcome else {
        return Err(Failure::unexpected(&outcome));
    };
    let (base, content_type) = {
        let world = house.relay.world();
        // It may have been deleted since.
        let found = world.user_streams().get(id).ok_or(Failure::NotFound)?;
        (found.base(), Arc::clone(&found.content_type))
    };
    let mut response = reply::empty(if created { StatusCode::CREATED } else { StatusCode::OK });
    if created {
        let location = format!("{}{}", house.settings.base_url, call.path);
        put(&mut response, header::LOCATION.as_str(), &location);
    }
    put(&mut response, header::CONTENT_TYPE.as_str(), &content_type);
    put(&mut response, name::NEXT_OFFSET, &offset(house, id, base, tail).to_string());
    put_true(&mut response, name::CLOSED, closed);
    Ok(response)
}

/// Where the new stream parts from another, if it does, and that other one.
async fn fork(caller: &Caller<'_>, owner: OwnerId) -> Result<Option<(NewFork, Source)>, Failure> {
    let call = caller.call;
    let part = headers::number(call, name::FORK_SUB_OFFSET, u64::MAX)?;
    let Some(from) = call.header(name::FORKED_FROM) else {
        if part.is_some() || call.headers.contains_key(name::FORK_OFFSET) {
            return Err(Failure::bad(name::FORKED_FROM, "must say which stream the offset is of"));
        }
        return Ok(None);
    };
    let path =
        from.strip_prefix(ROOT).ok_or_else(|| Failure::bad(name::FORKED_FROM, "must be the path of a stream"))?;
    let source_name = stream_name(path)?;
    let relay = &caller.house.relay;
    // A deleted source that has forks is still there to be told apart from one that never was.
    match look(caller, owner, &source_name, |_, _| ()).await {
        Ok(()) | Err(Failure::Gone) => {}
        Err(failure) => return Err(failure),
    }
    let (id, source) = {
        let world = relay.world();
        let all = world.user_streams();
        let found = all.named(owner, &source_name).ok_or(Failure::NotFound)?;
        (found.id, Source::of(all, found, relay.epoch()))
    };
    let asked = call.header(name::FORK_OFFSET).map(str::parse::<From>).transpose();
    let asked = asked.map_err(|error| Failure::bad(name::FORK_OFFSET, &error.to_string()))?;
    let position = match asked {
        None | Some(From::Tail) => None,
        Some(From::Start) => Some(0),
        Some(From::After(offset)) => {
            let place = source.place(relay, offset);
            Some(place.map_err(|_| Failure::bad(name::FORK_OFFSET, "is no offset of the source"))?)
        }
    };
    let part = part.unwrap_or(0);
    let prefix = prefix(caller, &source, position.unwrap_or(source.tail), part)?;
    Ok(Some((NewFork { source: id, position, part, prefix }, source)))
}

/// The first part of the append after a position.
fn prefix(caller: &Caller<'_>, source: &Source, position: u64, part: u64) -> Result<Bytes, Failure> {
    if part == 0 {
        return Ok(Bytes::new());
    }
    let beyond = || Failure::bad(name::FORK_SUB_OFFSET, "goes beyond the append after the offset");
    let slice = source.read(&caller.house.relay, position)?;
    let next = slice.records.first().and_then(|record| source.payload(record)).ok_or_else(beyond)?;
    let wanted = usize::try_from(part).map_err(|_| beyond())?;
    match source.format {
        Format::Json => first(&next, wanted).map(Bytes::from).ok_or_else(beyond),
        Format::Text | Format::Binary if wanted <= next.len() => Ok(next.slice(..wanted)),
        Format::Text | Format::Binary => Err(beyond()),
    }
}
