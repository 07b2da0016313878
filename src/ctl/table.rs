//! Tables and property lists for people. Cells are foreign text and are neutralised here.

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};

use super::{CtlError, output::Out, terminal};

/// A table under construction.
#[derive(Debug)]
pub(crate) struct Columns {
    table: Table,
}

impl Columns {
    /// A table with these headings.
    pub(crate) fn new(out: &Out<'_>, headings: &[&str]) -> Self {
        let mut table = Table::new();
        // No lines: what is between columns is white, so that `awk` and a double click find whole cells.
        table.load_style(presets::NOTHING);
        let arrangement = if out.look.fit { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        table.set_content_arrangement(arrangement);
        if out.look.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let colour = out.look.colour;
        table.set_header(headings.iter().map(|heading| emphasised(heading, colour)));
        Self { table }
    }

    /// A row. An empty cell is shown as a dash, so that columns stay countable.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.table.add_row(cells.into_iter().map(|cell| {
            let text = terminal::one_line(cell.as_ref());
            if text.trim().is_empty() { "-".to_owned() } else { text.into_owned() }
        }));
    }

    /// Prints the table; `nothing` if it has no rows.
    pub(crate) fn print(mut self, out: &mut Out<'_>, nothing: &str) -> Result<(), CtlError> {
        if self.table.is_empty() {
            return out.line(nothing);
        }
        for column in self.table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in self.table.lines() {
            out.line(line.trim_end())?;
        }
        Ok(())
    }
}

fn emphasised(text: &str, colour: bool) -> Cell {
    let cell = Cell::new(text);
    if colour { cell.add_attribute(Attribute::Bold) } else { cell }
}

/// Name and value, one per line, for a single thing. Values that are not there are left out.
pub(crate) fn properties(out: &mut Out<'_>, rows: &[(&str, Option<String>)]) -> Result<(), CtlError> {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in rows {
        if let Some(value) = value {
            out.line(format!("{name:<width$}  {}", terminal::one_line(value)))?;
        }
    }
    Ok(())
}

/// So many bytes, as people say it.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    // Precision is lost from 2^53 bytes on, where nobody counts tenths.
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let mut value = count as f64;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// So long, as people say it.
pub(crate) fn duration_ms(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1_000..=59_999 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..=3_599_999 => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1_000),
        3_600_000..=86_399_999 => format!("{} h {:02} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
        _ => format!("{} d {:02} h", ms / 86_400_000, ms % 86_400_000 / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_whole_harmless_and_countable() {
        let mut bytes = Vec::new();
        let mut out = Out::to(&mut bytes, false);
        let mut table = Columns::new(&out, &["ID", "TITLE", "STATUS"]);
        table.row(["session_1", "\u{1b}[31mred\nfake row", ""]);
        table.row(["session_2", &"long ".repeat(60), "idle"]);
        table.print(&mut out, "nothing").expect("prints");
        drop(out);
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("\\x1b[31mred\\nfake row") && !text.contains('\u{1b}'));
        assert!(text.lines().nth(1).is_some_and(|line| line.ends_with('-')));
    }

    #[test]
    fn sizes_and_times_are_said_as_people_say_them() {
        assert_eq!([bytes(0), bytes(1_536), bytes(5 << 30)], ["0 B", "1.5 KiB", "5.0 GiB"]);
        let times = [7, 1_250, 61_000, 3_660_000, 90_000_000].map(duration_ms);
        assert_eq!(times, ["7 ms", "1.2 s", "1 min 01 s", "1 h 01 min", "1 d 01 h"]);
    }
}
