//! Lists of the API: pages behind one another, as one walk.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{
    Context, CtlError,
    client::{Client, Query},
    output::Out,
    table::Columns,
};
use crate::{domain::limits, wire::web::Page};

/// Walks through the items of a list, at most `limit` of them, as the server wrote them.
fn each(
    client: &Client,
    path: &str,
    query: Query<'_>,
    limit: usize,
    mut each: impl FnMut(Box<RawValue>) -> Result<(), CtlError>,
) -> Result<(), CtlError> {
    let (mut cursor, mut left) = (None, limit);
    loop {
        let mut query = query.to_vec();
        query.push(("limit", Some(left.min(limits::PAGE_ITEMS_MAX).to_string())));
        query.push(("cursor", cursor));
        let page: Page<Box<RawValue>> = client.get(path, &query)?;
        // A server that sends more than was asked for does not make us print it.
        for item in page.items.into_iter().take(left) {
            left -= 1;
            each(item)?;
        }
        cursor = page.next;
        if cursor.is_none() || left == 0 {
            return Ok(());
        }
    }
}

/// A list, as a table or as lines of JSON.
#[derive(Debug)]
pub(crate) struct List<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: Query<'a>,
    pub(crate) limit: usize,
    pub(crate) headings: &'a [&'a str],
    /// What is said instead of an empty table.
    pub(crate) nothing: &'a str,
}

impl List<'_> {
    /// Prints it; `row` makes a table's cells of an item.
    pub(crate) fn print<T: DeserializeOwned, const N: usize>(
        &self,
        context: &mut Context<'_>,
        row: impl Fn(T) -> [String; N],
    ) -> Result<(), CtlError> {
        let client = context.client()?;
        let out = &mut context.out;
        if out.look.json {
            return each(&client, self.path, self.query, self.limit, |item| out.raw(&item));
        }
        let mut table = Columns::new(out, self.headings);
        each(&client, self.path, self.query, self.limit, |item| {
            table.row(row(parse(&item)?));
            Ok(())
        })?;
        table.print(out, self.nothing)
    }
}

/// One thing: as the server wrote it with `--json`, otherwise as `show` does.
pub(crate) fn one<T: DeserializeOwned>(
    out: &mut Out<'_>,
    raw: &RawValue,
    show: impl FnOnce(&mut Out<'_>, T) -> Result<(), CtlError>,
) -> Result<(), CtlError> {
    if out.look.json { out.raw(raw) } else { show(out, parse(raw)?) }
}

fn parse<T: DeserializeOwned>(raw: &RawValue) -> Result<T, CtlError> {
    serde_json::from_str(raw.get()).map_err(|error| {
        CtlError::failed(format!("the server answered something that this rcsctl does not understand: {error}"))
            .hint("--json shows it as it is")
    })
}
