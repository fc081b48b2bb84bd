//! The terminal that a command draws on.

use std::{
    env,
    io::{self, IsTerminal},
};

use meoww_paint::{Mode, Size};

use crate::{
    cli::drawing::{Drawing, choose},
    error::{Error, Instead},
    terminal::{
        caps::{Caps, Env},
        tty::WindowSize,
    },
};

/// Returns what this terminal can do and how to draw on it.
///
/// # Errors
///
/// There is none, it is smaller than `min`, or it cannot show what is asked for.
pub(super) fn look(drawing: &Drawing, min: Size, instead: Instead) -> Result<(Caps, Mode), Error> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Error::NotATerminal(instead));
    }
    let size = WindowSize::measure(|name| env::var(name).ok());
    let WindowSize { columns, rows, cell } = size.map_err(|_| Error::NotATerminal(instead))?;
    let Size { width: min_columns, height: min_rows } = min;
    if columns < min_columns || rows < min_rows {
        return Err(Error::TerminalTooSmall { columns, rows, min_columns, min_rows });
    }
    let env = Env::read(env::var);
    if env.is_dumb() {
        return Err(Error::DumbTerminal(instead));
    }
    let mut caps = env.caps(cell);
    let mode = choose(&mut caps, drawing.render, drawing.color)?;
    Ok((caps, mode))
}
