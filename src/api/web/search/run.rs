//! What was said in one piece of a session's stream, put together where it came word by word.
//!
//! Agents behind links write in pieces, each a record of its own. Pieces that follow each other are one text, told at
//! the place of its first; so a block never begins in the middle of one, unless it is longer than any text should be.

use crate::{
    api::common::House,
    domain::{
        Event, Record, Sequence, SessionId, Stream, Timestamp,
        event::{MessageKind, PermissionDecided},
        limits,
    },
    relay::{Bounds, RelayError, page_bounds},
    wire::{
        spoken::{self, Said, Speaker, Spoken},
        web::SearchSource,
    },
};

/// What one record, or a run of pieces, says.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) sequence: Sequence,
    pub(super) at: Timestamp,
    pub(super) spoken: Vec<Spoken>,
}

/// A part of a stream, in order.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) texts: Vec<Text>,
    /// Up to here nothing was looked through.
    pub(super) before: Sequence,
    pub(super) bytes: usize,
}

impl From<Speaker> for SearchSource {
    fn from(by: Speaker) -> Self {
        match by {
            Speaker::Person => Self::Person,
            Speaker::Agent => Self::Agent,
            Speaker::Tool => Self::Tool,
        }
    }
}

/// What was said at the end of a session's stream up to `through`; none if nothing of it is kept.
pub(super) fn texts(
    house: &House,
    session: SessionId,
    through: Sequence,
    retold: &[(Sequence, Sequence)],
) -> Result<Option<Block>, RelayError> {
    let stream = Stream::Session(session);
    let (mut size, mut may_grow, mut bytes) = (limits::SEARCH_BLOCK_RECORDS, true, 0);
    loop {
        let earliest = house.relay.stream_tail(stream)?.map_or(through.next(), |tail| tail.earliest);
        if through < earliest {
            return Ok(None);
        }
        let from = Sequence(through.0.saturating_sub(size - 1)).max(earliest);
        let mut gathered = Gathered::default();
        let fits = match gathered.read(house, stream, (from, through), retold) {
            // Retention was here: look again what is left.
            Err(RelayError::Gap { .. }) => continue,
            fits => fits?,
        };
        bytes += gathered.bytes;
        if !fits {
            (size, may_grow) = ((size / 4).max(1), false);
            continue;
        }
        let Gathered { mut runs, led, .. } = gathered;
        // One that may have begun further back is told from there.
        let last =
            (from > earliest && !led).then(|| runs.first()).flatten().filter(|run| run.goes_on).map(|run| run.last);
        let before = match last {
            Some(last) if last < through => {
                runs.remove(0);
                last
            }
            Some(_) if may_grow && size < limits::SEARCH_RUN_RECORDS_MAX => {
                size = (size * 4).min(limits::SEARCH_RUN_RECORDS_MAX);
                continue;
            }
            _ => Sequence(from.0.saturating_sub(1)),
        };
        let texts = runs.into_iter().map(|run| run.text).collect();
        return Ok(Some(Block { texts, before, bytes }));
    }
}

/// A text as it is put together.
#[derive(Debug)]
struct Run {
    text: Text,
    /// Its last record.
    last: Sequence,
    /// It is made of pieces.
    goes_on: bool,
}

/// What was read of a block.
#[derive(Debug, Default)]
struct Gathered {
    runs: Vec<Run>,
    /// The last one may still go on.
    open: bool,
    /// Something ended before the first one began.
    led: bool,
    bytes: usize,
}

impl Gathered {
    /// Reads a range in order. False, if it has more bytes than a block should; one record alone always fits.
    fn read(
        &mut self,
        house: &House,
        stream: Stream,
        (from, through): (Sequence, Sequence),
        retold: &[(Sequence, Sequence)],
    ) -> Result<bool, RelayError> {
        let mut next = from;
        while next <= through {
            let left = usize::try_from(through.0 - next.0 + 1).unwrap_or(usize::MAX);
            let bounds = Bounds { records_max: left.min(page_bounds().records_max), ..page_bounds() };
            let records = house.relay.read(stream, next, bounds)?;
            let Some(last) = records.last() else { break };
            next = last.sequence.next();
            for record in &records {
                self.bytes += record.payload.len();
                let told_better = retold.iter().any(|(from, to)| (*from..=*to).contains(&record.sequence));
                if !told_better {
                    self.take(record);
                }
            }
            if self.bytes > limits::SEARCH_BLOCK_BYTES_MAX && from < through {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take(&mut self, record: &Record) {
        let said = match &record.event {
            Event::MessagePosted { .. } => spoken::prompt(&record.payload),
            Event::MessageReceived { kind: MessageKind::Partial, .. } => Said::Nothing,
            Event::MessageReceived { .. } => spoken::message(&record.payload),
            Event::PermissionDecided(PermissionDecided { message: Some(words), .. }) => {
                Said::Whole(vec![Spoken { by: Speaker::Person, text: words.clone() }])
            }
            _ => Said::Nothing,
        };
        match said {
            Said::Nothing => {}
            Said::End => {
                self.led |= self.runs.is_empty();
                self.open = false;
            }
            Said::Whole(spoken) => {
                self.begin(record, spoken, false);
            }
            Said::Piece(piece) => match self.runs.last_mut().filter(|_| self.open) {
                Some(Run { text: Text { spoken, .. }, last, .. }) if spoken[0].by == piece.by => {
                    spoken[0].text.push_str(&piece.text);
                    *last = record.sequence;
                }
                _ => self.begin(record, vec![piece], true),
            },
        }
    }

    fn begin(&mut self, record: &Record, spoken: Vec<Spoken>, goes_on: bool) {
        let text = Text { sequence: record.sequence, at: record.at, spoken };
        self.runs.push(Run { text, last: record.sequence, goes_on });
        self.open = goes_on;
    }
}
