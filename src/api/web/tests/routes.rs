//! The two tables on one page, and the description held against them.

use std::fmt::Write as _;

use http::Method;
use serde_json::Value;

use super::super::{OPENAPI, endpoint, peer};

const SAMPLES: [(&str, &str); 9] = [
    ("{environment}", "env_00000000000000000000000000000001"),
    ("{session}", "session_00000000000000000000000000000002"),
    ("{work}", "work_00000000000000000000000000000003"),
    ("{message}", "00000000-0000-4000-8000-000000000004"),
    ("{request}", "ask-5"),
    ("{file}", "file_00000000000000000000000000000009"),
    ("{device}", "device_00000000000000000000000000000007"),
    ("{target}", "target_00000000000000000000000000000008"),
    ("{key}", "key_00000000000000000000000000000006"),
];

/// Everything that is served, as method and path.
const ROUTES: [(&str, &str); 51] = [
    ("GET", "environments"),
    ("GET", "environments/{environment}"),
    ("POST", "environments/{environment}/work/{work}/requeue"),
    ("GET", "sessions"),
    ("POST", "sessions"),
    ("POST", "sessions/archive"),
    ("GET", "sessions/{session}"),
    ("PATCH", "sessions/{session}"),
    ("POST", "sessions/{session}/archive"),
    ("GET", "sessions/{session}/events"),
    ("GET", "sessions/{session}/socket"),
    ("POST", "sessions/{session}/messages"),
    ("GET", "sessions/{session}/messages/{message}"),
    ("DELETE", "sessions/{session}/messages/{message}"),
    ("GET", "search"),
    ("GET", "permissions"),
    ("GET", "sessions/{session}/permissions/{request}"),
    ("POST", "sessions/{session}/permissions/{request}"),
    ("POST", "sessions/{session}/interrupt"),
    ("POST", "sessions/{session}/mode"),
    ("POST", "sessions/{session}/model"),
    ("POST", "sessions/{session}/thinking"),
    ("POST", "files"),
    ("GET", "files/{file}"),
    ("POST", "login"),
    ("POST", "logout"),
    ("POST", "login-links"),
    ("GET", "devices"),
    ("DELETE", "devices"),
    ("PATCH", "devices/{device}"),
    ("DELETE", "devices/{device}"),
    ("GET", "me"),
    ("GET", "overview"),
    ("GET", "notifications/targets"),
    ("POST", "notifications/targets"),
    ("PATCH", "notifications/targets/{target}"),
    ("DELETE", "notifications/targets/{target}"),
    ("POST", "notifications/targets/{target}/test"),
    ("GET", "notifications/vapid"),
    ("POST", "notifications/answer"),
    ("GET", "keys"),
    ("POST", "keys"),
    ("DELETE", "keys/{key}"),
    ("POST", "signing/rotate"),
    ("GET", "audit"),
    ("GET", "audit/commits"),
    ("POST", "audit/verify"),
    ("GET", "backup"),
    ("GET", "subscriptions"),
    ("GET", "status"),
    ("GET", "openapi.json"),
];

const PEER_ROUTES: [(&str, &str); 11] = [
    ("POST", "bind"),
    ("GET", "environments"),
    ("GET", "sessions"),
    ("GET", "sessions/all"),
    ("POST", "sessions"),
    ("GET", "sessions/{session}"),
    ("GET", "sessions/{session}/history"),
    ("GET", "sessions/{session}/events"),
    ("POST", "sessions/{session}/events"),
    ("POST", "sessions/{session}/control"),
    ("POST", "sessions/{session}/interrupt"),
];

