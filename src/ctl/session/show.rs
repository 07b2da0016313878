//! `rcsctl session show`.

use clap::Args;

use crate::{
    ctl::{
        Context, CtlError, list,
        table::{Columns, properties},
    },
    wire::web::{QueuedKind, SessionDetail},
};

/// See [`Session::Show`](super::Session::Show).
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    which: super::Which,
}

impl Show {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let raw = context.client()?.get_raw(&format!("/sessions/{}", self.which.id), &[])?;
        list::one(&mut context.out, &raw, |out, detail: SessionDetail| {
            let SessionDetail { session, rules, queue, .. } = detail;
            let state = if session.worker.online { "online" } else { "offline" };
            let since = session.worker.changed_at.map(|at| format!(" since {at}")).unwrap_or_default();
            let rows = [
                ("session", Some(session.id.to_string())),
                ("title", session.title),
                ("status", Some(session.status.as_str().to_owned())),
                ("runner", session.environment_id.map(|id| id.to_string())),
                ("worker", Some(format!("{state}{since} (epoch {})", session.worker.epoch))),
                ("mode", session.mode),
                ("model", session.model),
                ("made", Some(format!("{} from {}", session.created_at, session.source))),
                ("active", Some(session.active_at)),
                ("archived", session.archived_at),
                ("events", Some(session.latest.to_string())),
                ("to decide", Some(session.permissions_open.to_string())),
                ("owner", Some(session.owner_id.to_string())),
            ];
            properties(out, &rows)?;
            if !rules.is_empty() {
                out.line("\nallowed without asking:")?;
                let mut table = Columns::new(out, &["TOOL", "ON"]);
                for rule in rules {
                    table.row([rule.tool, rule.subject.unwrap_or_default()]);
                }
                table.print(out, "")?;
            }
            if !queue.is_empty() {
                out.line("\nwaiting for the worker:")?;
                let mut table = Columns::new(out, &["EVENT", "WHAT", "STATE", "ID"]);
                for item in queue {
                    let what = match item.kind {
                        QueuedKind::Message => "message",
                        QueuedKind::Answer => "answer",
                        QueuedKind::Control => "change of course",
                    };
                    let state = if item.delivered { "handed over" } else { "queued" };
                    let request = item.request_id.map(|id| id.to_string());
                    let id = item.message_id.map(|id| id.to_string()).or(request);
                    table.row([item.sequence.to_string(), what.into(), state.into(), id.unwrap_or_default()]);
                }
                table.print(out, "")?;
            }
            Ok(())
        })
    }
}
