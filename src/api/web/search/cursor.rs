//! Where a page of a search stopped, as text that its caller hands back. It says nothing that they may not know, and a
//! forged one finds nothing that is not theirs.

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::domain::{Position, Sequence, Timestamp};

/// When a search began: what came later is none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) tail: Position,
    pub(super) at: Timestamp,
}

/// A place in the order of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) moment: Moment,
    /// When the session was active last, at that moment.
    pub(super) active_at: Timestamp,
    pub(super) session: Uuid,
    /// What is left of it; zero if nothing is.
    pub(super) through: Sequence,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moment: Moment { tail, at }, active_at, session, through } = self;
        write!(f, "{}.{}.{}.{}.{}", tail.0, at.0, active_at.0, session.as_simple(), through.0)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NONE: &str = "is not a cursor: pass `next` of the page before as it was";
        let [tail, at, active_at, session, through] = text.split('.').collect::<Vec<_>>()[..] else { return Err(NONE) };
        let number = |text: &str| text.parse::<u64>().map_err(|_| NONE);
        Ok(Self {
            moment: Moment { tail: Position(number(tail)?), at: Timestamp(number(at)?) },
            active_at: Timestamp(number(active_at)?),
            session: Uuid::try_parse(session).map_err(|_| NONE)?,
            through: Sequence(number(through)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nonsense_is_refused() {
        let cursor = Cursor {
            moment: Moment { tail: Position(7), at: Timestamp(8) },
            active_at: Timestamp(9),
            session: Uuid::from_u128(10),
            through: Sequence(11),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        let id = Uuid::from_u128(10).as_simple().to_string();
        for nonsense in
            ["", "7", "1.2.3.4.5", &format!("1.2.3.{id}"), &format!("1.2.3.{id}.x"), &format!("1.2.3.{id}.5.6")]
        {
            assert!(nonsense.parse::<Cursor>().is_err(), "{nonsense}");
        }
    }
}
