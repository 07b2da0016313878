//! What can be written on rcsd's command line. Each option has a variable of the same meaning; the option wins.
//!
//! Values are taken as they are written and read in one place for both, so that a bad value is one line that names the
//! variable, wherever it came from.

use std::convert::Infallible;

use clap::Parser;

use crate::security::Secret;

/// A durable relay for remote control of AI coding agents.
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "rcsd", version, max_term_width = 100)]
#[expect(clippy::doc_markdown, reason = "these comments are the help text, printed as they stand")]
pub struct Options {
    /// Port to listen on; 0 picks a free one [env: RCS_PORT] [default: 3000]
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,

    /// Address to listen on [env: RCS_HOST] [default: 0.0.0.0 with API keys, else 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<String>,

    /// API keys, separated by commas; everybody on this machine can see them here, so prefer the variable
    /// [env: RCS_API_KEYS]
    #[arg(long, value_name = "KEYS", value_parser = secret)]
    pub api_keys: Option<Secret>,

    /// The URL under which clients reach this server [env: RCS_BASE_URL] [default: where it listens]
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,

    /// The version that /health shows [env: RCS_VERSION] [default: this release's]
    #[arg(long, value_name = "TEXT")]
    pub server_version: Option<String>,

    /// How long a poll for work is held, at most 9 s [env: RCS_POLL_TIMEOUT] [default: 8]
    #[arg(long, value_name = "SECONDS")]
    pub poll_timeout: Option<String>,

    /// How often workers are expected to send a heartbeat [env: RCS_HEARTBEAT_INTERVAL] [default: 20]
    #[arg(long, value_name = "SECONDS")]
    pub heartbeat_interval: Option<String>,

    /// How long a worker's token is good [env: RCS_JWT_EXPIRES_IN] [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    pub jwt_expires_in: Option<String>,

    /// After how much silence a polling runner is gone [env: RCS_DISCONNECT_TIMEOUT] [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pub disconnect_timeout: Option<String>,

    /// A WebSocket that answers nothing for twice as long is closed [env: RCS_WS_IDLE_TIMEOUT] [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub ws_idle_timeout: Option<String>,

    /// How often each WebSocket is pinged [env: RCS_WS_KEEPALIVE_INTERVAL] [default: 20]
    #[arg(long, value_name = "SECONDS")]
    pub ws_keepalive_interval: Option<String>,

    /// Origins of browser apps besides our own, separated by commas [env: RCS_WEB_CORS_ORIGINS]
    #[arg(long, value_name = "ORIGINS")]
    pub web_cors_origins: Option<String>,

    /// What callers without a credential may do with streams of their own namespace: a list of
    /// read,append,create,delete; on an open address at most read [env: RCS_STREAMS_ANONYMOUS] [default: nothing]
    #[arg(long, value_name = "RIGHTS")]
    pub streams_anonymous: Option<String>,

    /// The data directory [env: RCS_DATA] [default: $XDG_DATA_HOME/rcs or ~/.local/share/rcs]
    #[arg(long, value_name = "DIRECTORY")]
    pub data: Option<std::path::PathBuf>,

    /// Forget an archived session's words after so many days [env: RCS_RETENTION_ARCHIVED_DAYS] [default: never]
    #[arg(long, value_name = "DAYS")]
    pub retention_archived_days: Option<String>,

    /// Forget the words of all sessions, and files, after so many days [env: RCS_RETENTION_DAYS] [default: never]
    #[arg(long, value_name = "DAYS")]
    pub retention_days: Option<String>,

    /// Keep so many events of each session, and forget older ones [env: RCS_RETENTION_EVENTS] [default: all]
    #[arg(long, value_name = "EVENTS")]
    pub retention_events: Option<String>,

    /// Forget appends to streams of users after so many days [env: RCS_RETENTION_STREAMS_DAYS] [default: never]
    #[arg(long, value_name = "DAYS")]
    pub retention_streams_days: Option<String>,

    /// What is logged, as `level` or `target=level,...` [env: RCS_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,

    /// How it is logged: text or json [env: RCS_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,

    /// Proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas
    /// [env: RCS_TRUSTED_PROXIES]
    #[arg(long, value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,

    /// Private networks that webhooks and notifications may go to, without TLS too, separated by commas; loopback is
    /// this machine [env: RCS_WEBHOOK_PRIVATE_TARGETS] [default: none]
    #[arg(long, value_name = "NETWORKS")]
    pub webhook_private_targets: Option<String>,

    /// Where the operator is told that an agent waits: URLs of webhooks, and of ntfy topics as ntfy://server/topic,
    /// separated by blanks or commas; #turns tells the end of turns too, #answers lets whoever reads a topic answer,
    /// #turns+answers does both; everybody on this machine can see them here, so prefer the variable
    /// [env: RCS_NOTIFY_URLS]
    #[arg(long, value_name = "URLS", value_parser = secret)]
    pub notify_urls: Option<Secret>,

    /// What calls of these webhooks are signed with [env: RCS_NOTIFY_SECRET]
    #[arg(long, value_name = "SECRET", value_parser = secret)]
    pub notify_secret: Option<Secret>,

    /// Whom push services may write to, as mailto: or https: [env: RCS_PUSH_CONTACT]
    /// [default: the base URL if it is https]
    #[arg(long, value_name = "URL")]
    pub push_contact: Option<String>,

    /// Certificates in PEM of authorities that are trusted, besides the public ones, where the server calls others
    /// [env: RCS_OUTBOUND_CA] [default: none]
    #[arg(long, value_name = "FILE")]
    pub outbound_ca: Option<String>,

    /// Print the effective configuration, secrets masked, and exit
    #[arg(long)]
    pub print_config: bool,
}

/// Takes the text out of clap's hands at once: `Debug` of the options shows nothing of it.
#[expect(clippy::unnecessary_wraps, reason = "clap's parsers return a result")]
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::variable;

    #[test]
    fn the_command_line_is_sound_and_names_every_variable() {
        let mut command = Options::command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        for variable in variable::ALL {
            assert!(help.contains(&format!("[env: {}]", variable.name)), "{variable}");
            assert!(help.contains(&format!("{} <", variable.option)), "{variable}");
        }
    }

    #[test]
    fn keys_on_the_command_line_are_not_shown_by_debug() {
        let options = Options::try_parse_from(["rcsd", "--api-keys", "hunter2"]).expect("valid");
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
