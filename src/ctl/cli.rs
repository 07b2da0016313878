//! The command line: every command, flag and variable, and the words that explain them.
//!
//! Each command's own arguments stand beside what it does, in the file of its name.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{
    CtlError, audit, bench, completions, db, device, environment,
    error::EXIT_CODES,
    key, login_link, man, notify,
    origin::{ApiKey, Origin, SERVER_DEFAULT},
    permission, session,
};

/// Looks after an RCS server: its sessions, permissions, keys and journal.
///
/// Most commands ask a running server. Those that take --file read a journal that no server has open, such as a stopped
/// server's or a backup.
#[derive(Debug, Parser)]
#[command(name = "rcsctl", version, after_help = EXIT_CODES, disable_help_subcommand = true, max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    // Not a doc comment, as below. No default of clap's, so that commands can tell whether a server was named.
    #[arg(help = format!("Address of the server [default: {SERVER_DEFAULT}]"))]
    #[arg(long, global = true, value_name = "URL", env = "RCS_SERVER", hide_env_values = true)]
    pub(crate) server: Option<String>,
    /// API key; better given in the variable, since command lines are seen by everybody on the machine. Without one,
    /// the key that the server on this machine made for itself is used, if its file can be read
    #[arg(long, global = true, value_name = "KEY", env = "RCS_API_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    // Not a doc comment: rustdoc's words would be quoted in the help.
    #[arg(help = "Data directory of the server on this machine [default: $XDG_DATA_HOME/rcs or ~/.local/share/rcs]")]
    #[arg(long, global = true, value_name = "DIR", env = "RCS_DATA", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,
    /// Print JSON, one value per line, instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Global {
    /// Where things are.
    pub(crate) fn origin(&self) -> Result<Origin, CtlError> {
        let key = self.key.as_deref().filter(|key| !key.trim().is_empty()).map(ApiKey::from);
        Origin::new(self.server.as_deref().filter(|server| !server.is_empty()), key, self.data.clone())
    }
}

/// All commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how the server is
    Status,
    /// Look at runners
    #[command(subcommand, visible_alias = "environment")]
    Env(environment::Environment),
    /// Look at conversations, take part in them, replay and export them
    #[command(subcommand)]
    Session(session::Session),
    /// Answer the questions of agents
    #[command(subcommand)]
    Permission(permission::Permission),
    /// Manage API keys
    #[command(subcommand)]
    Key(key::Key),
    /// Look after the browsers that are signed in
    #[command(subcommand)]
    Device(device::Device),
    /// Choose where you are told that an agent waits for you
    #[command(subcommand)]
    Notify(notify::Notify),
    /// Make a link that lets one browser act for your key, once and within ten minutes
    LoginLink(login_link::LoginLink),
    /// Prove that the journal is what was written
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Look after the journal's file; all but a backup need the server stopped
    #[command(subcommand)]
    Db(db::Db),
    /// Measure a server, beside what the disk and the database can do
    Bench(bench::Bench),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Write man pages into a directory
    Man(man::Man),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    /// The whole reference on one page: what changes here changes for everybody's scripts.
    #[test]
    fn the_reference_page() {
        fn page(command: &mut clap::Command, out: &mut String) {
            let help = command.render_long_help().to_string();
            // What holds everywhere is told once.
            let (own, _) = help.split_once("\nEverywhere:\n").filter(|_| !out.is_empty()).unwrap_or((&help, ""));
            let name = command.get_bin_name().unwrap_or("rcsctl");
            out.extend(["# ", name, "\n\n", own, "\n"]);
            command.get_subcommands_mut().for_each(|sub| page(sub, out));
        }
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut out = String::new();
        page(&mut command, &mut out);
        let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn an_empty_key_variable_is_no_key() {
        let cli = Cli::try_parse_from(["rcsctl", "--key", " ", "--server", "http://h", "status"]).expect("parses");
        let error = cli.global.origin().expect("an address").key().unwrap_err();
        assert_eq!(error.kind.code(), 4);
    }
}
