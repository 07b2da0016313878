//! `rcsctl session ...`, one file per command.

use clap::{Args, Subcommand};

use super::{Context, CtlError};
use crate::domain::SessionId;

mod archive;
mod create;
mod export;
mod list;
mod replay;
mod search;
mod send;
mod show;
mod source;
mod steer;
mod tail;

/// See [`Command::Session`](super::cli::Command::Session).
#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// List sessions, the most recently active first
    List(list::List),
    /// Show a session and what waits for its worker
    Show(show::Show),
    /// Begin a session
    Create(create::Create),
    /// Write to the agent
    Send(send::Send),
    /// Follow what happens
    Tail(tail::Tail),
    /// Put sessions away
    Archive(archive::Archive),
    /// Change a session's title
    Rename(steer::Rename),
    /// Put a session before the others on people's screens
    Pin(Which),
    /// Put it back among the others
    Unpin(Which),
    /// Find what was said in sessions, or their titles: all of the words, in any case
    Search(search::Search),
    /// Stop the agent's turn; its open questions are denied
    Interrupt(Which),
    /// Ask for a permission mode (default, acceptEdits, plan, ...)
    Mode(steer::Mode),
    /// Ask for a model ("default" for its own)
    Model(steer::Model),
    /// Replay what happened, as text a person can read: who said what, which tools were called, who allowed them
    Replay(replay::Replay),
    /// Write a session's history to a file or stdout
    Export(export::Export),
}

/// One session.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Which {
    /// The session
    #[arg(value_name = "SESSION")]
    pub(crate) id: SessionId,
}

impl Session {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        match self {
            Self::List(command) => command.run(context),
            Self::Show(command) => command.run(context),
            Self::Create(command) => command.run(context),
            Self::Send(command) => command.run(context),
            Self::Tail(command) => command.run(context),
            Self::Archive(command) => command.run(context),
            Self::Rename(command) => command.run(context),
            Self::Pin(which) => steer::pin(which, true, context),
            Self::Unpin(which) => steer::pin(which, false, context),
            Self::Search(command) => command.run(context),
            Self::Interrupt(which) => steer::interrupt(which, context),
            Self::Mode(command) => command.run(context),
            Self::Model(command) => command.run(context),
            Self::Replay(command) => command.run(context),
            Self::Export(command) => command.run(context),
        }
    }
}
