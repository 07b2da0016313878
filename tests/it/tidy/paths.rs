//! Paths in code: what `crate::…`, `super::…`, `std::…` and the groups of a `use` amount to.

use super::source::{line_of, words};

/// A path and the line it stands on. `crate::{a::b, c}` is two.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub line: usize,
    /// Without the root.
    pub segments: Vec<String>,
}

/// Every path from this root.
pub(super) fn paths(code: &str, root: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    for at in words(code, root) {
        // `a::crate::b` is no path from the root, and `super::super` is read from its first word.
        if code[..at].trim_end().ends_with("::") {
            continue;
        }
        let mut branches = Vec::new();
        tree(code[at + root.len()..].trim_start(), &mut Vec::new(), &mut branches);
        found.extend(branches.into_iter().map(|segments| Mention { line: line_of(code, at), segments }));
    }
    found
}

/// Reads `::a::{b, c::d}` and returns what follows it.
fn tree<'a>(text: &'a str, prefix: &mut Vec<String>, branches: &mut Vec<Vec<String>>) -> &'a str {
    let Some(rest) = text.strip_prefix("::").map(str::trim_start) else {
        branches.push(prefix.clone());
        return text;
    };
    if let Some(mut rest) = rest.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches([',', ' ', '\n', '\t']);
            if rest.is_empty() {
                return rest;
            }
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let before = rest.len();
            rest = segment(rest, prefix, branches);
            // Something that is no path (a generic, a renaming): skip to the next branch.
            let stop = rest.find([',', '}']).unwrap_or(rest.len());
            rest = if rest.len() == before { &rest[1..] } else { &rest[stop..] };
        }
    }
    segment(rest, prefix, branches)
}

fn segment<'a>(text: &'a str, prefix: &mut Vec<String>, branches: &mut Vec<Vec<String>>) -> &'a str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 {
        branches.push(prefix.clone());
        return text;
    }
    prefix.push(text[..end].to_owned());
    let rest = tree(text[end..].trim_start(), prefix, branches);
    prefix.pop();
    rest
}