fn sample(path: &str) -> String {
    SAMPLES.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

fn parsed(method: &str, path: &str) -> endpoint::Endpoint {
    let method: Method = method.parse().expect("a method");
    endpoint::parse(&method, &segments(&sample(path))).unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
}

/// The variant's name, without its fields.
fn name(endpoint: &impl std::fmt::Debug) -> String {
    format!("{endpoint:?}").split('(').next().unwrap_or_default().to_owned()
}

fn need(need: endpoint::Need) -> String {
    match need {
        endpoint::Need::Nothing => "nothing".to_owned(),
        endpoint::Need::Own(grant) => format!("{grant:?}, for what is theirs"),
        endpoint::Need::Session(grant, _) => format!("{grant:?}, with the session"),
        endpoint::Need::Environment(grant, _) => format!("{grant:?}, with the environment"),
    }
}

#[test]
fn the_whole_api_and_who_may_on_one_page() {
    let mut page = String::new();
    for (method, path) in ROUTES {
        let endpoint = parsed(method, path);
        let line = format!("{method:<6} /api/v1/{path:<50} {:<17} {}", name(&endpoint), need(endpoint.needs()));
        writeln!(page, "{}", line.trim_end()).expect("a string takes everything");
    }
    page.push('\n');
    for (method, path) in PEER_ROUTES {
        let given: Method = method.parse().expect("a method");
        let endpoint = peer::endpoint::parse(&given, &segments(&sample(path))).expect("a route");
        let line = format!("{method:<6} /web/{path:<54} {:<17} {}", name(&endpoint), need(endpoint.needs()));
        writeln!(page, "{}", line.trim_end()).expect("a string takes everything");
    }
    insta::assert_snapshot!("routes", page);
}

#[test]
fn every_endpoint_has_one_way_to_it() {
    let mut names: Vec<String> = ROUTES.iter().map(|(method, path)| name(&parsed(method, path))).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), ROUTES.len());
    // A new endpoint does not compile here until it is counted, and listed above.
    let counted = |endpoint: &endpoint::Endpoint| match endpoint {
        endpoint::Endpoint::ListEnvironments
        | endpoint::Endpoint::ShowEnvironment(_)
        | endpoint::Endpoint::RequeueWork(..)
        | endpoint::Endpoint::ListSessions
        | endpoint::Endpoint::CreateSession
        | endpoint::Endpoint::ArchiveSessions
        | endpoint::Endpoint::ShowSession(_)
        | endpoint::Endpoint::ArrangeSession(_)
        | endpoint::Endpoint::Search
        | endpoint::Endpoint::ArchiveSession(_)
        | endpoint::Endpoint::ReadEvents(_)
        | endpoint::Endpoint::OpenSocket(_)
        | endpoint::Endpoint::PostMessage(_)
        | endpoint::Endpoint::ShowMessage(..)
        | endpoint::Endpoint::CancelMessage(..)
        | endpoint::Endpoint::ListPermissions
        | endpoint::Endpoint::ShowPermission(..)
        | endpoint::Endpoint::DecidePermission(..)
        | endpoint::Endpoint::Interrupt(_)
        | endpoint::Endpoint::SetMode(_)
        | endpoint::Endpoint::SetModel(_)
        | endpoint::Endpoint::SetThinking(_)
        | endpoint::Endpoint::StoreFile
        | endpoint::Endpoint::ReadFile(_)
        | endpoint::Endpoint::SignIn
        | endpoint::Endpoint::SignOut
        | endpoint::Endpoint::CreateLoginLink
        | endpoint::Endpoint::ListDevices
        | endpoint::Endpoint::SignOutEverywhere
        | endpoint::Endpoint::SignOutDevice(_)
        | endpoint::Endpoint::RenameDevice(_)
        | endpoint::Endpoint::ShowMe
        | endpoint::Endpoint::Overview
        | endpoint::Endpoint::ListTargets
        | endpoint::Endpoint::AddTarget
        | endpoint::Endpoint::ChangeTarget(_)
        | endpoint::Endpoint::RemoveTarget(_)
        | endpoint::Endpoint::TestTarget(_)
        | endpoint::Endpoint::ShowVapid
        | endpoint::Endpoint::AnswerNotification
        | endpoint::Endpoint::ListKeys
        | endpoint::Endpoint::CreateKey
        | endpoint::Endpoint::RevokeKey(_)
        | endpoint::Endpoint::RotateSigning
        | endpoint::Endpoint::ReadAudit
        | endpoint::Endpoint::ListCommits
        | endpoint::Endpoint::VerifyAudit
        | endpoint::Endpoint::Backup
        | endpoint::Endpoint::ListSubscriptions
        | endpoint::Endpoint::ShowStatus
        | endpoint::Endpoint::Describe => 51,
    };
    assert_eq!(counted(&endpoint::Endpoint::Describe), ROUTES.len());
}

#[test]
fn ids_in_paths_may_be_percent_encoded_where_workers_make_them_up() {
    let found = parsed("GET", "sessions/{session}/permissions/ask%3a1%2F2");
    let endpoint::Endpoint::ShowPermission(_, request) = found else { panic!("{found:?}") };
    assert_eq!(request.as_str(), "ask:1/2");
    assert_eq!(parsed("GET", "sessions/cse_00000000000000000000000000000002"), parsed("GET", "sessions/{session}"));
}

#[test]
fn the_description_and_the_routes_are_the_same() {
    let document: Value = serde_json::from_str(OPENAPI).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let below = path.strip_prefix("/api/v1/").unwrap_or_else(|| panic!("{path} is not ours"));
        for (method, operation) in item.as_object().expect("an item").iter().filter(|(name, _)| *name != "parameters") {
            let method = method.to_uppercase();
            let endpoint = parsed(&method, below);
            let mut id = name(&endpoint);
            id[..1].make_ascii_lowercase();
            assert_eq!(operation["operationId"], id.as_str(), "{method} {path}");
            assert_eq!(operation["x-needs"], need(endpoint.needs()).as_str(), "{method} {path}");
            let open = operation["security"].as_array().is_some_and(Vec::is_empty);
            assert_eq!(open, endpoint.needs() == endpoint::Need::Nothing, "{method} {path}");
            described.push((method, below.to_owned()));
        }
    }
    let mut served: Vec<_> = ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    described.sort();
    served.sort();
    assert_eq!(described, served);
}
