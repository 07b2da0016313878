//! `rcsctl session replay`: a history as it happened, for whoever has to account for it.

use std::{
    io::{self, IsTerminal},
    thread,
    time::Duration,
};

use clap::Args;

use super::source::{Source, forgotten_words};
use crate::{
    ctl::{Context, CtlError, client, output, progress::Progress, render::Renderer},
    wire::web::Event,
};

/// See [`Session::Replay`](super::Session::Replay).
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    source: Source,
    /// Take the time it took: 1 as it was, 10 ten times as fast [default: without waiting]
    #[arg(long, value_name = "X", value_parser = speed, conflicts_with = "step")]
    speed: Option<f64>,
    /// Wait at most so many seconds for one event, however long it took
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "speed")]
    pause_max: u64,
    /// Go on to the next event with Enter; q ends
    #[arg(long)]
    step: bool,
    /// Show long texts and outputs whole
    #[arg(long)]
    whole: bool,
    /// Show pieces of messages as they were streamed, not only whole messages
    #[arg(long)]
    partials: bool,
}

impl Replay {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let history = self.source.open(context)?;
        let forgotten = history.forgotten(self.source.from)?;
        if forgotten > 0 {
            let words = forgotten_words(forgotten);
            if context.out.look.json {
                output::note(&format!("note: {words}"));
            } else {
                context.out.line(format!("-- {words} --"))?;
            }
        }
        let mut renderer = Renderer::new(context.out.look.colour, self.whole, self.partials);
        let paced = self.step || self.speed.is_some();
        let mut bar: Option<Progress> = None;
        let mut before = None;
        let walk = history.each(self.source.from, self.source.to, |event, ends| {
            if !paced && !io::stdout().is_terminal() {
                bar.get_or_insert_with(|| Progress::begin("events", Some(ends.latest))).reach(event.sequence);
            }
            let at = client::moment(&event.at);
            if let (Some(speed), Some(before), Some(at)) = (self.speed, before, at) {
                thread::sleep(pause(at.since_ms(before), speed, self.pause_max));
            }
            before = at.or(before);
            let shown = show(context, &mut renderer, &event)?;
            if paced && shown {
                context.out.flush()?;
            }
            if self.step && shown && !wait_for_enter()? { Err(stop()) } else { Ok(()) }
        });
        match walk {
            Err(error) if error.source.is::<Stopped>() => Ok(()),
            other => other,
        }
    }
}

/// The person has seen enough.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Stopped;

fn stop() -> CtlError {
    CtlError::failed(Stopped)
}

/// Prints an event; whether there was anything to print.
fn show(context: &mut Context<'_>, renderer: &mut Renderer, event: &Event) -> Result<bool, CtlError> {
    if context.out.look.json {
        context.out.json(event)?;
        return Ok(true);
    }
    let text = renderer.event(event);
    context.out.text(&text)?;
    Ok(!text.is_empty())
}

/// Whether to go on. At the end of stdin there is nobody to wait for.
fn wait_for_enter() -> Result<bool, CtlError> {
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line)?;
    Ok(read > 0 && !line.trim().eq_ignore_ascii_case("q"))
}

fn pause(real_ms: u64, speed: f64, seconds_max: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a pause of 2^53 ms is cut to seconds anyway")]
    let scaled = Duration::try_from_secs_f64(real_ms as f64 / 1_000.0 / speed);
    scaled.unwrap_or(Duration::MAX).min(Duration::from_secs(seconds_max))
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if speed.is_finite() && speed > 0.0 { Ok(speed) } else { Err("must be more than 0".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_scaled_and_bounded() {
        assert_eq!(pause(2_000, 1.0, 10), Duration::from_secs(2));
        assert_eq!(pause(2_000, 4.0, 10), Duration::from_millis(500));
        assert_eq!(pause(u64::MAX, 1e-300, 10), Duration::from_secs(10), "a night is not waited for");
        for wrong in ["0", "-1", "nan", "inf", "fast"] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }
}
