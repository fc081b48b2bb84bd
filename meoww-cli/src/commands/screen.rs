//! The terminal that a command draws on.

use std::{
    env,
    io::{self, IsTerminal},
};

use meoww_paint::Size;

use crate::{
    cli::drawing::Drawing,
    error::{Error, Instead},
    terminal::{env::Env, probe::Probe, tty::WindowSize},
};

/// Returns this terminal, to be asked what it can do.
///
/// # Errors
///
/// There is none, it is smaller than `min`, or it cannot show what is asked for.
pub(super) fn look(drawing: &Drawing, min: Size, instead: Instead) -> Result<Probe, Error> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Error::NotATerminal(instead));
    }
    let size = WindowSize::measure(|name| env::var(name).ok());
    let window = size.map_err(|_| Error::NotATerminal(instead))?;
    let WindowSize { columns, rows, .. } = window;
    let Size { width: min_columns, height: min_rows } = min;
    if columns < min_columns || rows < min_rows {
        return Err(Error::TerminalTooSmall { columns, rows, min_columns, min_rows });
    }
    let env = Env::read(env::var);
    if env.is_dumb() {
        return Err(Error::DumbTerminal(instead));
    }
    let wish = drawing.wish(&env)?;
    Ok(Probe::new(env, wish, window))
}
