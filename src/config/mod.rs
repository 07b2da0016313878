//! The configuration of rcsd: what the operator said, checked once, in types from then on.
//!
//! The rule of the bind: whoever configured no credential gets loopback only. An address that others can reach without
//! one is refused, because a relay runs commands on people's machines.

use std::{
    ffi::OsString,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

mod options;
mod origin;
pub mod variable;

pub use options::Options;
pub use origin::{BaseUrl, InvalidAddress, Origin};
pub use variable::ConfigError;

use crate::{
    domain::limits::{
        DISCONNECT_SECONDS_MAX, DISCONNECT_SECONDS_MIN, INTERVAL_SECONDS_MAX, KEYS_MAX, NAME_BYTES_MAX, ORIGINS_MAX,
        POLL_TIMEOUT_SECONDS_MAX, RETENTION_DAYS_MAX, RETENTION_EVENTS_MIN, TARGETS_PER_OWNER_MAX, TOKEN_SECONDS_MAX,
        TOKEN_SECONDS_MIN,
    },
    paths::DataDirectory,
    security::{
        AnonymousRights, ApiKey, PrivateTargets, Recipient, Secret, TrustedProxies,
        api_key::API_KEY_SHORT_BYTES,
        recipient::{Configured, InvalidRecipient},
    },
    telemetry::{LogFilter, LogFormat},
};
use variable::{
    API_KEYS, BASE_URL, DATA, DISCONNECT_TIMEOUT, HEARTBEAT_INTERVAL, HOST, JWT_EXPIRES_IN, LOG, LOG_FORMAT,
    NOTIFY_SECRET, NOTIFY_URLS, OUTBOUND_CA, POLL_TIMEOUT, PORT, PUSH_CONTACT, RETENTION_ARCHIVED_DAYS, RETENTION_DAYS,
    RETENTION_EVENTS, RETENTION_STREAMS_DAYS, STREAMS_ANONYMOUS, TRUSTED_PROXIES, VERSION, Values, WEB_CORS_ORIGINS,
    WEBHOOK_PRIVATE_TARGETS, WS_IDLE_TIMEOUT, WS_KEEPALIVE_INTERVAL,
};

/// The port that clients try when nobody told them another.
pub const PORT_DEFAULT: u16 = 3_000;

/// Everything that rcsd was told, and the defaults for what it was not.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens. Port 0 picks a free one.
    pub bind: SocketAddr,
    /// The URL that clients know it by, if it was set; see [`Config::base_url`].
    pub base_url: Option<BaseUrl>,
    /// Without any, the generated admin key is the only credential.
    pub api_keys: Vec<ApiKey>,
    pub data: DataDirectory,
    /// What `/health` shows.
    pub version: String,
    /// How long a poll for work is held.
    pub poll_timeout: Duration,
    /// How often workers are expected to send a heartbeat.
    pub heartbeat_interval: Duration,
    /// How long a worker's token is good.
    pub token_lifetime: Duration,
    /// After how much silence a polling runner is gone.
    pub disconnect_timeout: Duration,
    /// A WebSocket that answers nothing for twice as long is closed.
    pub socket_idle_timeout: Duration,
    /// How often a ping and a keep-alive message go over each WebSocket.
    pub socket_keepalive_interval: Duration,
    /// How long words are kept.
    pub retention: Kept,
    /// Origins besides our own.
    pub cors_origins: Vec<Origin>,
    /// What callers without a credential may do with streams.
    pub streams_anonymous: AnonymousRights,
    pub trusted_proxies: TrustedProxies,
    /// Private networks that webhooks may reach.
    pub webhook_private_targets: PrivateTargets,
    /// Where the operator is told that an agent waits.
    pub notify: Vec<Configured>,
    /// Whom push services may write to.
    pub push_contact: Option<String>,
    /// Authorities that are trusted besides the public ones, where the server calls others.
    pub outbound_ca: Option<PathBuf>,
    pub log_filter: LogFilter,
    pub log_format: LogFormat,
}

/// How long words are kept. `None` keeps them for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// After an archived session was last active.
    pub archived: Option<Duration>,
    /// After they were said.
    pub age: Option<Duration>,
    /// So many events of each session.
    pub events: Option<u64>,
    /// What was appended to streams of users, after that.
    pub streams: Option<Duration>,
}

