//! What a machine can check about the style of the house: its arrows, its sizes, its banned words.
//!
//! The rules are read off the source text. Each has a sample that breaks it below, so that a rule which never fires is
//! noticed.

mod paths;
mod rules;
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rules::tidy;
use source::Source;

#[test]
fn the_house_is_tidy() {
    let findings = tidy(&sources());
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn a_word_that_names_a_protocol_names_it_on_every_floor() {
    let root = root();
    let mut missing = Vec::new();
    for protocol in rules::PROTOCOLS {
        let wire = root.join(format!("src/wire/{protocol}.rs"));
        let wire_folder = root.join(format!("src/wire/{protocol}/mod.rs"));
        if !wire.exists() && !wire_folder.exists() {
            continue;
        }
        let tests = format!("tests/it/{protocol}.rs");
        let places =
            [format!("src/api/{protocol}"), format!("schema/{protocol}"), format!("fixtures/{protocol}"), tests];
        missing.extend(places.into_iter().filter(|place| !root.join(place).exists()));
    }
    assert!(missing.is_empty(), "a protocol has no place here: {missing:?}");
}

#[test]
fn the_architecture_page_names_only_files_that_are_there() {
    let page = fs::read_to_string(root().join("src/ARCHITECTURE.md")).expect("there");
    let named = page.split('`').filter(|piece| {
        let is_path = piece.starts_with("src/") || piece.starts_with("tests/");
        is_path && !piece.contains([' ', '*', '\n', '<'])
    });
    let missing: Vec<_> = named.filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_invariant_names_tests_that_are_there() {
    let page = fs::read_to_string(root().join("src/ARCHITECTURE.md")).expect("there");
    let (_, section) = page.split_once("## Invariants").expect("there");
    let (section, _) = section.split_once("\n## ").expect("not the last one");
    let flat = section.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut named = 0;
    for (before, after) in flat.match_indices("` in `").map(|(at, link)| flat.split_at(at + link.len())) {
        let test = before.trim_end_matches("` in `").rsplit('`').next().unwrap_or_default();
        let path = after.split('`').next().unwrap_or_default();
        let code = fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(code.contains(&format!("fn {test}(")), "{path} has no test {test}");
        named += 1;
    }
    assert_eq!(section.lines().filter(|line| line.contains(". **")).count(), 12, "twelve invariants, each in bold");
    assert!(named >= 12, "an invariant without a test is a wish");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of ours.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["src", "tests"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 20, "the sources are not where they were");
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("UTF-8");
            let path = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
            found.push(Source::new(&path, &text));
        }
    }
}

/// A file that breaks no rule but those that `code` breaks.
fn sample(path: &str, code: &str) -> Vec<String> {
    let filler = "// Long enough to be a file.\n".repeat(30);
    tidy(&[Source::new(path, &format!("//! What it owns.\n{code}\n{filler}"))])
}

#[test]
fn a_forbidden_arrow_is_found_however_it_is_written() {
    for (path, code, finding) in [
        ("src/domain/a.rs", "use crate::relay::Relay;", "src/domain/a.rs:2: domain must not use relay::Relay"),
        ("src/domain/a.rs", "use crate::{\n    domain::id, journal::{self, Journal},\n};", "must not use journal"),
        ("src/wire/a.rs", "use crate::domain::Event;", "wire must not use domain::Event"),
        ("src/wire/a.rs", "fn f() -> crate::domain::command::Refusal { x }", "wire must not use domain::command"),
        ("src/relay/a.rs", "use crate::security::Grant;", "relay must not use security::Grant"),
        ("src/relay/a.rs", "use super::super::api::Call;", "relay must not use api::Call"),
        ("src/ctl/a.rs", "use crate::relay::{replay, Relay};", "ctl must not use relay::Relay"),
        ("src/api/web/a.rs", "use crate::api::bridge::Endpoint;", "room web must not use room bridge"),
        ("src/api/web/a.rs", "use super::super::bridge::Endpoint;", "room web must not use room bridge"),
        ("src/api/common/a.rs", "use crate::api::web::Endpoint;", "room common must not use room web"),
        ("src/new/a.rs", "", "new is no floor"),
    ] {
        let findings = sample(path, code);
        assert!(findings.iter().any(|found| found.contains(finding)), "{code}: {findings:?}");
    }
}

