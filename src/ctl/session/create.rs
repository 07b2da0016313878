//! `rcsctl session create`.

use clap::Args;

use super::send::{Words, content};
use crate::{
    ctl::{Context, CtlError, list},
    domain::EnvironmentId,
    wire::web::{CreateSession, Session},
};

/// See [`Session::Create`](super::Session::Create).
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The runner that shall run it; without one it waits for a worker that knows its id
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<EnvironmentId>,
    /// Its title
    #[arg(long)]
    title: Option<String>,
    /// The first message to the agent; - reads it from stdin
    #[arg(long, value_name = "TEXT")]
    prompt: Option<Words>,
    /// The permission mode to ask for
    #[arg(long)]
    mode: Option<String>,
    /// The model to ask for
    #[arg(long)]
    model: Option<String>,
    /// The directory to begin in, where the runner lets one choose: `rcsctl env show` says
    #[arg(long, value_name = "PATH")]
    directory: Option<String>,
}

impl Create {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        let body = CreateSession {
            environment_id: self.env,
            title: self.title,
            prompt: self.prompt.map(content).transpose()?,
            model: self.model,
            permission_mode: self.mode,
            directory: self.directory,
        };
        let raw: Box<serde_json::value::RawValue> = context.client()?.post("/sessions", &body)?;
        // Only the id, so that it can be handed to the next command.
        list::one(&mut context.out, &raw, |out, made: Session| out.line(made.id.to_string()))
    }
}