impl Config {
    /// Checks what was said. `environment` looks a variable up; the program passes [`std::env::var_os`].
    pub fn resolve(options: &Options, environment: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let values = Values(environment);
        let interval = (1, INTERVAL_SECONDS_MAX);
        let seconds = |variable, option: &Option<String>, default, range| {
            values.seconds(variable, option.as_deref(), default, range)
        };
        let api_keys = api_keys(values.text(API_KEYS, options.api_keys.as_ref().map(Secret::expose))?.as_deref())?;
        let host = host(values.text(HOST, options.host.as_deref())?, !api_keys.is_empty())?;
        let port = values.text(PORT, options.port.as_deref())?.map_or(Ok(PORT_DEFAULT), |text| port(&text))?;
        Ok(Self {
            bind: SocketAddr::new(host, port),
            base_url: base_url(values.text(BASE_URL, options.base_url.as_deref())?)?,
            api_keys,
            data: data(options, &values)?,
            version: version(values.text(VERSION, options.server_version.as_deref())?)?,
            poll_timeout: seconds(POLL_TIMEOUT, &options.poll_timeout, 8, (1, POLL_TIMEOUT_SECONDS_MAX))?,
            heartbeat_interval: seconds(HEARTBEAT_INTERVAL, &options.heartbeat_interval, 20, interval)?,
            token_lifetime: seconds(
                JWT_EXPIRES_IN,
                &options.jwt_expires_in,
                3_600,
                (TOKEN_SECONDS_MIN, TOKEN_SECONDS_MAX),
            )?,
            disconnect_timeout: seconds(
                DISCONNECT_TIMEOUT,
                &options.disconnect_timeout,
                300,
                (DISCONNECT_SECONDS_MIN, DISCONNECT_SECONDS_MAX),
            )?,
            socket_idle_timeout: seconds(WS_IDLE_TIMEOUT, &options.ws_idle_timeout, 30, interval)?,
            socket_keepalive_interval: seconds(WS_KEEPALIVE_INTERVAL, &options.ws_keepalive_interval, 20, interval)?,
            retention: kept(options, &values)?,
            cors_origins: origins(values.text(WEB_CORS_ORIGINS, options.web_cors_origins.as_deref())?.as_deref())?,
            streams_anonymous: anonymous(
                values.parsed(STREAMS_ANONYMOUS, options.streams_anonymous.as_deref(), AnonymousRights::default())?,
                host,
            )?,
            trusted_proxies: values.parsed(
                TRUSTED_PROXIES,
                options.trusted_proxies.as_deref(),
                TrustedProxies::default(),
            )?,
            webhook_private_targets: values.parsed(
                WEBHOOK_PRIVATE_TARGETS,
                options.webhook_private_targets.as_deref(),
                PrivateTargets::default(),
            )?,
            notify: notify(
                values.text(NOTIFY_URLS, options.notify_urls.as_ref().map(Secret::expose))?.as_deref(),
                values.text(NOTIFY_SECRET, options.notify_secret.as_ref().map(Secret::expose))?.as_deref(),
            )?,
            push_contact: contact(values.text(PUSH_CONTACT, options.push_contact.as_deref())?)?,
            outbound_ca: values.text(OUTBOUND_CA, options.outbound_ca.as_deref())?.map(PathBuf::from),
            log_filter: values.parsed(LOG, options.log.as_deref(), LogFilter::default())?,
            log_format: values.parsed(LOG_FORMAT, options.log_format.as_deref(), LogFormat::default())?,
        })
    }

    /// The URL that clients know this server by, once it listens on `address`. Ends without a slash.
    pub fn base_url(&self, address: SocketAddr) -> String {
        self.base_url.as_ref().map_or_else(|| local_url(address), ToString::to_string)
    }

    /// What is allowed and unwise, one line each.
    pub fn warnings(&self) -> Vec<String> {
        let short = self.api_keys.iter().filter(|key| key.is_short()).count();
        let warning = format!(
            "RCS_API_KEYS: {short} of {} keys have fewer than {API_KEY_SHORT_BYTES} characters and can be guessed",
            self.api_keys.len()
        );
        (short > 0 && !self.bind.ip().is_loopback()).then_some(warning).into_iter().collect()
    }
}

/// How this machine reaches a server that listens on `address`. An address that stands for all of them is none to go
/// to.
pub fn local_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

fn port(text: &str) -> Result<u16, ConfigError> {
    text.trim().parse().map_err(|_| PORT.bad(format!("{text:?} is not a port between 0 and 65535")))
}

