//! How the server is seen from outside: its log and its metrics.
//!
//! Neither shows a body, a prompt, a path of a user's machine or a secret: whoever reads logs need not be whoever may
//! read sessions. Labels of metrics come from small closed sets; an id in a label would grow without bound.

use std::{
    fmt,
    io::{self, IsTerminal},
    str::FromStr,
};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// What is logged: a level, or `target=level` pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

/// The filter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a log filter: expected a level (error, warn, info, debug, trace) or `target=level,...`")]
pub struct InvalidLogFilter(String);

impl FromStr for LogFilter {
    type Err = InvalidLogFilter;

    fn from_str(text: &str) -> Result<Self, InvalidLogFilter> {
        let invalid = |_| InvalidLogFilter(text.chars().take(128).collect());
        EnvFilter::builder().parse(text).map_err(invalid)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How it is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line, for machines.
    Json,
}

/// The format is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a log format: expected text or json")]
pub struct InvalidLogFormat(String);

impl FromStr for LogFormat {
    type Err = InvalidLogFormat;

    fn from_str(text: &str) -> Result<Self, InvalidLogFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(InvalidLogFormat(text.chars().take(128).collect())),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Why the server cannot be seen.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("a log is already set up in this process")]
    LogTaken,
    #[error("metrics cannot be set up in this process: {0}")]
    Metrics(String),
}

/// Sends the log to standard error, which leaves standard output to what the program was asked to print.
pub fn start_log(filter: &LogFilter, format: LogFormat) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse_lossy(&filter.0);
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match format {
        LogFormat::Text => builder.with_ansi(colour).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).try_init(),
    };
    started.map_err(|_| TelemetryError::LogTaken)
}

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How values are spread, with the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A metric: what it is called and what it says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    pub help: &'static str,
}

/// From 100 microseconds (one commit on a fast disk) to 10 s (a disk in trouble).
const SECONDS: &[f64] = &[0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Powers of four, up to several batches' worth.
const RECORDS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];

macro_rules! metrics {
    ($($(#[doc = $help:literal])* $constant:ident, $name:literal, $kind:expr;)*) => {
        $($(#[doc = $help])* pub const $constant: &str = $name;)*

        /// All metrics, as `/metrics` describes them.
        pub const METRICS: &[Metric] =
            &[$(Metric { name: $name, kind: $kind, help: concat!($($help),*) }),*];
    };
}

metrics! {
    /// Time that the journal took to make a batch durable, in seconds.
    COMMIT_SECONDS, "rcs_commit_duration_seconds", MetricKind::Histogram(SECONDS);
    /// Records in one commit.
    COMMIT_RECORDS, "rcs_commit_records", MetricKind::Histogram(RECORDS);
    /// Records committed since the start.
    RECORDS_TOTAL, "rcs_records_total", MetricKind::Counter;
    /// Commands that are decided and wait for their commit.
    WRITER_QUEUE, "rcs_writer_queue_depth", MetricKind::Gauge;
    /// Commands turned away because the writer's queue was full.
    WRITER_REFUSED, "rcs_writer_refused_total", MetricKind::Counter;
    /// Streams that are open, by kind (sse, socket, poll).
    STREAMS_OPEN, "rcs_streams_open", MetricKind::Gauge;
    /// Records by which readers were behind the tail when they last read.
    SUBSCRIBER_LAG, "rcs_subscriber_lag_records", MetricKind::Histogram(RECORDS);
    /// Requests answered, by room and class of status.
    REQUESTS, "rcs_requests_total", MetricKind::Counter;
    /// Time to answer, in seconds, by room, class of method and class of status; streams and held polls left out.
    REQUEST_SECONDS, "rcs_request_duration_seconds", MetricKind::Histogram(SECONDS);
    /// Requests that came too often and were refused, by what was counted.
    THROTTLED, "rcs_throttled_total", MetricKind::Counter;
    /// Sessions, by state (active, archived).
    SESSIONS, "rcs_sessions", MetricKind::Gauge;
    /// Workers that are connected.
    WORKERS_ONLINE, "rcs_workers_online", MetricKind::Gauge;
    /// Environments, by state (online, offline).
    ENVIRONMENTS, "rcs_environments", MetricKind::Gauge;
    /// Permission requests that nobody has decided yet.
    PERMISSIONS_OPEN, "rcs_permissions_open", MetricKind::Gauge;
    /// Webhook deliveries attempted, by outcome (ok, failed).
    WEBHOOK_DELIVERIES, "rcs_webhook_deliveries_total", MetricKind::Counter;
    /// Notifications attempted, by the kind of target and the outcome (ok, failed).
    NOTIFICATIONS, "rcs_notifications_total", MetricKind::Counter;
}

/// The metrics of this process.
#[derive(Debug, Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder that the `metrics` macros write to. Once per process.
    pub fn install() -> Result<Self, TelemetryError> {
        let failed = |error: &dyn fmt::Display| TelemetryError::Metrics(error.to_string());
        let handle = recorder()?.install_recorder().map_err(|error| failed(&error))?;
        describe();
        Ok(Self(handle))
    }

    /// The text that `/metrics` answers.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what was recorded into the buckets. Due every few seconds; what waits for it is kept in memory.
    pub fn fold(&self) {
        self.0.run_upkeep();
    }
}

/// Hands the descriptions to the recorder that is in place.
fn describe() {
    for metric in METRICS {
        match metric.kind {
            MetricKind::Counter => metrics::describe_counter!(metric.name, metric.help),
            MetricKind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            MetricKind::Histogram(_) => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
}

fn recorder() -> Result<PrometheusBuilder, TelemetryError> {
    METRICS.iter().try_fold(PrometheusBuilder::new(), |builder, metric| match metric.kind {
        MetricKind::Histogram(buckets) => builder
            .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
            .map_err(|error| TelemetryError::Metrics(error.to_string())),
        MetricKind::Counter | MetricKind::Gauge => Ok(builder),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_name_by_the_rules_and_a_description() {
        for metric in METRICS {
            assert!(metric.name.starts_with("rcs_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
            assert!(metric.help.trim().ends_with('.'), "{}", metric.name);
            assert_eq!(METRICS.iter().filter(|other| other.name == metric.name).count(), 1, "{}", metric.name);
        }
    }

    #[test]
    fn what_is_recorded_is_rendered_with_its_description() {
        // Of this thread alone: the process has room for one recorder, and other tests run beside this one.
        let recorder = recorder().expect("sound buckets").build_recorder();
        let metrics = Metrics(recorder.handle());
        metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::counter!(REQUESTS, "room" => "bridge", "status" => "200").increment(2);
            metrics::histogram!(COMMIT_SECONDS).record(0.003);
        });
        metrics.fold();
        let text = metrics.render();
        assert!(text.contains(r#"rcs_requests_total{room="bridge",status="200"} 2"#), "{text}");
        assert!(text.contains(r#"rcs_commit_duration_seconds_bucket{le="0.005"} 1"#), "{text}");
        assert!(text.contains("# HELP rcs_requests_total"), "{text}");
    }

    #[test]
    fn filters_and_formats_are_checked() {
        assert!("rcs=debug,warn".parse::<LogFilter>().is_ok());
        assert!("rcs=loud".parse::<LogFilter>().is_err());
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        assert!("JSON".parse::<LogFormat>().is_err());
    }
}
