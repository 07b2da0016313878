//! `rcsctl session export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::source::{Source, forgotten_words};
use crate::{
    ctl::{
        Context, CtlError,
        files::NewFile,
        history::History,
        markdown::Markdown,
        output::{self, Out},
        progress::Progress,
    },
    domain::SessionId,
};

/// See [`Session::Export`](super::Session::Export).
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    source: Source,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Where to write it [default: stdout]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Write over an existing file
    #[arg(long, requires = "output")]
    force: bool,
}

/// Forms of a history.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// One event per line, with everything that is known of it
    Jsonl,
    /// For reading: what was said, called, asked and decided
    Markdown,
}

impl Export {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let history = self.source.open(context)?;
        let Some(path) = &self.output else {
            return self.write(&history, &mut context.out);
        };
        let mut file = NewFile::create(path, self.force)?;
        let mut out = Out::to(&mut file, false);
        let written = self.write(&history, &mut out).and_then(|()| out.flush());
        drop(out);
        written?;
        file.finish()
    }

    fn write(&self, history: &History, out: &mut Out<'_>) -> Result<(), CtlError> {
        let session: SessionId = self.source.which.id;
        let mut markdown = Markdown::default();
        if matches!(self.format, Format::Markdown) {
            out.text(Markdown::title(session))?;
        }
        let forgotten = history.forgotten(self.source.from)?;
        if forgotten > 0 {
            let words = forgotten_words(forgotten);
            match self.format {
                // Its lines are events and nothing else.
                Format::Jsonl => output::note(&format!("note: {words}")),
                Format::Markdown => out.text(format!("*{words}*\n\n"))?,
            }
        }
        let mut bar: Option<Progress> = None;
        history.each(self.source.from, self.source.to, |event, ends| {
            bar.get_or_insert_with(|| Progress::begin("events", Some(ends.latest))).reach(event.sequence);
            match self.format {
                Format::Jsonl => out.json(&event),
                Format::Markdown => out.text(markdown.event(&event)),
            }
        })
    }
}