fn host(text: Option<String>, has_credentials: bool) -> Result<IpAddr, ConfigError> {
    let Some(text) = text else {
        // The peer's default, so that an installation moves over unchanged; without keys, this machine only.
        return Ok(if has_credentials { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST }.into());
    };
    let name = text.trim().trim_start_matches('[').trim_end_matches(']');
    let address = if name.eq_ignore_ascii_case("localhost") { Ok(Ipv4Addr::LOCALHOST.into()) } else { name.parse() };
    let address: IpAddr = address.map_err(|_| HOST.bad(format!("{text:?} is neither an IP address nor localhost")))?;
    if !address.is_loopback() && !has_credentials {
        return Err(HOST.bad(format!(
            "{address} can be reached from other machines, and no API key is configured: whoever reaches it could run \
             commands; set RCS_API_KEYS, or listen on 127.0.0.1"
        )));
    }
    Ok(address)
}

/// What everybody may change must not be reachable for everybody.
fn anonymous(rights: AnonymousRights, host: IpAddr) -> Result<AnonymousRights, ConfigError> {
    if rights.change() && !host.is_loopback() {
        return Err(STREAMS_ANONYMOUS.bad(format!(
            "{rights} would let everybody who reaches {host} change streams: leave it at read, or listen on 127.0.0.1"
        )));
    }
    Ok(rights)
}

/// What is refused is not quoted: an address is a secret.
fn notify(urls: Option<&str>, secret: Option<&str>) -> Result<Vec<Configured>, ConfigError> {
    let mut found: Vec<Configured> = Vec::new();
    let urls = urls.unwrap_or_default().split([',', ' ', '\t', '\n']).filter(|url| !url.is_empty());
    for (index, url) in urls.enumerate() {
        let bad = |error: InvalidRecipient| NOTIFY_URLS.bad(format!("URL {}: {error}", index + 1));
        let mut wanted: Configured = url.parse().map_err(bad)?;
        if let (Recipient::Webhook { url, .. }, Some(secret)) = (&wanted.recipient, secret) {
            wanted.recipient = Recipient::webhook(url.clone(), Some(secret.to_owned()))
                .map_err(|_| NOTIFY_SECRET.bad("must have 1 to 512 visible characters"))?;
        }
        if !found.contains(&wanted) {
            found.push(wanted);
        }
    }
    let max = TARGETS_PER_OWNER_MAX;
    if found.len() > max { Err(NOTIFY_URLS.bad(format!("at most {max} URLs"))) } else { Ok(found) }
}

/// Push services read it in a token; some refuse what could be no contact.
fn contact(text: Option<String>) -> Result<Option<String>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    let text = text.trim().to_owned();
    let is_one = text
        .strip_prefix("mailto:")
        .or_else(|| text.strip_prefix("https://"))
        .is_some_and(|rest| (3..=256).contains(&rest.len()) && rest.chars().all(|c| c.is_ascii_graphic()));
    if is_one { Ok(Some(text)) } else { Err(PUSH_CONTACT.bad("must begin with mailto: or https://")) }
}

fn api_keys(text: Option<&str>) -> Result<Vec<ApiKey>, ConfigError> {
    let mut keys: Vec<ApiKey> = Vec::new();
    for (index, text) in list(text).enumerate() {
        let key = ApiKey::parse(text).map_err(|error| API_KEYS.bad(format!("key {}: {error}", index + 1)))?;
        if keys.iter().all(|known| known.digest() != key.digest()) {
            keys.push(key);
        }
    }
    if keys.len() > KEYS_MAX { Err(API_KEYS.bad(format!("at most {KEYS_MAX} keys"))) } else { Ok(keys) }
}

fn base_url(text: Option<String>) -> Result<Option<BaseUrl>, ConfigError> {
    text.map(|text| text.trim().parse().map_err(|error| BASE_URL.bad(error))).transpose()
}

fn origins(text: Option<&str>) -> Result<Vec<Origin>, ConfigError> {
    let parsed = list(text).map(|text| text.parse().map_err(|error| WEB_CORS_ORIGINS.bad(error)));
    let origins = parsed.collect::<Result<Vec<_>, _>>()?;
    if origins.len() > ORIGINS_MAX {
        return Err(WEB_CORS_ORIGINS.bad(format!("at most {ORIGINS_MAX} origins")));
    }
    Ok(origins)
}

