//! Updates that a terminal shows at once.

use crossterm::{
    Command,
    terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate},
};

/// Makes `out` one update (synchronised output, private mode 2026).
pub(super) fn make_whole(out: &mut Vec<u8>) {
    let mut begin = Vec::new();
    ansi(BeginSynchronizedUpdate, &mut begin);
    out.splice(..0, begin);
    ansi(EndSynchronizedUpdate, out);
}

/// Appends a command's bytes to `out`.
pub fn ansi(command: impl Command, out: &mut Vec<u8>) {
    let mut text = String::new();
    if command.write_ansi(&mut text).is_ok() {
        out.extend_from_slice(text.as_bytes());
    }
}
