//! `rcsctl session tail`: what happens, as it happens.
//!
//! A connection that ends is taken up again after the last event that was shown, so that nothing is shown twice and
//! nothing is left out. Where that cannot be promised (a gap), it ends and says so.

use std::{
    io::Read,
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    ctl::{
        Context, CtlError, Kind,
        client::Client,
        history, output,
        render::Renderer,
        sse::{SseEvent, SseParser},
        terminal,
    },
    domain::SessionId,
    wire::web::{Event, EventPage, Gap},
};

/// Between two attempts to connect, at most.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// A server that is gone for so long is not restarting.
const GIVE_UP: Duration = Duration::from_mins(5);

/// See [`Session::Tail`](super::Session::Tail).
#[derive(Debug, Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    which: super::Which,
    /// Begin after this event [default: show the last ones]
    #[arg(long, value_name = "N", conflicts_with = "last")]
    after: Option<u64>,
    /// Show so many past events first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    last: u64,
    /// Show long texts and outputs whole
    #[arg(long)]
    whole: bool,
    /// Show pieces of messages as they are streamed, not only whole messages
    #[arg(long)]
    partials: bool,
}

impl Tail {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let client = context.client()?;
        let session = self.which.id;
        let EventPage { earliest, latest, epoch, .. } = history::ends(&client, session)?;
        let first_shown = latest.saturating_sub(self.last).max(earliest.saturating_sub(1));
        let after = self.after.unwrap_or(first_shown);
        let renderer = Renderer::new(context.out.look.colour, self.whole, self.partials);
        Follower { client, session, after, epoch, renderer }.follow(context)
    }
}

struct Follower {
    client: Client,
    session: SessionId,
    after: u64,
    epoch: String,
    renderer: Renderer,
}

impl Follower {
    /// Returns only with an error: a stream has no end.
    fn follow(&mut self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let mut connected = false;
        let mut retry = Duration::from_secs(1);
        let mut lost_at = Instant::now();
        loop {
            match self.client.stream(&format!("/sessions/{}/events", self.session), self.after, &self.epoch) {
                Ok(stream) => {
                    if connected {
                        output::note(&format!("connected again; going on after #{}", self.after));
                    }
                    connected = true;
                    retry = self.read(context, stream)?.unwrap_or(Duration::from_secs(1)).min(RETRY_MAX);
                    lost_at = Instant::now();
                    output::note("the connection ended; connecting again");
                }
                // A first attempt that fails is told at once; later ones may be a restart.
                Err(error) if !connected || error.kind != Kind::Unavailable || lost_at.elapsed() > GIVE_UP => {
                    return Err(error);
                }
                Err(_) => retry = (retry * 2).min(RETRY_MAX),
            }
            thread::sleep(retry);
        }
    }

    /// Shows what comes until the connection ends; how long the server wants us to wait then.
    fn read(&mut self, context: &mut Context<'_>, mut stream: impl Read) -> Result<Option<Duration>, CtlError> {
        let mut parser = SseParser::default();
        let mut bytes = vec![0; 64 * 1024];
        loop {
            // An error of the connection is its end: what matters is where we were.
            let count = stream.read(&mut bytes).unwrap_or(0);
            if count == 0 {
                return Ok(parser.retry_ms().map(Duration::from_millis));
            }
            let mut events = Vec::new();
            parser.push(&bytes[..count], |event| events.push(event)).map_err(CtlError::failed)?;
            for event in events {
                self.show(context, &event)?;
            }
            context.out.flush()?;
        }
    }

    fn show(&mut self, context: &mut Context<'_>, event: &SseEvent) -> Result<(), CtlError> {
        let strange = |error| CtlError::failed(format!("the server sent something that is no event: {error}"));
        if event.name == "gap" {
            let gap: Gap = serde_json::from_str(&event.data).map_err(strange)?;
            let error = CtlError::new(Kind::Conflict, format!("cannot go on after #{}: {}", self.after, gap.detail));
            return Err(error.hint(format!("the stream holds #{} to #{}: see --after", gap.earliest, gap.latest)));
        }
        let told: Event = serde_json::from_str(&event.data).map_err(strange)?;
        if told.sequence <= self.after {
            return Ok(());
        }
        if told.sequence != self.after + 1 {
            let (expected, given) = (self.after + 1, told.sequence);
            return Err(CtlError::failed(format!("the server left out events: #{expected} was due, #{given} came")));
        }
        self.after = told.sequence;
        if context.out.look.json {
            return context.out.line(terminal::json_line(&event.data));
        }
        let text = self.renderer.event(&told);
        context.out.text(text)
    }
}
