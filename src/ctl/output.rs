//! Where results go: tables and text for people, one JSON value per line for scripts.
//!
//! Everything a command prints on stdout passes here, so that a closed pipe, `--json`, and colour are decided once.
//! Text that comes from others must have passed [`terminal`] or be given to a method that says it
//! does that.

use std::{
    env,
    io::{self, BufWriter, IsTerminal, Write},
};

use serde::Serialize;
use serde_json::value::RawValue;

use super::{CtlError, terminal};

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// One JSON value per line instead of text.
    pub(crate) json: bool,
    /// Colours and emphasis.
    pub(crate) colour: bool,
    /// Fit tables to the terminal; whole cells otherwise, because a script or a pager wants them.
    pub(crate) fit: bool,
}

impl Look {
    /// What stdout can take: colours only on a terminal, and not if `NO_COLOR` is set to anything.
    pub(crate) fn of_stdout(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { json, colour: terminal && !no_colour && !dumb, fit: terminal }
    }
}

/// A result's way out.
pub(crate) struct Out<'a> {
    writer: Box<dyn Write + 'a>,
    pub(crate) look: Look,
}

impl std::fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out").field("look", &self.look).finish_non_exhaustive()
    }
}

impl<'a> Out<'a> {
    /// Standard output.
    pub(crate) fn stdout(json: bool) -> Self {
        Self { writer: Box::new(BufWriter::new(io::stdout())), look: Look::of_stdout(json) }
    }

    /// Any other writer, without colours: files, tests.
    pub(crate) fn to(writer: impl Write + 'a, json: bool) -> Self {
        Self { writer: Box::new(writer), look: Look { json, colour: false, fit: false } }
    }

    /// A line of our own words.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<(), CtlError> {
        Ok(writeln!(self.writer, "{}", text.as_ref())?)
    }

    /// Text that brings its own line ends.
    pub(crate) fn text(&mut self, text: impl AsRef<str>) -> Result<(), CtlError> {
        Ok(self.writer.write_all(text.as_ref().as_bytes())?)
    }

    /// A value as a line of JSON.
    pub(crate) fn json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), CtlError> {
        let line = serde_json::to_string(value).map_err(CtlError::failed)?;
        self.line(terminal::json_line(&line))
    }

    /// A server's JSON as a line, its bytes kept as far as one line allows.
    pub(crate) fn raw(&mut self, value: &RawValue) -> Result<(), CtlError> {
        self.line(terminal::json_line(value.get()))
    }

    /// With `--json` the value, otherwise a line of words.
    pub(crate) fn say(&mut self, value: &(impl Serialize + ?Sized), words: impl AsRef<str>) -> Result<(), CtlError> {
        if self.look.json { self.json(value) } else { self.line(words) }
    }

    /// Makes it seen: at the end, and after each entry of something that is followed live.
    pub(crate) fn flush(&mut self) -> Result<(), CtlError> {
        Ok(self.writer.flush()?)
    }
}

/// Says something to the person at the terminal, beside the result. A closed stderr is nobody's loss.
pub(crate) fn note(text: &str) {
    let _unheard = writeln!(io::stderr(), "{}", terminal::one_line(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error = Out::to(Closed, false).line("x").unwrap_err();
        assert_eq!(error.kind.code(), 0);
    }

    #[test]
    fn json_of_others_is_one_line_and_harmless() {
        let mut bytes = Vec::new();
        let raw: Box<RawValue> = serde_json::from_str("{\n \"a\" : \"\u{9b}\" }").expect("is JSON");
        Out::to(&mut bytes, true).raw(&raw).expect("writes");
        assert_eq!(String::from_utf8(bytes).expect("text"), "{ \"a\" : \"\\u009b\" }\n");
    }
}
