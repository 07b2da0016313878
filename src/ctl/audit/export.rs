//! `rcsctl audit export`.

use std::{path::PathBuf, sync::Arc};

use clap::Args;

use crate::{
    ctl::{
        Context, CtlError,
        client::Client,
        files::NewFile,
        history::{author_of, data_of, open_file},
        output::Out,
        progress::Progress,
    },
    domain::{Position, Record, limits},
    journal::{Bounds, JournalReader},
    wire::web::{AuditPage, AuditRecord},
};

/// See [`Audit::Export`](super::Audit::Export).
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Read this journal (a stopped server's, or a backup) instead of asking the server
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Begin with this position
    #[arg(long, value_name = "N", default_value_t = 1)]
    from: u64,
    /// End with this position
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Where to write it [default: stdout]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Write over an existing file
    #[arg(long, requires = "output")]
    force: bool,
}

/// Where the records come from.
enum Source {
    Server(Client),
    File(Arc<dyn JournalReader>),
}

impl Source {
    fn page(&self, from: u64) -> Result<AuditPage, CtlError> {
        match self {
            Self::Server(client) => {
                let query = [("from", Some(from.to_string())), ("limit", Some(limits::PAGE_ITEMS_MAX.to_string()))];
                client.get("/audit", &query)
            }
            Self::File(reader) => {
                let bounds = Bounds { records_max: limits::READ_RECORDS_MAX, bytes_max: limits::READ_BYTES_MAX };
                let records = reader.read_all(Position(from), bounds)?;
                let next = records.last().map_or(reader.tail().0 + 1, |record| record.position.0 + 1);
                let records = records.iter().map(|record| audited(record)).collect::<Result<_, _>>()?;
                Ok(AuditPage {
                    records,
                    next,
                    previous: None,
                    tail: reader.tail().0,
                    epoch: reader.epoch().to_string(),
                })
            }
        }
    }
}

impl Export {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let source = match &self.file {
            Some(path) => Source::File(open_file(&context.origin.journal_file(Some(path))?)?),
            None => Source::Server(context.client()?),
        };
        let Some(path) = &self.output else {
            return self.write(&source, &mut context.out);
        };
        let mut file = NewFile::create(path, self.force)?;
        let mut out = Out::to(&mut file, true);
        let written = self.write(&source, &mut out).and_then(|()| out.flush());
        drop(out);
        written?;
        file.finish()
    }

    fn write(&self, source: &Source, out: &mut Out<'_>) -> Result<(), CtlError> {
        let mut from = self.from.max(1);
        let mut bar: Option<Progress> = None;
        loop {
            let AuditPage { records, next, tail, .. } = source.page(from)?;
            // What is appended while we read is another export's: this one ends where it found the end.
            let to = self.to.unwrap_or(tail).min(tail);
            let bar = bar.get_or_insert_with(|| Progress::begin("records", Some(to)));
            for record in records {
                if record.position > to {
                    return Ok(());
                }
                bar.reach(record.position);
                out.json(&record)?;
            }
            if next <= from || next > to {
                return Ok(());
            }
            from = next;
        }
    }
}

fn audited(record: &Record) -> Result<AuditRecord, CtlError> {
    Ok(AuditRecord {
        position: record.position.0,
        stream: record.stream.to_string(),
        sequence: record.sequence.0,
        at: record.at.to_string(),
        kind: record.event.kind().to_owned(),
        by: author_of(record.actor),
        data: data_of(record)?,
        payload_bytes: record.payload.len() as u64,
    })
}
