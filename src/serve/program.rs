//! `rcsd` as a program: arguments, the lines it prints, signals, exit codes.
//!
//! Standard output carries what a person reads at the start; the log goes to standard error.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use super::{Server, Start};
use crate::{
    api::common::Settings,
    config::{Config, ConfigError, Options, local_url},
    domain::limits,
    relay::{CommitReport, Retention, Terms},
    security::ThrottleConfig,
    telemetry::{self, Metrics},
    wire::web::LoginLink,
};

/// Could not start, or could not go on.
const EXIT_FAILED: u8 = 1;

/// Runs the server until it is told to stop.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let config = match Config::resolve(&options, |name| std::env::var_os(name)) {
        Ok(config) => config,
        Err(error) => return complain(&error, ConfigError::EXIT_CODE),
    };
    if options.print_config {
        return match print(&config.to_string()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error, EXIT_FAILED),
        };
    }
    if let Err(error) = telemetry::start_log(&config.log_filter, config.log_format) {
        return complain(&error, EXIT_FAILED);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error, EXIT_FAILED),
    };
    let ended = runtime.block_on(run(config));
    // Whatever still runs was told to end and had its time.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(error.as_ref(), EXIT_FAILED),
    }
}

async fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let metrics = Metrics::install()?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let greeting = config.to_string();
    let without_keys = config.api_keys.is_empty();
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::start(start(config, metrics)).await?;
    let link = if without_keys || io::stdout().is_terminal() { Some(server.login_link().await?) } else { None };
    greet(&greeting, &server, without_keys, link.as_ref())?;
    tokio::select! {
        _ = stop.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: streams are told, open requests are finished");
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

fn start(config: Config, metrics: Metrics) -> Start {
    let origins = config.cors_origins.iter().map(ToString::to_string).collect();
    Start {
        settings: Settings {
            base_url: config.base_url.as_ref().map(ToString::to_string).unwrap_or_default(),
            version: config.version,
            poll_timeout: config.poll_timeout,
            sse_keepalive: Duration::from_millis(limits::SSE_KEEPALIVE_MS),
            jwt_lifetime: config.token_lifetime,
            ws_keepalive: config.socket_keepalive_interval,
            // Silent for the idle time, and pings unanswered for as long again.
            ws_idle: config.socket_idle_timeout * 2,
            cors_origins: origins,
            streams_anonymous: config.streams_anonymous,
            streams_poll: Duration::from_millis(limits::STREAM_POLL_MS),
            streams_sse: Duration::from_millis(limits::STREAM_SSE_MS),
        },
        listen: config.bind,
        data: config.data,
        api_keys: config.api_keys,
        throttle: ThrottleConfig::default(),
        // A heartbeat may be lost, and the next one be late; three in a row are a sign.
        leases: Terms { worker: config.heartbeat_interval * 3, environment: config.disconnect_timeout },
        retention: Retention {
            archived_after: config.retention.archived,
            age: config.retention.age,
            events: config.retention.events,
            streams: config.retention.streams,
        },
        trusted_proxies: config.trusted_proxies,
        webhook_private_targets: config.webhook_private_targets,
        notify: config.notify,
        push_contact: config.push_contact,
        outbound_ca: config.outbound_ca,
        observer: Arc::new(observe),
        metrics: Some(metrics),
    }
}

fn observe(report: &CommitReport) {
    metrics::histogram!(telemetry::COMMIT_SECONDS).record(report.took.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "a batch has thousands of records, not 2^52")]
    metrics::histogram!(telemetry::COMMIT_RECORDS).record(report.records as f64);
    metrics::counter!(telemetry::RECORDS_TOTAL).increment(report.records as u64);
}

/// What a person needs to know now, on standard output.
fn greet(configuration: &str, server: &Server, without_keys: bool, link: Option<&LoginLink>) -> io::Result<()> {
    let url = local_url(server.address);
    let mut text = format!("{configuration}\n");
    if without_keys {
        let key = server.admin_key.display();
        text += &format!(
            "\nNo API keys are configured, so only this machine can connect. The admin key is in {key}\n\
             Next: run `rcsctl status` here, or connect an agent with\n  \
             CLAUDE_BRIDGE_BASE_URL={url} CLAUDE_BRIDGE_OAUTH_TOKEN=$(cat {key}) ccb remote-control\n"
        );
    }
    // Where nobody reads along, standard output ends up in a log, and a link in a log lets in whoever reads it first.
    text += &match link {
        Some(link) => format!("\nOpen this in a browser within ten minutes; it works once:\n  {}\n", link.url),
        None => "\nTo open it in a browser, make a link: rcsctl login-link\n".to_owned(),
    };
    if let Some(code) = link.filter(|_| io::stdout().is_terminal()).and_then(|link| qr_code(&link.url)) {
        text += &format!("\n{code}\n");
    }
    text += &format!("\nrcsd is listening on {url}\n");
    print(&text)
}

/// The link for a phone's camera. Without one the text is there.
fn qr_code(url: &str) -> Option<String> {
    let code = qrcode::QrCode::new(url).ok()?;
    Some(code.render::<qrcode::render::unicode::Dense1x2>().build())
}

/// Prints at once: somebody may be waiting for the line behind a pipe.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn complain(error: &(impl std::fmt::Display + ?Sized), code: u8) -> ExitCode {
    eprintln!("rcsd: {error}");
    ExitCode::from(code)
}
