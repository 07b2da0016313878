//! The rules, as tables and short functions. Change a table here and say why in `src/ARCHITECTURE.md`.

use super::{
    paths::{Mention, paths},
    source::{Source, line_of, words},
};

/// Each floor, and what it may use besides itself. A name allows what is below it: `domain` allows `domain::id`.
const FLOORS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("wire", &["domain::id", "domain::limits"]),
    ("paths", &[]),
    ("journal", &["domain"]),
    ("security", &["domain"]),
    ("relay", &["domain", "journal"]),
    ("telemetry", &["domain::limits"]),
    ("config", &["domain", "paths", "security", "telemetry"]),
    // `telemetry` for the names of metrics.
    ("api", &["domain", "wire", "relay", "security", "telemetry"]),
    ("ui", &["api::common"]),
    ("serve", &["domain", "wire", "paths", "journal", "security", "relay", "telemetry", "config", "api", "ui"]),
    ("ctl", &["domain", "wire", "paths", "journal", "relay::replay"]),
    ("agent", &["wire", "domain::id"]),
];

/// The words that name protocols.
pub(super) const PROTOCOLS: &[&str] = &["acp", "bridge", "gateway", "llm", "remote", "streams"];

const FILE_LINES_MAX: usize = 500;
const FILE_LINES_MIN: usize = 30;
const PROGRAM_LINES_MAX: usize = 60;
const LINE_CHARS_MAX: usize = 120;

/// Shorter than a file should be, each for a reason.
const SHORT_ON_PURPOSE: &[&str] = &[
    "src/lib.rs",
    // The door through which rcsctl may look into the relay: what is not in it, it may not use.
    "src/relay/replay.rs",
];

/// Names under which anything can be put.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "manager", "misc", "stuff"];

/// What a pure floor has no use for: clocks, randomness, the outside world.
const IMPURE_CRATES: &[&str] = &["tokio", "ring", "rand", "redb", "warp", "hyper", "tracing", "governor"];
const IMPURE_STD: &[&str] = &["fs", "net", "env", "process", "thread", "io", "os"];
const IMPURE_WORDS: &[&str] = &["SystemTime", "Instant", "RandomState"];

/// Everything that is wrong, as `path:line: what`.
pub(super) fn tidy(sources: &[Source]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        let for_tests = source.path.starts_with("tests/") || is_for_tests(source, sources);
        let mut found = |line: usize, what: String| findings.push(format!("{}:{line}: {what}", source.path));
        sizes(source, &mut found);
        names(source, &mut found);
        if source.path.starts_with("tests/it/") {
            listed(source, sources, &mut found);
        } else if source.path.starts_with("src/bin/") {
            programs(source, &mut found);
        } else if source.path.starts_with("src/") {
            arrows(source, &mut found);
        }
        if !for_tests {
            shipped(source, &mut found);
        }
    }
    findings
}

type Found<'a> = &'a mut dyn FnMut(usize, String);

fn is_for_tests(source: &Source, sources: &[Source]) -> bool {
    let modules = source.modules();
    (1..=modules.len()).any(|depth| {
        let (module, parents) = (modules[depth - 1], &modules[..depth - 1]);
        let mut parent = sources.iter().filter(|other| other.path.starts_with("src/") && other.modules() == parents);
        parent.any(|parent| parent.test_modules().iter().any(|declared| declared == module))
    })
}

fn sizes(source: &Source, found: Found<'_>) {
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        found(lines, format!("the file is longer than {FILE_LINES_MAX} lines: it owns two things"));
    }
    let may_be_short = source.path.ends_with("/mod.rs")
        || source.path.ends_with("/main.rs")
        || source.path.starts_with("src/bin/")
        || SHORT_ON_PURPOSE.contains(&source.path.as_str());
    if lines < FILE_LINES_MIN && !may_be_short {
        found(lines, format!("the file is shorter than {FILE_LINES_MIN} lines: it belongs to a neighbour"));
    }
    for (index, line) in source.text.lines().enumerate() {
        // A row of a table cannot be broken.
        let is_row = line.trim_start().trim_start_matches(['/', '!']).trim_start().starts_with('|');
        if !is_row && line.chars().count() > LINE_CHARS_MAX {
            found(index + 1, format!("the line is longer than {LINE_CHARS_MAX} characters"));
        }
    }
    if !source.text.starts_with("//!") && source.path != "src/lib.rs" {
        found(1, "the file must open with //! and say what it owns".to_owned());
    }
}

fn names(source: &Source, found: Found<'_>) {
    let stem = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    if stem.split('_').any(|word| EMPTY_NAMES.contains(&word)) {
        found(1, format!("the name says nothing: what does {stem} own?"));
    }
}

/// A test file that nobody declares is never run.
fn listed(source: &Source, sources: &[Source], found: Found<'_>) {
    let inner = source.path.trim_start_matches("tests/it/").trim_end_matches(".rs");
    let (parent, module) = match inner.trim_end_matches("/mod").rsplit_once('/') {
        Some((parent, module)) => (format!("tests/it/{parent}"), module),
        None => ("tests/it/main".to_owned(), inner),
    };
    if inner == "main" {
        return;
    }
    let mut parents = sources.iter().filter(|other| {
        let path = other.path.trim_end_matches(".rs");
        path == parent || path.strip_suffix("/mod") == Some(&parent)
    });
    if !parents.any(|parent| parent.code.contains(&format!("mod {module};"))) {
        found(1, format!("the file is not listed in {parent}.rs, so it never runs"));
    }
}

