//! What the configuration makes of variables and options. Nothing here reads the real environment.

use clap::Parser;

use super::*;

/// A configuration from these variables and this command line.
fn resolve(variables: &[(&str, &str)], arguments: &[&str]) -> Result<Config, ConfigError> {
    let options = Options::try_parse_from(std::iter::once("rcsd").chain(arguments.iter().copied())).expect("options");
    Config::resolve(&options, |name| {
        let set = variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(value));
        set.or_else(|| (name == "HOME").then(|| OsString::from("/home/me")))
    })
}

fn refusal(variables: &[(&str, &str)]) -> String {
    let error = resolve(variables, &[]).map(|config| config.to_string()).unwrap_err().to_string();
    assert!(!error.contains('\n'), "one line: {error}");
    error
}

#[test]
fn with_nothing_set_it_listens_on_loopback() {
    let config = resolve(&[], &[]).expect("valid");
    assert_eq!(config.bind.to_string(), "127.0.0.1:3000");
    assert!(config.warnings().is_empty());
    let printed = config.to_string().replace(env!("CARGO_PKG_VERSION"), "(this release's)");
    insta::assert_snapshot!(printed, @r"
    RCS_HOST                    127.0.0.1
    RCS_PORT                    3000
    RCS_BASE_URL                http://127.0.0.1:3000
    RCS_API_KEYS                (none: the key in /home/me/.local/share/rcs/admin.key is used)
    RCS_DATA                    /home/me/.local/share/rcs
    RCS_VERSION                 (this release's)
    RCS_POLL_TIMEOUT            8 s
    RCS_HEARTBEAT_INTERVAL      20 s
    RCS_JWT_EXPIRES_IN          3600 s
    RCS_DISCONNECT_TIMEOUT      300 s
    RCS_WS_IDLE_TIMEOUT         30 s
    RCS_WS_KEEPALIVE_INTERVAL   20 s
    RCS_WEB_CORS_ORIGINS        (none)
    RCS_RETENTION_ARCHIVED_DAYS (for ever)
    RCS_RETENTION_DAYS          (for ever)
    RCS_RETENTION_EVENTS        (all)
    RCS_RETENTION_STREAMS_DAYS  (for ever)
    RCS_STREAMS_ANONYMOUS       (none)
    RCS_WEBHOOK_PRIVATE_TARGETS (none)
    RCS_NOTIFY_URLS             (none)
    RCS_NOTIFY_SECRET           (none)
    RCS_PUSH_CONTACT            (the base URL, if it is https)
    RCS_OUTBOUND_CA             (none)
    RCS_TRUSTED_PROXIES         (none)
    RCS_LOG                     info
    RCS_LOG_FORMAT              text
    ");
}

#[test]
fn the_effective_configuration_is_printed_without_secrets() {
    let variables = [
        ("RCS_API_KEYS", "hunter2-hunter2-hunter2, hunter3 ,,hunter3"),
        ("RCS_BASE_URL", "https://rcs.example.com/"),
        ("RCS_VERSION", "9.9.9"),
        ("RCS_POLL_TIMEOUT", "5"),
        ("RCS_JWT_EXPIRES_IN", "14400"),
        ("RCS_WEB_CORS_ORIGINS", "https://app.example.com, http://localhost:5173"),
        ("RCS_TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1"),
        ("RCS_RETENTION_ARCHIVED_DAYS", "0"),
        ("RCS_RETENTION_DAYS", "365"),
        ("RCS_RETENTION_EVENTS", "100000"),
        ("RCS_RETENTION_STREAMS_DAYS", "30"),
        ("RCS_DATA", "/var/lib/rcs"),
        ("RCS_LOG", "info,rcs::relay=debug"),
        ("RCS_LOG_FORMAT", "json"),
        ("RCS_NOTIFY_URLS", "ntfy://hunter4@ntfy.sh/hunter5#answers, https://hooks.example.com/hunter6"),
        ("RCS_NOTIFY_SECRET", "whsec_hunter7"),
        ("RCS_PUSH_CONTACT", "mailto:op@example.com"),
    ];
    let config = resolve(&variables, &["--port", "4000"]).expect("valid");
    assert!(!format!("{config:?}").contains("hunter"));
    assert_eq!(config.warnings().len(), 1);
    assert!(!config.warnings()[0].contains("hunter"));
    insta::assert_snapshot!(config, @r"
    RCS_HOST                    0.0.0.0
    RCS_PORT                    4000
    RCS_BASE_URL                https://rcs.example.com
    RCS_API_KEYS                (2 keys, hidden)
    RCS_DATA                    /var/lib/rcs
    RCS_VERSION                 9.9.9
    RCS_POLL_TIMEOUT            5 s
    RCS_HEARTBEAT_INTERVAL      20 s
    RCS_JWT_EXPIRES_IN          14400 s
    RCS_DISCONNECT_TIMEOUT      300 s
    RCS_WS_IDLE_TIMEOUT         30 s
    RCS_WS_KEEPALIVE_INTERVAL   20 s
    RCS_WEB_CORS_ORIGINS        https://app.example.com,http://localhost:5173
    RCS_RETENTION_ARCHIVED_DAYS 0 d
    RCS_RETENTION_DAYS          365 d
    RCS_RETENTION_EVENTS        100000
    RCS_RETENTION_STREAMS_DAYS  30 d
    RCS_STREAMS_ANONYMOUS       (none)
    RCS_WEBHOOK_PRIVATE_TARGETS (none)
    RCS_NOTIFY_URLS             ntfy.sh/***,hooks.example.com/***
    RCS_NOTIFY_SECRET           (set)
    RCS_PUSH_CONTACT            mailto:op@example.com
    RCS_OUTBOUND_CA             (none)
    RCS_TRUSTED_PROXIES         10.0.0.0/8,127.0.0.1
    RCS_LOG                     info,rcs::relay=debug
    RCS_LOG_FORMAT              json
    ");
}

#[test]
fn an_option_wins_over_its_variable_and_an_empty_variable_is_not_set() {
    let config = resolve(&[("RCS_PORT", "1"), ("RCS_HOST", ""), ("RCS_API_KEYS", "")], &["--port", "2"]);
    assert_eq!(config.expect("valid").bind.to_string(), "127.0.0.1:2");
}

#[test]
fn others_can_reach_it_only_with_a_credential() {
    let bind = |variables: &[(&str, &str)]| resolve(variables, &[]).expect("valid").bind.ip().to_string();
    assert_eq!(bind(&[("RCS_API_KEYS", "k")]), "0.0.0.0");
    assert_eq!(bind(&[("RCS_API_KEYS", "k"), ("RCS_HOST", "[::]")]), "::");
    assert_eq!(bind(&[("RCS_HOST", "localhost")]), "127.0.0.1");
    assert_eq!(bind(&[("RCS_HOST", "::1")]), "::1");
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let refusal = refusal(&[("RCS_HOST", host)]);
        assert!(refusal.starts_with("RCS_HOST") && refusal.contains("set RCS_API_KEYS"), "{refusal}");
    }
}

#[test]
fn what_everybody_may_change_is_not_reachable_for_everybody() {
    let open = [("RCS_API_KEYS", "alice-key-for-tests-0001"), ("RCS_STREAMS_ANONYMOUS", "read, append")];
    let refusal = refusal(&open);
    assert!(refusal.starts_with("RCS_STREAMS_ANONYMOUS") && refusal.contains("listen on 127.0.0.1"), "{refusal}");
    let rights = |host: &'static str, rights: &'static str| {
        let variables = [open[0], ("RCS_HOST", host), ("RCS_STREAMS_ANONYMOUS", rights)];
        resolve(&variables, &[]).map(|config| config.streams_anonymous.to_string()).ok()
    };
    assert_eq!(rights("127.0.0.1", "read, append").as_deref(), Some("read,append"));
    assert_eq!(rights("0.0.0.0", "read").as_deref(), Some("read"));
    assert_eq!(rights("0.0.0.0", "delete"), None);
}

#[test]
fn a_bad_value_is_one_line_that_names_the_variable() {
    let long = "k".repeat(257);
    for (variable, value) in [
        ("RCS_PORT", "65536"),
        ("RCS_PORT", "http"),
        ("RCS_HOST", "example.com"),
        ("RCS_BASE_URL", "rcs.example.com"),
        ("RCS_API_KEYS", "good,sk-ant-hunter2"),
        ("RCS_API_KEYS", "hunter2 hunter2"),
        ("RCS_API_KEYS", &long),
        ("RCS_VERSION", "a\nb"),
        ("RCS_POLL_TIMEOUT", "10"),
        ("RCS_POLL_TIMEOUT", "0"),
        ("RCS_POLL_TIMEOUT", "8s"),
        ("RCS_HEARTBEAT_INTERVAL", "-1"),
        ("RCS_JWT_EXPIRES_IN", "59"),
        ("RCS_DISCONNECT_TIMEOUT", "99999999999999999999"),
        ("RCS_RETENTION_ARCHIVED_DAYS", "-1"),
        ("RCS_RETENTION_DAYS", "0"),
        ("RCS_RETENTION_DAYS", "40000"),
        ("RCS_RETENTION_EVENTS", "99"),
        ("RCS_RETENTION_STREAMS_DAYS", "0"),
        ("RCS_WS_IDLE_TIMEOUT", ""),
        ("RCS_WS_KEEPALIVE_INTERVAL", "1.5"),
        ("RCS_WEB_CORS_ORIGINS", "*"),
        ("RCS_STREAMS_ANONYMOUS", "read,write"),
        ("RCS_TRUSTED_PROXIES", "nginx"),
        ("RCS_LOG", "info,=,"),
        ("RCS_LOG_FORMAT", "xml"),
    ] {
        if value.is_empty() {
            assert!(resolve(&[(variable, value)], &[]).is_ok(), "empty is not set");
            continue;
        }
        let refusal = refusal(&[(variable, value)]);
        assert!(refusal.starts_with(&format!("{variable} (--")), "{refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}

#[test]
fn without_a_home_the_data_directory_must_be_named() {
    let resolve = |data: Option<&'static str>| {
        Config::resolve(&Options::default(), |name| data.filter(|_| name == "RCS_DATA").map(OsString::from))
    };
    assert!(resolve(None).unwrap_err().to_string().starts_with("RCS_DATA"));
    assert_eq!(resolve(Some("/data")).expect("valid").data.journal().display().to_string(), "/data/journal.redb");
}

#[test]
fn clients_are_sent_to_the_url_that_was_set_or_else_to_where_it_listens() {
    let base = |variables: &[(&'static str, &'static str)], address: &str| {
        resolve(variables, &[]).expect("valid").base_url(address.parse().expect("an address"))
    };
    assert_eq!(
        base(&[("RCS_BASE_URL", "https://rcs.example.com:8443/x")], "0.0.0.0:1"),
        "https://rcs.example.com:8443/x"
    );
    assert_eq!(base(&[], "127.0.0.1:3000"), "http://127.0.0.1:3000");
    assert_eq!(base(&[], "[::1]:3000"), "http://[::1]:3000");
    // Nobody reaches anything at 0.0.0.0.
    assert_eq!(base(&[], "0.0.0.0:3000"), "http://localhost:3000");
    assert_eq!(base(&[], "[::]:3000"), "http://localhost:3000");
}

#[test]
fn an_address_that_is_none_is_refused_without_quoting_it() {
    for (name, value) in [
        ("RCS_NOTIFY_URLS", "ftp://hunter2"),
        ("RCS_NOTIFY_URLS", "https://x.example/hunter2#loud"),
        ("RCS_PUSH_CONTACT", "hunter2"),
    ] {
        let variables = [(name, value)];
        let error = refusal(&variables);
        assert!(error.starts_with(name) && !error.contains("hunter2"), "{error}");
    }
}
