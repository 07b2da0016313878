//! One look through the log, going back from where the one before stopped.
//!
//! A search is of a moment: what the journal held when it began. Its sessions stand in the order in which they were
//! active last at that moment, each is looked through from its end to its beginning, and a cursor names the place
//! between two records. So pages put together hold each hit once, whatever is said meanwhile.

use std::{cmp::Reverse, time::Instant};

use uuid::Uuid;

use super::{
    cursor::{Cursor, Moment},
    run::{Block, Text, texts},
    words::{Snippet, Words},
};
use crate::{
    api::common::House,
    domain::{Sequence, SessionId, Stream, Timestamp, limits},
    relay::{Bounds, RelayError},
    security::Scope,
    wire::web::{SearchHit, SearchPage, SearchSource},
};

/// What is looked for, and where.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) words: Words,
    pub(super) scope: Scope,
    /// Put-away sessions, too.
    pub(super) archived: bool,
    pub(super) limit: usize,
    pub(super) cursor: Option<Cursor>,
}

/// A session that may have something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    active_at: Timestamp,
    id: Uuid,
    /// Everything up to here is looked through.
    through: Sequence,
}

/// What is known of it beside.
struct Known {
    title: Option<String>,
    archived: bool,
    retold: Vec<(Sequence, Sequence)>,
}

struct Scan<'a> {
    house: &'a House,
    search: &'a Search,
    moment: Moment,
    hits: Vec<SearchHit>,
    began: Instant,
    bytes: usize,
}

/// Looks until a page is full, its time is over, or there is nothing more.
pub(super) fn look(house: &House, search: &Search) -> Result<SearchPage, RelayError> {
    let moment = search
        .cursor
        .map_or_else(|| Moment { tail: house.relay.journal().tail(), at: house.relay.now() }, |cursor| cursor.moment);
    let mut scan = Scan { house, search, moment, hits: Vec::new(), began: Instant::now(), bytes: 0 };
    let (places, left) = scan.places()?;
    let mut done = 0;
    for place in &places {
        let fresh = search.cursor.is_none_or(|cursor| cursor.session != place.id);
        if let Some(through) = scan.session(*place, fresh)? {
            let next = Cursor { moment, active_at: place.active_at, session: place.id, through };
            return Ok(scan.page(Some(next), left - done));
        }
        done += 1;
        let more = places.get(usize::try_from(done).unwrap_or(usize::MAX));
        if let (true, Some(next)) = (scan.is_over(), more) {
            // Where the next one begins is where this one ends.
            let last = Cursor { moment, active_at: place.active_at, session: place.id, through: Sequence::ZERO };
            let mut page = scan.page(Some(last), left - done);
            page.back_to = Some(next.active_at.to_string());
            return Ok(page);
        }
    }
    let last = places.last().filter(|_| left > done);
    let next =
        last.map(|place| Cursor { moment, active_at: place.active_at, session: place.id, through: Sequence::ZERO });
    Ok(scan.page(next, left - done))
}

