//! Turns that were told twice, as one viewer sees them: as they came, or as the agent told them again, and never both.
//!
//! Who was there when the line was cut has seen the pieces that came through; putting the whole account behind them
//! would double everything, and its client cannot take back what it shows. So it is told that there is more, and
//! whoever comes later, or loads the conversation anew, is told the account instead of the pieces.

use super::{show, viewer::Arriving};
use crate::{
    domain::{Event, Record, Sequence},
    wire::acp::error,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Retold {
    /// Ranges that this viewer saw nothing of when it came: it is told what stands for them.
    instead: Vec<(Sequence, Sequence)>,
    /// Up to here goes an account of what it was told already.
    again: Sequence,
}

/// The last record of the second account that this one announces. By its place and not by counting, because what lies
/// between may be forgotten while it is read.
pub(super) fn account(announced: &Record) -> Option<Sequence> {
    match announced.event {
        Event::TurnRetold { pieces, .. } if pieces > 0 => Some(Sequence(announced.sequence.0.saturating_add(pieces))),
        _ => None,
    }
}

impl Retold {
    /// As known when a viewer came in this way.
    pub(super) fn new(arriving: Arriving, mut known: Vec<(Sequence, Sequence)>) -> Self {
        match arriving {
            Arriving::Created | Arriving::Loaded => {}
            // In the middle of such a turn it was there.
            Arriving::From(cursor) => known.retain(|(from, _)| *from > cursor),
            Arriving::Resumed => known.clear(),
        }
        Self { instead: known, again: Sequence::ZERO }
    }

    /// Whether this record is a piece that its viewer is told otherwise, or was.
    pub(super) fn hides(&mut self, record: &Record) -> bool {
        match &record.event {
            Event::TurnRetold { from, through, .. } => {
                let told_so_far = !self.instead.contains(&(*from, *through));
                self.again = account(record).filter(|_| told_so_far).unwrap_or_default();
                false
            }
            Event::MessageReceived { .. } if record.sequence <= self.again => true,
            Event::MessageReceived { .. } => {
                let told_better = self.instead.iter().any(|(from, to)| (*from..=*to).contains(&record.sequence));
                // How a turn ended is told once, by the first account.
                told_better && show::kind(&record.payload).as_deref() == Some("session_update")
            }
            _ => false,
        }
    }

    /// What its viewer hears instead of an account that it is not told.
    pub(super) fn says(&self, record: &Record) -> Option<String> {
        let last = account(record)?;
        (self.again == last).then(|| {
            error(
                "While the line was cut, the agent said more in this turn than was heard here. Load the conversation \
                 again to see all of it.",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::{Actor, Position, SessionId, Stream, Timestamp, event::MessageKind};

    fn record(sequence: u64, event: Event) -> Record {
        let payload = Bytes::from_static(br#"{"type":"session_update"}"#);
        let stream = Stream::Session(SessionId::from_uuid(uuid::Uuid::nil()));
        let (position, at) = (Position(sequence), Timestamp(0));
        Record { position, stream, sequence: Sequence(sequence), at, actor: Actor::System, key: None, event, payload }
    }

    /// Pieces 3 and 4 came through, 6 tells that 7 to 9 stand for them, 10 is of the next turn.
    fn told(mut retold: Retold, from: u64) -> Vec<u64> {
        let piece = || Event::MessageReceived { message: None, kind: MessageKind::Other, ephemeral: false };
        let session = SessionId::from_uuid(uuid::Uuid::nil());
        let again = || Event::TurnRetold { session, from: Sequence(2), through: Sequence(5), pieces: 3 };
        let all = [3, 4, 6, 7, 8, 9, 10].into_iter().filter(|sequence| *sequence > from);
        let shown = all.filter(|sequence| {
            let event = if *sequence == 6 { again() } else { piece() };
            let record = record(*sequence, event);
            !retold.hides(&record) && (*sequence != 6 || retold.says(&record).is_some())
        });
        shown.collect()
    }

    #[test]
    fn everybody_is_told_a_turn_once() {
        let known = || vec![(Sequence(2), Sequence(5))];
        assert_eq!(told(Retold::new(Arriving::Created, vec![]), 0), [3, 4, 6, 10], "it was there");
        assert_eq!(told(Retold::new(Arriving::Loaded, known()), 0), [7, 8, 9, 10], "it came later");
        assert_eq!(told(Retold::new(Arriving::From(Sequence(1)), known()), 1), [7, 8, 9, 10], "it was away before");
        assert_eq!(told(Retold::new(Arriving::From(Sequence(3)), known()), 3), [4, 6, 10], "it was there at first");
        assert_eq!(told(Retold::new(Arriving::From(Sequence(7)), known()), 7), [8, 9, 10], "it was in the account");
        assert_eq!(told(Retold::new(Arriving::Resumed, known()), 9), [10]);
    }
}
