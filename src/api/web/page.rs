//! Pages of lists, cut by a cursor that names the last item shown: items that come or go elsewhere shift nothing.

use std::{cmp::Ordering, fmt, str::FromStr};

use uuid::Uuid;

use super::{caller::Caller, error::Failure};
use crate::domain::{Timestamp, limits};

/// Where an item stands in its list. The text tells items of the same thing apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) at: Timestamp,
    pub(super) id: Uuid,
    pub(super) rest: String,
}

impl Place {
    pub(super) const fn new(at: Timestamp, id: Uuid) -> Self {
        Self { at, id, rest: String::new() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.0, self.id.as_simple())?;
        if self.rest.is_empty() { Ok(()) } else { write!(f, ".{}", self.rest) }
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NONE: &str = "is not a cursor: pass `next` of the page before as it was";
        let mut parts = text.splitn(3, '.');
        let at = parts.next().and_then(|ms| ms.parse().ok()).map(Timestamp).ok_or(NONE)?;
        let id = parts.next().and_then(|id| Uuid::try_parse(id).ok()).ok_or(NONE)?;
        Ok(Self { at, id, rest: parts.next().unwrap_or_default().to_owned() })
    }
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    NewestFirst,
    OldestFirst,
}

/// What part of a list was asked for.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) limit: usize,
    cursor: Option<Place>,
    order: Order,
}

impl Slice {
    pub(super) fn of(caller: &Caller<'_>, order: Order) -> Result<Self, Failure> {
        Ok(Self { limit: limit(caller)?, cursor: caller.query("cursor")?, order })
    }

    /// The places of this slice, in order, and the cursor of the one after it.
    pub(super) fn cut(&self, places: impl Iterator<Item = Place>) -> (Vec<Place>, Option<String>) {
        let compare = |a: &Place, b: &Place| match self.order {
            Order::NewestFirst => b.cmp(a),
            Order::OldestFirst => a.cmp(b),
        };
        let behind = |place: &Place| self.cursor.as_ref().is_none_or(|last| compare(place, last) == Ordering::Greater);
        let mut kept: Vec<Place> = places.filter(behind).collect();
        // Sorting a million to show a hundred would take as long as reading them.
        let more = kept.len() > self.limit;
        if more {
            kept.select_nth_unstable_by(self.limit, compare);
            kept.truncate(self.limit);
        }
        kept.sort_unstable_by(compare);
        let next = if more { kept.last().map(ToString::to_string) } else { None };
        (kept, next)
    }
}

/// `?limit=`, at most what one page holds.
pub(super) fn limit(caller: &Caller<'_>) -> Result<usize, Failure> {
    match caller.query::<u64>("limit")? {
        None => Ok(limits::PAGE_ITEMS_DEFAULT),
        Some(0) => Err(Failure::field("limit", "must be at least 1")),
        Some(limit) => Ok(usize::try_from(limit).unwrap_or(usize::MAX).min(limits::PAGE_ITEMS_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(ms: u64) -> Place {
        Place::new(Timestamp(ms), Uuid::from_u128(u128::from(ms)))
    }

    #[test]
    fn pages_put_together_are_the_list() {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let mut seen = Vec::new();
            let mut slice = Slice { limit: 3, cursor: None, order };
            loop {
                let (places, next) = slice.cut([5, 1, 8, 2, 7, 3, 6, 4].map(place).into_iter());
                seen.extend(places.iter().map(|place| place.at.0));
                let Some(next) = next else { break };
                slice.cursor = Some(next.parse().expect("a cursor"));
            }
            if order == Order::NewestFirst {
                seen.reverse();
            }
            assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7, 8]);
        }
    }

    #[test]
    fn a_cursor_reads_back_and_nonsense_is_refused() {
        let place = Place { rest: "a.b/c".into(), ..place(7) };
        assert_eq!(place.to_string().parse(), Ok(place));
        for nonsense in ["", "7", "x.00000000000000000000000000000007", "7.zz", "99999999999999999999999.0"] {
            assert!(nonsense.parse::<Place>().is_err(), "{nonsense}");
        }
    }
}
