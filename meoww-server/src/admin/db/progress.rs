//! How far a long command has come, on standard error if that is a terminal.

use std::{io::Read, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// How often it is drawn while nothing is read: reading is followed by writing to the database.
const TICK: Duration = Duration::from_millis(250);

/// Drawn until it is dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Counts what is read of `input`, which has `length` bytes if that is known.
    pub(super) fn of<R: Read>(&self, input: R, length: Option<u64>) -> impl Read + use<R> {
        let template = match length {
            Some(_) => "{spinner} {elapsed} {wide_bar} {bytes} of {total_bytes} read",
            None => "{spinner} {elapsed} {bytes} read",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        length.inspect(|length| self.0.set_length(*length));
        self.0.wrap_read(input)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