fn programs(source: &Source, found: Found<'_>) {
    let lines = source.text.lines().count();
    if lines >= PROGRAM_LINES_MAX {
        found(lines, format!("a program has under {PROGRAM_LINES_MAX} lines; the rest belongs to its floor"));
    }
    for Mention { line, segments } in paths(&source.code, "rcs") {
        if !segments.first().is_some_and(|floor| matches!(floor.as_str(), "serve" | "ctl" | "agent")) {
            found(line, "a program starts serve, ctl or agent, and nothing else".to_owned());
        }
    }
}

fn arrows(source: &Source, found: Found<'_>) {
    let modules = source.modules();
    let Some(&own) = modules.first() else { return };
    let Some((_, allowed)) = FLOORS.iter().find(|(floor, _)| *floor == own) else {
        return found(1, format!("{own} is no floor: add it to the table, and to ARCHITECTURE.md"));
    };
    for Mention { line, segments } in mentions(source) {
        let path = segments.join("::");
        let Some(floor) = segments.first() else { continue };
        if !FLOORS.iter().any(|(known, _)| known == floor) {
            continue;
        }
        let is_below = |name: &&str| path == **name || path.starts_with(&format!("{name}::"));
        if floor != own && !allowed.iter().any(is_below) {
            found(line, format!("{own} must not use {path}"));
        }
        if own == "api" && floor == "api" {
            rooms(&modules, &segments, line, found);
        }
    }
}

/// A room may use itself and what rooms share. The corridor (`api/mod.rs`) knows them all.
fn rooms(modules: &[&str], segments: &[String], line: usize, found: Found<'_>) {
    let (Some(room), Some(other)) = (modules.get(1), segments.get(1)) else { return };
    let is_room = other.starts_with(|c: char| c.is_ascii_lowercase());
    if is_room && other != room && other != "common" {
        found(line, format!("room {room} must not use room {other}"));
    }
}

/// Every path from the crate's root, `super::` resolved.
fn mentions(source: &Source) -> Vec<Mention> {
    let modules = source.modules();
    let mut mentions = paths(&source.code, "crate");
    // In shipped code only: a test module inside a file stands one step deeper.
    for Mention { line, segments } in paths(&source.shipped, "super") {
        let more = segments.iter().take_while(|segment| *segment == "super").count();
        let kept = modules.len().saturating_sub(1 + more);
        let above = modules[..kept].iter().map(ToString::to_string);
        mentions.push(Mention { line, segments: above.chain(segments.into_iter().skip(more)).collect() });
    }
    mentions
}

/// What holds for code that is not for tests.
fn shipped(source: &Source, found: Found<'_>) {
    let code = &source.shipped;
    let mut each = |needle: &str, what: &str| {
        for (at, _) in code.match_indices(needle) {
            found(line_of(code, at), what.to_owned());
        }
    };
    each(".unwrap()", "unwrap() may panic: say why it holds with expect()");
    each("unbounded", "an unbounded queue: give it a bound in domain/limits.rs");
    each("mpsc::channel()", "an unbounded queue: give it a bound in domain/limits.rs");
    if !source.path.starts_with("src/journal/codec") {
        each("rmp_serde", "only journal/codec sees stored bytes");
    }
    for (at, _) in code.match_indices("mpsc::channel::<") {
        let rest = code[at..].split_once(">(").map_or("", |(_, rest)| rest);
        if rest.starts_with(')') {
            found(line_of(code, at), "an unbounded queue: give it a bound in domain/limits.rs".to_owned());
        }
    }
    if !source.path.starts_with("src/journal/") && source.path != "src/relay/committer.rs" {
        let appends =
            [".append(", "journal.store(", "journal.show("].into_iter().flat_map(|needle| code.match_indices(needle));
        for (at, needle) in appends {
            // A vector that takes another one's items is no journal.
            if !code[at + needle.len()..].trim_start().starts_with("&mut") {
                found(line_of(code, at), "only relay/committer.rs appends".to_owned());
            }
        }
    }
    for (index, line) in source.spoken.lines().enumerate() {
        let is_shipped = !code.lines().nth(index).unwrap_or_default().trim().is_empty();
        if is_shipped && !line.is_ascii() {
            found(index + 1, "not ASCII: write it as an escape".to_owned());
        }
    }
    if let Some(floor) = source.modules().first().filter(|floor| matches!(**floor, "domain" | "wire")) {
        pure(source, floor, found);
    }
}

fn pure(source: &Source, floor: &str, found: Found<'_>) {
    let code = &source.shipped;
    let mut impure = |line, what: &str| found(line, format!("{floor} is pure: it has no use for {what}"));
    for word in IMPURE_WORDS {
        words(code, word).for_each(|at| impure(line_of(code, at), word));
    }
    for name in IMPURE_CRATES {
        let used = paths(code, name).into_iter().filter(|mention| !mention.segments.is_empty());
        used.for_each(|mention| impure(mention.line, name));
    }
    for Mention { line, segments } in paths(code, "std") {
        if let Some(module) = segments.first().filter(|module| IMPURE_STD.contains(&module.as_str())) {
            impure(line, &format!("std::{module}"));
        }
    }
}
