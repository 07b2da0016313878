//! A bar on stderr for work that takes a while, and only where somebody looks at it.

use std::{env, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts to `total`, or a counter where the end is not known. Invisible unless stderr is a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Begins counting `what` (a plural: "records").
    pub(crate) fn begin(what: &'static str, total: Option<u64>) -> Self {
        // indicatif draws nothing when stderr is not a terminal.
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let template = match (total.is_some(), plain) {
            (true, true) => "{wide_bar} {human_pos}/{human_len} {msg} {eta}",
            (true, false) => "{wide_bar:.cyan/dim} {human_pos}/{human_len} {msg} {eta}",
            (false, _) => "{spinner} {human_pos} {msg} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// So many are done.
    pub(crate) fn reach(&self, position: u64) {
        self.bar.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
