//! `rcsctl`: an operator's hand on a server, or on its journal when the server is down.
//!
//! Online commands speak `/api/v1` and nothing else; offline ones take the back stairs to the journal. May not know the
//! server's rooms, nor how it is put together.

use std::process::ExitCode;

use clap::Parser;

mod audit;
mod bench;
mod cli;
mod client;
mod completions;
mod db;
mod device;
mod environment;
mod error;
mod files;
mod history;
mod key;
mod list;
mod login_link;
mod man;
mod markdown;
mod message;
mod notify;
#[cfg(test)]
mod offline_tests;
mod origin;
mod output;
mod permission;
mod progress;
mod render;
mod session;
mod sse;
mod status;
mod table;
mod tell;
mod terminal;

use cli::{Cli, Command};
use client::Client;
use error::{CtlError, Kind};
use origin::Origin;
use output::Out;

/// What a command is given.
struct Context<'a> {
    origin: Origin,
    out: Out<'a>,
}

impl Context<'_> {
    fn client(&self) -> Result<Client, CtlError> {
        Client::new(&self.origin)
    }
}

/// Runs the command of the process's command line.
pub fn run() -> ExitCode {
    // clap prints help and complaints itself, and ends with 0 or 2 as we do.
    let cli = Cli::parse();
    let out = Out::stdout(cli.global.json);
    match dispatch(cli, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.kind != Kind::BrokenPipe {
                error.lines().iter().for_each(|line| output::note(line));
            }
            error.into()
        }
    }
}

fn dispatch(cli: Cli, out: Out<'_>) -> Result<(), CtlError> {
    let context = &mut Context { origin: cli.global.origin()?, out };
    let done = match cli.command {
        Command::Status => status::run(context),
        Command::Env(command) => command.run(context),
        Command::Session(command) => command.run(context),
        Command::Permission(command) => command.run(context),
        Command::Key(command) => command.run(context),
        Command::Device(command) => command.run(context),
        Command::Notify(command) => command.run(context),
        Command::LoginLink(command) => command.run(context),
        Command::Audit(command) => command.run(context),
        Command::Db(command) => command.run(context),
        Command::Bench(command) => command.run(context),
        Command::Completions(command) => command.run(context),
        Command::Man(command) => command.run(context),
    };
    // What was printed before a failure is shown before the failure is told.
    context.out.flush().and(done)
}