#[test]
fn an_allowed_arrow_is_not_found() {
    for (path, code) in [
        ("src/wire/a.rs", "use crate::domain::{id::{self, SessionId}, limits};"),
        ("src/api/web/a.rs", "use crate::{api::common::{Call, reply}, domain::Event, relay::Relay};"),
        ("src/api/web/a.rs", "use super::endpoint::Endpoint; // crate::api::bridge"),
        ("src/ctl/a.rs", "use crate::relay::replay;\nconst HELP: &str = \"crate::serve\";"),
        ("src/serve/a.rs", "use crate::{api, config::Config, ui};"),
        ("src/domain/a.rs", "/* crate::relay /* nested */ */ fn f<'a>(x: &'a str) { g('\"', x) }"),
    ] {
        assert_eq!(sample(path, code), Vec::<String>::new(), "{code}");
    }
}

#[test]
fn every_other_rule_has_something_it_finds() {
    let long_line = format!("// {}", "x".repeat(120));
    let long_file = "// x\n".repeat(500);
    for (path, code, finding) in [
        ("src/relay/a.rs", "fn f() { x.unwrap() }", "a.rs:2: unwrap()"),
        ("src/relay/a.rs", "fn f() { mpsc::unbounded_channel() }", "unbounded"),
        ("src/relay/a.rs", "fn f() { std::sync::mpsc::channel() }", "unbounded"),
        ("src/relay/a.rs", "fn f() { mpsc::channel::<u8>() }", "unbounded"),
        ("src/relay/a.rs", "fn f() { journal.append(&records) }", "only relay/committer.rs appends"),
        ("src/relay/hub.rs", "fn f() { self.journal.show(durable) }", "only relay/committer.rs appends"),
        ("src/relay/writer.rs", "fn f() { self.journal.store(&batch) }", "only relay/committer.rs appends"),
        ("src/relay/a.rs", "use rmp_serde::Serializer;", "only journal/codec sees stored bytes"),
        ("src/relay/a.rs", "const A: &str = \"\u{e9}\";", "not ASCII"),
        ("src/relay/a.rs", &long_line, "longer than 120"),
        ("src/relay/a.rs", &long_file, "longer than 500"),
        ("src/relay/utils.rs", "", "name says nothing"),
        ("src/relay/session_manager.rs", "", "name says nothing"),
        ("src/domain/a.rs", "use std::{fmt, time::{Duration, SystemTime}};", "domain is pure"),
        ("src/domain/a.rs", "fn f() { std::fs::read(x) }", "domain is pure"),
        ("src/domain/a.rs", "use tokio::sync::watch;", "domain is pure"),
        ("src/wire/a.rs", "fn f() { Instant::now() }", "wire is pure"),
        ("src/bin/a.rs", &"//\n".repeat(60), "a program has under 60 lines"),
        ("src/bin/a.rs", "fn main() { rcs::relay::start() }", "a program starts serve, ctl or agent"),
        ("tests/it/orphan.rs", "", "is not listed"),
    ] {
        let findings = sample(path, code);
        assert!(findings.iter().any(|found| found.contains(finding)), "{finding}: {findings:?}");
    }
    let short = tidy(&[Source::new("src/relay/a.rs", "//! What it owns.\n")]);
    assert!(short[0].contains("shorter than 30"), "{short:?}");
    let mute = tidy(&[Source::new("src/relay/a.rs", &"fn f() {}\n".repeat(40))]);
    assert!(mute[0].contains("must open with //!"), "{mute:?}");
}

#[test]
fn what_is_for_tests_only_may_unwrap_and_append() {
    let code = "#[cfg(test)]\nmod tests {\n    fn f() { { x.unwrap() } journal.append(&records) }\n}";
    assert_eq!(sample("src/relay/a.rs", code), Vec::<String>::new());
    let after = format!("{code}\nfn f() {{ x.unwrap() }}");
    assert_eq!(
        sample("src/relay/a.rs", &after),
        ["src/relay/a.rs:6: unwrap() may panic: say why it holds with expect()"]
    );
    let filler = "// Long enough to be a file.\n".repeat(30);
    let parent = Source::new("src/relay/mod.rs", "//! x\n#[cfg(test)]\nmod tests;\n");
    let tests = Source::new("src/relay/tests.rs", &format!("//! x\nfn f() {{ x.unwrap() }}\n{filler}"));
    assert_eq!(tidy(&[parent, tests]), Vec::<String>::new());
}