impl Scan<'_> {
    fn page(self, next: Option<Cursor>, sessions_left: u64) -> SearchPage {
        SearchPage {
            hits: self.hits,
            back_to: next.map(|cursor| cursor.active_at.to_string()),
            next: next.map(|cursor| cursor.to_string()),
            sessions_left,
        }
    }

    fn is_over(&self) -> bool {
        self.hits.len() >= self.search.limit
            || self.bytes >= limits::SEARCH_BYTES_MAX
            || self.began.elapsed().as_millis() >= u128::from(limits::SEARCH_MS)
    }

    /// The sessions that are still to be looked through, as many as one page takes, and how many there are in all.
    fn places(&self) -> Result<(Vec<Place>, u64), RelayError> {
        let settled = Timestamp(self.moment.at.0.saturating_sub(limits::SEARCH_SETTLE_MS));
        let (mut places, mut grown) = (Vec::new(), Vec::new());
        {
            let world = self.house.relay.world();
            let found = world.sessions().filter(|found| self.search.scope.includes(found.owner));
            let found = found.filter(|found| self.search.archived || found.archived_at.is_none());
            for found in found {
                let place = Place { active_at: found.active_at, id: found.id.uuid(), through: found.latest };
                if place.active_at < settled { places.push(place) } else { grown.push((place, found.created_at)) }
            }
        }
        for (place, created_at) in grown {
            let was = self.as_it_was(place)?;
            // Where nothing is kept of what was said, there is still a title.
            let titled = (created_at <= self.moment.at).then_some(Place {
                active_at: created_at,
                through: Sequence::ZERO,
                ..place
            });
            places.extend(was.or(titled));
        }
        if let Some(cursor) = self.search.cursor {
            // The one that the cursor is in goes on from there; what stands in front of it was looked through.
            let at = (cursor.active_at, cursor.session);
            places.retain(|place| {
                let here = (place.active_at, place.id);
                here < at || (here == at && cursor.through > Sequence::ZERO)
            });
            for place in &mut places {
                if place.id == cursor.session {
                    place.through = place.through.min(cursor.through);
                }
            }
        }
        let left = places.len() as u64;
        if places.len() > limits::SEARCH_SESSIONS_MAX {
            places.select_nth_unstable_by_key(limits::SEARCH_SESSIONS_MAX, |place| Reverse(*place));
            places.truncate(limits::SEARCH_SESSIONS_MAX);
        }
        places.sort_unstable_by_key(|place| Reverse(*place));
        Ok((places, left))
    }

    /// Where a session stood at the moment of the search, although it may have grown since. None, if it was not there,
    /// or nothing of it is kept.
    fn as_it_was(&self, place: Place) -> Result<Option<Place>, RelayError> {
        let stream = Stream::Session(SessionId::from_uuid(place.id));
        let Some(tail) = self.house.relay.stream_tail(stream)? else { return Ok(None) };
        let (mut low, mut high) = (tail.earliest, place.through.max(tail.latest));
        let mut last = None;
        while low <= high {
            let middle = Sequence(u64::midpoint(low.0, high.0));
            let one = Bounds { records_max: 1, bytes_max: 1 };
            let record = match self.house.relay.read(stream, middle, one) {
                Ok(records) => records.into_iter().next(),
                Err(RelayError::Gap { earliest, .. }) => {
                    low = earliest;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match record {
                Some(record) if record.position <= self.moment.tail => {
                    last = Some(Place { active_at: record.at, through: record.sequence, ..place });
                    low = middle.next();
                }
                _ => high = Sequence(middle.0.saturating_sub(1)),
            }
        }
        Ok(last)
    }

    /// Looks through one session. Where it stopped, if it did before the beginning.
    fn session(&mut self, place: Place, fresh: bool) -> Result<Option<Sequence>, RelayError> {
        let id = SessionId::from_uuid(place.id);
        let known = {
            let world = self.house.relay.world();
            world.session(id).map(|found| Known {
                title: found.title.clone(),
                archived: found.archived_at.is_some(),
                retold: found.retold.iter().copied().collect(),
            })
        };
        let Some(known) = known else { return Ok(None) };
        if let Some(snippet) = known.title.as_deref().filter(|_| fresh).and_then(|title| self.search.words.find(title))
        {
            self.hit(id, &known, (SearchSource::Title, None, place.active_at), snippet);
        }
        let mut through = place.through;
        if self.hits.len() >= self.search.limit {
            return Ok((through > Sequence::ZERO).then_some(through));
        }
        while through > Sequence::ZERO {
            let Some(Block { texts, before, bytes }) = texts(self.house, id, through, &known.retold)? else { break };
            self.bytes += bytes;
            for Text { sequence, at, spoken } in texts.into_iter().rev() {
                let found = spoken.iter().find_map(|one| Some((one.by, self.search.words.find(&one.text)?)));
                let Some((by, snippet)) = found else { continue };
                self.hit(id, &known, (by.into(), Some(sequence), at), snippet);
                if self.hits.len() >= self.search.limit {
                    let rest = Sequence(sequence.0 - 1);
                    return Ok((rest > Sequence::ZERO).then_some(rest));
                }
            }
            through = before;
            // Behind the look and not before it, so that each page goes on.
            if self.is_over() {
                return Ok((through > Sequence::ZERO).then_some(through));
            }
        }
        Ok(None)
    }

    fn hit(
        &mut self,
        session_id: SessionId,
        known: &Known,
        (from, sequence, at): (SearchSource, Option<Sequence>, Timestamp),
        Snippet { text, marks }: Snippet,
    ) {
        self.hits.push(SearchHit {
            session_id,
            title: known.title.clone(),
            archived: known.archived,
            sequence: sequence.map(|sequence| sequence.0),
            at: at.to_string(),
            from,
            snippet: text,
            marks,
        });
    }
}
