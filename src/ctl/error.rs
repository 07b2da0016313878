//! What goes wrong in rcsctl, and the exit code that scripts see.
//!
//! The kind decides the exit code, the source says what happened, hints say what to do. This module may not print.

use std::{error::Error as StdError, io, process::ExitCode};

use crate::journal::JournalError;

/// What sort of thing went wrong; each sort has its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The operation failed, or a check found a fault.
    Failed,
    /// The command line, or something that it gave the server, is not right.
    Usage,
    /// What was named is not there.
    NotFound,
    /// The key is missing, wrong, or may not do this.
    Unauthorised,
    /// Somebody else decided first, or it is in another state.
    Conflict,
    /// The server cannot be reached or cannot answer now: trying again later may help.
    Unavailable,
    /// Whoever read our output went away (`rcsctl … | head`). Nobody wants to hear of it.
    BrokenPipe,
}

impl Kind {
    /// The number the process ends with.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unauthorised => 4,
            Self::Conflict => 5,
            Self::Unavailable => 6,
        }
    }
}

/// The same, as `--help` explains it.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the operation failed, or a check found a fault
  2  the command line is wrong, or the server did not accept what was sent
  3  what was named does not exist
  4  the key is missing, wrong, or may not do this
  5  conflict: somebody decided first, or it is in another state
  6  the server cannot be reached or is not able to answer now";

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct CtlError {
    pub(crate) kind: Kind,
    pub(crate) source: Box<dyn StdError + Send + Sync>,
    pub(crate) hints: Vec<String>,
}

impl CtlError {
    /// An error of this kind.
    pub(crate) fn new(kind: Kind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), hints: Vec::new() }
    }

    /// See [`Kind::Failed`].
    pub(crate) fn failed(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Failed, source)
    }

    /// See [`Kind::Usage`].
    pub(crate) fn usage(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Kind::Usage, source)
    }

    /// The same, with something to try.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What is to be printed: the error, causes that it does not mention itself, and hints.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut said = self.source.to_string();
        let mut lines = vec![format!("error: {said}")];
        let mut cause = self.source.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                lines.push(format!("  because: {text}"));
                said.push_str(&text);
            }
            cause = error.source();
        }
        lines.extend(self.hints.iter().map(|hint| format!("hint: {hint}")));
        lines
    }
}

impl From<CtlError> for ExitCode {
    fn from(error: CtlError) -> Self {
        Self::from(error.kind.code())
    }
}

impl From<io::Error> for CtlError {
    fn from(error: io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::BrokenPipe { Kind::BrokenPipe } else { Kind::Failed };
        Self::new(kind, error)
    }
}

impl From<JournalError> for CtlError {
    fn from(error: JournalError) -> Self {
        let kind = match error {
            JournalError::InUse { .. } => Kind::Unavailable,
            JournalError::Gap { .. } => Kind::NotFound,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_kind_has_the_code_that_help_promises() {
        let kinds = [Kind::Failed, Kind::Usage, Kind::NotFound, Kind::Unauthorised, Kind::Conflict, Kind::Unavailable];
        for (index, kind) in kinds.into_iter().enumerate() {
            assert_eq!(usize::from(kind.code()), index + 1);
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", kind.code())));
        }
        assert_eq!(Kind::BrokenPipe.code(), 0, "`rcsctl … | head` did what was wanted");
    }

    #[test]
    fn causes_are_told_once() {
        let error = JournalError::Storage { doing: "write", source: "disk full".into() };
        let error = CtlError::from(error).hint("make room");
        assert_eq!(error.lines(), ["error: the journal cannot write: disk full", "hint: make room"]);
        let in_use = CtlError::from(JournalError::InUse { path: PathBuf::from("/j") });
        assert_eq!(in_use.kind.code(), 6);
        assert_eq!(CtlError::from(io::Error::from(io::ErrorKind::BrokenPipe)).kind, Kind::BrokenPipe);
    }
}
