//! Real answers, held against the schemas that describe them.

use serde_json::{Value, json};

use super::{
    super::OPENAPI,
    bench::{ADMIN, ALICE, Bench, uuid},
};
use crate::domain::{Actor, Command};

struct Schemas(Value);

impl Schemas {
    /// What in `value` is not as `schema` says, as far as this house uses JSON Schema.
    fn faults(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            return self.faults(self.0.pointer(&name[1..]).expect("a known reference"), value, at, faults);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.faults(part, value, at, faults);
        }
        if let Some(parts) = schema["anyOf"].as_array() {
            let fits = |part: &Value| {
                let mut faults = Vec::new();
                self.faults(part, value, at, &mut faults);
                faults.is_empty()
            };
            if !parts.iter().any(fits) {
                faults.push(format!("{at} fits none: {value}"));
            }
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !types.is_empty() && !types.iter().any(|kind| is(value, kind)) {
            faults.push(format!("{at} is no {types:?}: {value}"));
        }
        if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
            faults.push(format!("{at} is none of {}: {value}", schema["enum"]));
        }
        self.members(schema, value, at, faults);
    }

    fn members(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                faults.push(format!("{at}.{name} is missing"));
            }
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(member) = value.get(name) {
                self.faults(schema, member, &format!("{at}.{name}"), faults);
            }
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            for value in values {
                self.faults(items, value, &format!("{at}[]"), faults);
            }
        }
    }

    /// The members that a schema knows, those of its parts included.
    fn known(&self, schema: &Value) -> Vec<String> {
        if let Some(name) = schema["$ref"].as_str() {
            return self.known(self.0.pointer(&name[1..]).expect("a known reference"));
        }
        let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(|part| self.known(part));
        own.chain(parts).collect()
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("a type that this test does not know: {other}"),
    }
}

/// What the description promises for the success of an operation.
fn promised<'a>(schemas: &'a Schemas, method: &str, path: &str) -> (u16, &'a Value) {
    let operation = &schemas.0["paths"][path][method];
    let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{method} {path} is not described"));
    let (status, response) = responses.iter().find(|(status, _)| status.starts_with('2')).expect("a success");
    (status.parse().expect("a status"), &response["content"]["application/json"]["schema"])
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let bench = Bench::open().await;
    let schemas = Schemas(serde_json::from_str(OPENAPI).expect("JSON"));
    let environment = bench.environment(1).await;
    let body = json!({"environment_id": environment, "title": "x", "prompt": "go", "permission_mode": "plan"});
    let made = bench.post("/api/v1/sessions", ALICE, body).await.expect(201);
    let session: crate::domain::SessionId = made["id"].as_str().expect("an id").parse().expect("a session");
    let work =
        bench.get(&format!("/api/v1/environments/{environment}"), ALICE).await.expect(200)["work"][0]["id"].clone();
    bench.submit(Actor::Worker(session), Command::WorkerSeen { session }).await;
    bench.ask(session, "ask-1", "Bash", json!({"command": "ls"})).await;
    let key = bench.post("/api/v1/keys", ALICE, json!({"name": "x"})).await.expect(201)["key"]["id"].clone();
    let hook = json!({"kind": "webhook", "url": "https://hooks.test/x"});
    let target = bench.post("/api/v1/notifications/targets", ADMIN, hook).await.expect(201)["target"]["id"].clone();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let ids = [
        ("{environment}", environment.to_string()),
        ("{session}", session.to_string()),
        ("{work}", text(&work)),
        ("{message}", uuid(1)),
        ("{request}", "ask-1".to_owned()),
        ("{key}", text(&key)),
        ("{target}", text(&target)),
    ];
    let mut called = 0;
    for (method, path, body) in [
        ("get", "environments", Value::Null),
        ("get", "environments/{environment}", Value::Null),
        ("post", "environments/{environment}/work/{work}/requeue", Value::Null),
        ("get", "sessions", Value::Null),
        ("post", "sessions", json!({"title": "y"})),
        ("get", "sessions/{session}", Value::Null),
        ("patch", "sessions/{session}", json!({"title": "z", "pinned": true})),
        ("get", "search?q=go", Value::Null),
        ("post", "sessions/{session}/messages", json!({"content": "hi", "message_id": uuid(1)})),
        ("get", "sessions/{session}/messages/{message}", Value::Null),
        ("delete", "sessions/{session}/messages/{message}", Value::Null),
        ("get", "permissions", Value::Null),
        ("get", "sessions/{session}/permissions/{request}", Value::Null),
        ("post", "sessions/{session}/permissions/{request}", json!({"decision": "allow", "scope": "session"})),
        ("get", "sessions/{session}/permissions/{request}", Value::Null),
        ("post", "sessions/{session}/interrupt", Value::Null),
        ("post", "sessions/{session}/mode", json!({"mode": "plan"})),
        ("post", "sessions/{session}/model", json!({"model": "opus"})),
        ("post", "sessions/{session}/thinking", json!({"max_thinking_tokens": 5})),
        ("get", "sessions/{session}", Value::Null),
        ("get", "sessions/{session}/events", Value::Null),
        ("post", "login-links", Value::Null),
        ("get", "devices", Value::Null),
        ("get", "me", Value::Null),
        ("get", "notifications/vapid", Value::Null),
        ("get", "notifications/targets", Value::Null),
        ("patch", "notifications/targets/{target}", json!({"turns": true})),
        ("post", "notifications/targets/{target}/test", Value::Null),
        ("get", "notifications/targets", Value::Null),
        ("get", "keys", Value::Null),
        ("post", "keys", json!({"name": "y", "expires_in": 5})),
        ("delete", "keys/{key}", Value::Null),
        ("post", "signing/rotate", json!({"overlap": 60})),
        ("get", "audit", Value::Null),
        ("get", "audit/commits", Value::Null),
        ("post", "audit/verify", Value::Null),
        ("get", "audit?before=9&limit=2", Value::Null),
        ("get", "subscriptions", Value::Null),
        ("get", "status", Value::Null),
        ("post", "sessions/{session}/archive", Value::Null),
        ("post", "sessions/archive", json!({"ids": [session]})),
    ] {
        let given = format!("/api/v1/{path}");
        let template = given.split('?').next().unwrap_or_default().to_owned();
        let real = ids.iter().fold(given.clone(), |path, (name, value)| path.replace(name, value));
        let (status, schema) = promised(&schemas, method, &template);
        let answer = bench.send(&method.to_uppercase(), &real, ADMIN, body).await.expect(status);
        let mut faults = Vec::new();
        schemas.faults(schema, &answer, "", &mut faults);
        let known = schemas.known(schema);
        let members = answer.as_object().into_iter().flatten().map(|(name, _)| name);
        faults.extend(members.filter(|name| !known.contains(name)).map(|name| format!("{name} is not described")));
        assert!(faults.is_empty(), "{method} {path}: {faults:#?}");
        called += 1;
    }
    assert_eq!(called, 41);
    let problem = bench.get("/api/v1/sessions?limit=0", ALICE).await.problem(400, "bad-request");
    let mut faults = Vec::new();
    schemas.faults(&json!({"$ref": "#/components/schemas/Problem"}), &problem, "", &mut faults);
    assert!(faults.is_empty(), "{faults:#?}");
}
