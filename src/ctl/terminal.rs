//! Foreign text on its way to a terminal: agents, tools and servers write what they like, and what they write must
//! neither move the cursor, nor retitle the window, nor hide or reorder what a person reads.
//!
//! Nothing is dropped: what a terminal would act on is shown as an escape, so that an audit sees that it was there.

use std::{borrow::Cow, fmt::Write as _};

/// Whether a terminal, or the eye, would take this for something other than what it is.
const fn is_hostile(c: char) -> bool {
    matches!(c,
        // C0 and C1 controls: escape sequences begin with one of them. Line feed and tab are the caller's affair.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Line separators that are no line feed: they would break out of a gutter.
        | '\u{2028}' | '\u{2029}'
        // Directional marks and overrides: `rm x` may be shown as something else.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Invisible: zero-width space, byte order mark, and the tag block, which carries whole hidden sentences.
        | '\u{200b}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

fn escape(out: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a string cannot fail.
    let _written = match c {
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\t' => write!(out, "\\t"),
        _ if code < 0x100 => write!(out, "\\x{code:02x}"),
        _ => write!(out, "\\u{{{code:x}}}"),
    };
}

fn neutralise(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_hostile(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hostile(c) && !keep(c) { escape(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// For a place that holds one line: a cell, a title, a message on stderr. Line ends are escaped too.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    neutralise(text, |_| false)
}

/// For a place that holds a paragraph: the lines of it, each safe. A tab becomes spaces, because what it does depends
/// on where it stands.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> {
    text.split('\n').map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        neutralise(line, |c| c == '\t').replace('\t', "    ")
    })
}

/// Foreign JSON as one line of JSON with the same value: line breaks between tokens go (strings hold none), and what a
/// terminal would act on is escaped the JSON way. Numbers and keys keep their bytes.
pub(crate) fn json_line(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_hostile) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    let mut units = [0; 2];
    for c in json.chars() {
        match c {
            '\n' | '\r' | '\t' => {}
            _ if is_hostile(c) => {
                for unit in c.encode_utf16(&mut units) {
                    let _written = write!(out, "\\u{unit:04x}");
                }
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_shown_and_not_obeyed() {
        assert_eq!(one_line("\u{1b}]0;pwned\u{7}\u{1b}[2Jok"), "\\x1b]0;pwned\\x07\\x1b[2Jok");
        assert_eq!(one_line("\u{9b}31m"), "\\x9b31m", "the eight-bit form of the same");
        assert_eq!(one_line("a\nb\rc"), "a\\nb\\rc");
        assert!(matches!(one_line("plain \u{e4}\u{1f600}"), Cow::Borrowed(_)));
    }

    #[test]
    fn text_that_hides_or_reorders_is_shown() {
        assert_eq!(one_line("a\u{202e}cod.exe"), "a\\u{202e}cod.exe");
        assert_eq!(one_line("hi\u{e0041}"), "hi\\u{e0041}");
        assert_eq!(one_line("\u{feff}x"), "\\u{feff}x");
    }

    #[test]
    fn paragraphs_keep_their_lines_and_nothing_else() {
        let all: Vec<_> = lines("a\tb\r\nprogress 10%\rprogress 99%\n\u{2028}c").collect();
        assert_eq!(all, ["a    b", "progress 10%\\rprogress 99%", "\\u{2028}c"]);
    }

    #[test]
    fn json_stays_the_same_value_on_one_line() {
        let json =
            "{\n  \"a\": \"x\u{9b}\u{e0041}\\u001b\",\r\n\t\"n\": 1.0e10, \"big\": 123456789012345678901234567890\n}";
        let line = json_line(json);
        assert!(!line.contains('\n') && line.contains("1.0e10") && line.contains("123456789012345678901234567890"));
        assert!(!line.chars().any(is_hostile));
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("is JSON");
        assert_eq!(parse(&line), parse(json));
    }
}
