//! `rcsctl env list|show`.

use clap::{Args, Subcommand};

use super::{
    Context, CtlError,
    list::{self, List},
    table::{Columns, properties},
};
use crate::{
    domain::EnvironmentId,
    wire::web::{Choice, Environment as Wire, EnvironmentDetail, EnvironmentStatus, WorkStage},
};

/// See [`Command::Env`](super::cli::Command::Env).
#[derive(Debug, Subcommand)]
pub(crate) enum Environment {
    /// List runners
    List(Several),
    /// Show a runner and its work queue
    Show(One),
}

/// `list`.
#[derive(Debug, Args)]
pub(crate) struct Several {
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
}

/// `show`.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// The runner
    #[arg(value_name = "ENVIRONMENT")]
    id: EnvironmentId,
}

impl Environment {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        match self {
            Self::List(several) => List {
                path: "/environments",
                query: &[],
                limit: several.limit,
                headings: &["ENVIRONMENT", "STATUS", "MACHINE", "DIRECTORY", "KIND", "QUEUED", "PARKED"],
                nothing: "no runner has registered",
            }
            .print(context, |found: Wire| {
                let Wire { id, machine_name, directory, worker_type, .. } = found;
                let (queued, parked) = (found.work_queued.to_string(), found.work_parked.to_string());
                [id.to_string(), status(found.status).into(), machine_name, directory, worker_type, queued, parked]
            }),
            Self::Show(one) => one.run(context),
        }
    }
}

impl One {
    fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let raw = context.client()?.get_raw(&format!("/environments/{}", self.id), &[])?;
        list::one(&mut context.out, &raw, |out, EnvironmentDetail { environment: found, work, offers }| {
            let rows = [
                ("environment", Some(found.id.to_string())),
                ("status", Some(format!("{} since {}", status(found.status), found.changed_at))),
                ("machine", Some(found.machine_name)),
                ("directory", Some(found.directory)),
                ("branch", found.branch),
                ("repository", found.git_repo_url),
                ("kind", Some(found.worker_type)),
                ("sessions at most", Some(found.max_sessions.to_string())),
                ("agent", offers.agent),
                ("modes", ids(&offers.modes)),
                ("models", ids(&offers.models)),
                ("directories", offers.any_directory.then(|| "any; begin a session with --directory".to_owned())),
                ("registered", Some(found.registered_at)),
                ("owner", Some(found.owner_id.to_string())),
            ];
            properties(out, &rows)?;
            out.line("")?;
            let mut table = Columns::new(out, &["WORK", "SESSION", "STAGE", "QUEUED", "HANDED OUT"]);
            for item in work {
                let stage = match item.stage {
                    WorkStage::Queued => "queued",
                    WorkStage::Leased => "handed out",
                    WorkStage::Acked => "confirmed",
                    WorkStage::Parked => "PARKED",
                };
                let attempts = format!("{} times", item.attempts);
                table.row([item.id.to_string(), item.session_id.to_string(), stage.into(), item.queued_at, attempts]);
            }
            table.print(out, "its queue is empty")
        })
    }
}

fn ids(choices: &[Choice]) -> Option<String> {
    let ids: Vec<_> = choices.iter().map(|choice| choice.id.as_str()).collect();
    (!ids.is_empty()).then(|| ids.join(", "))
}

fn status(status: EnvironmentStatus) -> &'static str {
    match status {
        EnvironmentStatus::Online => "online",
        EnvironmentStatus::Offline => "offline",
        EnvironmentStatus::Deregistered => "signed off",
    }
}
