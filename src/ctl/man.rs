//! `rcsctl man DIR`.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory};

use super::{Context, CtlError, cli::Cli};

/// See [`Command::Man`](super::cli::Command::Man).
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Where to put them; created if it is not there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Man {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        fs::create_dir_all(&self.directory)?;
        let mut command = Cli::command();
        command.build();
        let mut written = Vec::new();
        write(&command, &self.directory, &mut written)?;
        context.out.say(&written, format!("{} pages in {}", written.len(), self.directory.display()))
    }
}

/// One page for the command and one for each below it: `rcsctl-session-tail.1`.
fn write(command: &clap::Command, directory: &std::path::Path, written: &mut Vec<String>) -> Result<(), CtlError> {
    let name = command.get_bin_name().unwrap_or("rcsctl").replace(' ', "-");
    let file = format!("{name}.1");
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().display_name(name)).render(&mut page)?;
    fs::write(directory.join(&file), page)?;
    written.push(file);
    command.get_subcommands().try_for_each(|sub| write(sub, directory, written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = Cli::command();
        command.build();
        let mut written = Vec::new();
        write(&command, directory.path(), &mut written).expect("writes");
        for page in ["rcsctl.1", "rcsctl-session-replay.1", "rcsctl-audit-verify.1"] {
            assert!(written.iter().any(|file| file == page), "{page}");
        }
        let page = fs::read_to_string(directory.path().join("rcsctl.1")).expect("reads");
        assert!(page.contains("Exit codes"));
    }
}
