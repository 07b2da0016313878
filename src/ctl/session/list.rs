//! `rcsctl session list`.

use clap::{Args, ValueEnum};

use crate::{
    ctl::{Context, CtlError, list},
    domain::EnvironmentId,
    wire::web::Session,
};

/// See [`Session::List`](super::Session::List).
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those in this state
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Only those of this runner
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<EnvironmentId>,
    /// Only those whose title has this in it
    #[arg(short, long, value_name = "TEXT")]
    query: Option<String>,
    /// Those that were put away, instead of those that were not
    #[arg(long)]
    archived: bool,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// What a session is up to.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    /// The agent waits for a prompt
    Idle,
    /// A turn is under way
    Working,
    /// The agent waits for a decision
    Waiting,
    /// No worker is there
    Offline,
}

impl List {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let status = self.status.map(|status| format!("{status:?}").to_lowercase());
        let query = [
            ("status", status),
            ("environment", self.env.map(|id| id.to_string())),
            ("q", self.query),
            ("archived", self.archived.then(|| "true".to_owned())),
        ];
        list::List {
            path: "/sessions",
            query: &query,
            limit: self.limit,
            headings: &["SESSION", "STATUS", "ACTIVE", "EVENTS", "ASKS", "TITLE"],
            nothing: "there are no such sessions",
        }
        .print(context, |found: Session| {
            let (events, asks) = (found.latest.to_string(), found.permissions_open.to_string());
            let title = found.title.unwrap_or_default();
            [found.id.to_string(), found.status.as_str().into(), found.active_at, events, asks, title]
        })
    }
}