fn version(text: Option<String>) -> Result<String, ConfigError> {
    let text = text.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    if text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(VERSION.bad(format!("expected one line of at most {NAME_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn data<E: Fn(&str) -> Option<OsString>>(options: &Options, values: &Values<E>) -> Result<DataDirectory, ConfigError> {
    let named = options.data.clone().or_else(|| (values.0)(DATA.name).map(Into::into));
    match named.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Ok(DataDirectory::new(path)),
        None => DataDirectory::default_for(&values.0).map_err(|error| DATA.bad(error)),
    }
}

fn kept<E: Fn(&str) -> Option<OsString>>(options: &Options, values: &Values<E>) -> Result<Kept, ConfigError> {
    let days = |variable, option: &Option<String>, min| {
        let days = values.count(variable, option.as_deref(), "days", (min, RETENTION_DAYS_MAX))?;
        Ok(days.map(|days| Duration::from_hours(24 * days)))
    };
    let events = (RETENTION_EVENTS_MIN, u64::MAX);
    Ok(Kept {
        // 0: as soon as it is archived and the policy is applied.
        archived: days(RETENTION_ARCHIVED_DAYS, &options.retention_archived_days, 0)?,
        age: days(RETENTION_DAYS, &options.retention_days, 1)?,
        events: values.count(RETENTION_EVENTS, options.retention_events.as_deref(), "events", events)?,
        streams: days(RETENTION_STREAMS_DAYS, &options.retention_streams_days, 1)?,
    })
}

/// The parts of a list, without blanks and empty parts.
fn list(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// The effective configuration, one variable a line. Of keys only their number.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = match self.api_keys.len() {
            0 => format!("(none: the key in {} is used)", self.data.admin_key().display()),
            1 => "(1 key, hidden)".to_owned(),
            count => format!("({count} keys, hidden)"),
        };
        for variable in variable::ALL {
            let value = match *variable {
                HOST => self.bind.ip().to_string(),
                PORT => self.bind.port().to_string(),
                BASE_URL => self.base_url(self.bind),
                API_KEYS => keys.clone(),
                DATA => self.data.to_string(),
                VERSION => self.version.clone(),
                POLL_TIMEOUT => shown_seconds(self.poll_timeout),
                HEARTBEAT_INTERVAL => shown_seconds(self.heartbeat_interval),
                JWT_EXPIRES_IN => shown_seconds(self.token_lifetime),
                DISCONNECT_TIMEOUT => shown_seconds(self.disconnect_timeout),
                WS_IDLE_TIMEOUT => shown_seconds(self.socket_idle_timeout),
                WS_KEEPALIVE_INTERVAL => shown_seconds(self.socket_keepalive_interval),
                WEB_CORS_ORIGINS => shown_list(&self.cors_origins),
                RETENTION_ARCHIVED_DAYS => shown_days(self.retention.archived),
                RETENTION_DAYS => shown_days(self.retention.age),
                RETENTION_EVENTS => self.retention.events.map_or("(all)".to_owned(), |events| events.to_string()),
                RETENTION_STREAMS_DAYS => shown_days(self.retention.streams),
                STREAMS_ANONYMOUS => self.streams_anonymous.to_string(),
                WEBHOOK_PRIVATE_TARGETS => self.webhook_private_targets.to_string(),
                NOTIFY_URLS => shown_targets(&self.notify),
                NOTIFY_SECRET => {
                    let is_set =
                        |known: &Configured| matches!(known.recipient, Recipient::Webhook { secret: Some(_), .. });
                    if self.notify.iter().any(is_set) { "(set)" } else { "(none)" }.to_owned()
                }
                PUSH_CONTACT => {
                    self.push_contact.clone().unwrap_or_else(|| "(the base URL, if it is https)".to_owned())
                }
                OUTBOUND_CA => self.outbound_ca.as_ref().map_or("(none)".to_owned(), |file| file.display().to_string()),
                TRUSTED_PROXIES => shown_list(self.trusted_proxies.networks()),
                LOG => self.log_filter.to_string(),
                LOG_FORMAT => self.log_format.to_string(),
                _ => String::new(),
            };
            writeln!(f, "{:<27} {value}", variable.name)?;
        }
        Ok(())
    }
}

fn shown_seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

fn shown_days(duration: Option<Duration>) -> String {
    duration.map_or("(for ever)".to_owned(), |duration| format!("{} d", duration.as_secs() / 86_400))
}

/// Hosts alone: whoever knows the rest of such an address may speak there.
fn shown_targets(targets: &[Configured]) -> String {
    let shown: Vec<String> = targets.iter().map(|known| format!("{}/***", known.recipient.host())).collect();
    shown_list(&shown)
}

fn shown_list(items: &[impl fmt::Display]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    if items.is_empty() { "(none)".to_owned() } else { items.join(",") }
}

#[cfg(test)]
mod tests;
