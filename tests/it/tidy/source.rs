//! Rust source as the tidy rules see it: code without comments, strings and tests, with the line numbers kept.
//!
//! Not a parser: a lexer of the few things that decide where code ends and text begins.

/// One file, seen three ways. All three have the same lines.
#[derive(Debug)]
pub(super) struct Source {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// As it is.
    pub text: String,
    /// Without comments; strings are there.
    pub spoken: String,
    /// Without comments and without what is in strings.
    pub code: String,
    /// As `code`, without items under `#[cfg(test)]`.
    pub shipped: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let (spoken, code) = (blank(text, false), blank(text, true));
        let shipped = without_tests(&code);
        Self { path: path.to_owned(), text: text.to_owned(), spoken, code, shipped }
    }

    /// The modules that lead to this file: `src/api/web/mod.rs` is `api`, `web`.
    pub(super) fn modules(&self) -> Vec<&str> {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inner.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).collect()
    }

    /// The modules that this file declares for tests only.
    pub(super) fn test_modules(&self) -> Vec<String> {
        let declared = |code: &str| {
            let lines = code.lines().filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod "));
            lines.filter_map(|rest| rest.strip_suffix(';').map(str::to_owned)).collect::<Vec<_>>()
        };
        let shipped = declared(&self.shipped);
        declared(&self.code).into_iter().filter(|module| !shipped.contains(module)).collect()
    }
}

/// The line, counted from 1, of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Every place where the word stands by itself.
pub(super) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !is_part(text[..*at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next()))
}

/// Replaces comments, and strings if asked, by spaces.
fn blank(text: &str, strings: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, keep) = piece(rest, first, out.chars().next_back());
        let (piece, after) = rest.split_at(length);
        match keep {
            Keep::Code => out.push_str(piece),
            Keep::String if !strings => out.push_str(piece),
            Keep::String | Keep::Comment => out.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
        }
        rest = after;
    }
    out
}

#[derive(Clone, Copy)]
enum Keep {
    Code,
    String,
    Comment,
}

/// How long the piece is that begins here, and what it is.
fn piece(rest: &str, first: char, before: Option<char>) -> (usize, Keep) {
    let starts_word = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Keep::Comment);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), Keep::Comment);
    }
    let prefix = rest.bytes().take_while(|byte| matches!(byte, b'b' | b'c' | b'r')).count();
    let hashes = rest[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let raw = starts_word && rest[..prefix].ends_with('r');
    if raw && rest[prefix + hashes..].starts_with('"') {
        let close = format!("\"{}", "#".repeat(hashes));
        let open = prefix + hashes + 1;
        return (rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len()), Keep::String);
    }
    match first {
        '"' => (quoted(rest, '"'), Keep::String),
        // A lifetime has no closing quote after one character.
        '\'' if rest[1..].starts_with('\\') || rest[1..].chars().nth(1) == Some('\'') => {
            (quoted(rest, '\''), Keep::String)
        }
        _ => (first.len_utf8(), Keep::Code),
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + 1;
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

/// Replaces every item under `#[cfg(test)]` (or `#[cfg(all(test, …))]`) by spaces.
fn without_tests(code: &str) -> String {
    if code.contains("#![cfg(test)]") {
        return code.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    }
    let mut out = code.to_owned();
    for marker in ["#[cfg(test)]", "#[cfg(all(test"] {
        while let Some(start) = out.find(marker) {
            let end = item_end(&out, start + marker.len());
            let blanked: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            out.replace_range(start..end, &blanked);
        }
    }
    out
}

/// Where the item ends that begins at or after `from`: at a semicolon, or at the brace that closes the first one.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[from..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return from + at + 1,
            _ => continue,
        }
        if c == '}' && depth == 0 {
            return from + at + 1;
        }
    }
    code.len()
}
