//! `rcsctl session archive`.

use clap::Args;

use crate::{
    ctl::{Context, CtlError, terminal},
    domain::{SessionId, limits},
    wire::web::{ArchiveMany, ArchivedMany},
};

/// See [`Session::Archive`](super::Session::Archive).
#[derive(Debug, Args)]
pub(crate) struct Archive {
    /// The sessions; archiving one twice does no harm
    #[arg(value_name = "SESSION", required = true)]
    ids: Vec<SessionId>,
}

impl Archive {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let client = context.client()?;
        let mut failed = 0;
        for ids in self.ids.chunks(limits::BULK_ITEMS_MAX) {
            let done: ArchivedMany = client.post("/sessions/archive", &ArchiveMany { ids: ids.to_vec() })?;
            for result in done.results {
                failed += usize::from(!result.archived);
                let why = result.problem.as_ref().map_or("no reason given", |problem| &problem.detail);
                let words = if result.archived {
                    format!("archived {}", result.id)
                } else {
                    format!("NOT archived {}: {}", result.id, terminal::one_line(why))
                };
                context.out.say(&result, words)?;
            }
        }
        if failed == 0 { Ok(()) } else { Err(CtlError::failed(format!("{failed} sessions were not archived"))) }
    }
}
