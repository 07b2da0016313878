//! `rcsctl completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Context, CtlError, cli::Cli};

/// See [`Command::Completions`](super::cli::Command::Completions).
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: &mut Context<'_>) -> Result<(), CtlError> {
        // The generator panics when its writer fails, so it writes into memory.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "rcsctl", &mut script);
        context.out.text(String::from_utf8_lossy(&script))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_gets_a_script_that_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rcsctl", &mut script);
            let script = String::from_utf8(script).expect("text");
            assert!(script.contains("permission") && script.contains("replay"), "{shell}");
        }
    }
}
