//! The variables of the configuration, and how a value under one of them is found and refused.

use std::{ffi::OsString, fmt, str::FromStr, time::Duration};

/// A variable and the option of the same meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    pub option: &'static str,
}

macro_rules! variables {
    ($($constant:ident, $name:literal, $option:literal;)*) => {
        $(pub const $constant: Variable = Variable { name: $name, option: $option };)*

        /// All of them, in the order in which they are printed.
        pub const ALL: &[Variable] = &[$($constant),*];
    };
}

variables! {
    HOST, "RCS_HOST", "--host";
    PORT, "RCS_PORT", "--port";
    BASE_URL, "RCS_BASE_URL", "--base-url";
    API_KEYS, "RCS_API_KEYS", "--api-keys";
    DATA, "RCS_DATA", "--data";
    VERSION, "RCS_VERSION", "--server-version";
    POLL_TIMEOUT, "RCS_POLL_TIMEOUT", "--poll-timeout";
    HEARTBEAT_INTERVAL, "RCS_HEARTBEAT_INTERVAL", "--heartbeat-interval";
    JWT_EXPIRES_IN, "RCS_JWT_EXPIRES_IN", "--jwt-expires-in";
    DISCONNECT_TIMEOUT, "RCS_DISCONNECT_TIMEOUT", "--disconnect-timeout";
    WS_IDLE_TIMEOUT, "RCS_WS_IDLE_TIMEOUT", "--ws-idle-timeout";
    WS_KEEPALIVE_INTERVAL, "RCS_WS_KEEPALIVE_INTERVAL", "--ws-keepalive-interval";
    WEB_CORS_ORIGINS, "RCS_WEB_CORS_ORIGINS", "--web-cors-origins";
    RETENTION_ARCHIVED_DAYS, "RCS_RETENTION_ARCHIVED_DAYS", "--retention-archived-days";
    RETENTION_DAYS, "RCS_RETENTION_DAYS", "--retention-days";
    RETENTION_EVENTS, "RCS_RETENTION_EVENTS", "--retention-events";
    RETENTION_STREAMS_DAYS, "RCS_RETENTION_STREAMS_DAYS", "--retention-streams-days";
    STREAMS_ANONYMOUS, "RCS_STREAMS_ANONYMOUS", "--streams-anonymous";
    WEBHOOK_PRIVATE_TARGETS, "RCS_WEBHOOK_PRIVATE_TARGETS", "--webhook-private-targets";
    NOTIFY_URLS, "RCS_NOTIFY_URLS", "--notify-urls";
    NOTIFY_SECRET, "RCS_NOTIFY_SECRET", "--notify-secret";
    PUSH_CONTACT, "RCS_PUSH_CONTACT", "--push-contact";
    OUTBOUND_CA, "RCS_OUTBOUND_CA", "--outbound-ca";
    TRUSTED_PROXIES, "RCS_TRUSTED_PROXIES", "--trusted-proxies";
    LOG, "RCS_LOG", "--log";
    LOG_FORMAT, "RCS_LOG_FORMAT", "--log-format";
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.option)
    }
}

impl Variable {
    /// What is wrong with its value.
    pub(super) fn bad(self, problem: impl fmt::Display) -> ConfigError {
        ConfigError { variable: self, problem: problem.to_string() }
    }
}

/// A value that cannot be used. One line, names the variable, never quotes a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    pub variable: Variable,
    pub problem: String,
}

impl ConfigError {
    /// What the program exits with: 2, as for a wrong command line.
    pub const EXIT_CODE: u8 = 2;
}

/// Reads values: the option if there is one, else the variable, else nothing. An empty variable counts as not set, as
/// in compose files that pass on what they do not have.
pub(super) struct Values<E>(pub E);

impl<E: Fn(&str) -> Option<OsString>> Values<E> {
    /// The text given for a variable.
    pub(super) fn text(&self, variable: Variable, option: Option<&str>) -> Result<Option<String>, ConfigError> {
        if let Some(text) = option {
            return Ok(Some(text.to_owned()));
        }
        let Some(text) = (self.0)(variable.name).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.into_string().map(Some).map_err(|_| variable.bad("is not UTF-8"))
    }

    /// A value in its type, or the default.
    pub(super) fn parsed<T: FromStr>(
        &self,
        variable: Variable,
        option: Option<&str>,
        default: T,
    ) -> Result<T, ConfigError>
    where
        T::Err: fmt::Display,
    {
        let Some(text) = self.text(variable, option)? else { return Ok(default) };
        text.trim().parse().map_err(|error| variable.bad(error))
    }

    /// A number within a range; nothing if it was not given.
    pub(super) fn count(
        &self,
        variable: Variable,
        option: Option<&str>,
        what: &str,
        (min, max): (u64, u64),
    ) -> Result<Option<u64>, ConfigError> {
        let Some(text) = self.text(variable, option)? else { return Ok(None) };
        let count = text.trim().parse().ok().filter(|count| (min..=max).contains(count));
        let problem = || variable.bad(format!("{text:?} is not a number of {what} between {min} and {max}"));
        count.map(Some).ok_or_else(problem)
    }

    /// Whole seconds within a range.
    pub(super) fn seconds(
        &self,
        variable: Variable,
        option: Option<&str>,
        default: u64,
        range: (u64, u64),
    ) -> Result<Duration, ConfigError> {
        Ok(Duration::from_secs(self.count(variable, option, "seconds", range)?.unwrap_or(default)))
    }
}
