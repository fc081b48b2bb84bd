//! The terminal that the screen takes, gives back and measures.

use std::io;

use crate::terminal::tty::{Terminal, WindowSize};

/// The terminal that is drawn on.
pub(super) enum Tty {
    /// That of this process.
    Real(Terminal),
    /// One that is always this large, and never suspended.
    #[cfg(test)]
    Fake(WindowSize),
}

pub(super) fn measure() -> io::Result<WindowSize> {
    WindowSize::measure(|name| std::env::var(name).ok())
}

impl Tty {
    pub(super) fn size(&self) -> io::Result<WindowSize> {
        match self {
            Self::Real(_) => measure(),
            #[cfg(test)]
            Self::Fake(size) => Ok(*size),
        }
    }

    pub(super) fn suspend(&self) {
        match self {
            Self::Real(terminal) => terminal.suspend(),
            #[cfg(test)]
            Self::Fake(_) => {}
        }
    }

    pub(super) fn set_farewell(&self, bytes: Vec<u8>) {
        match self {
            Self::Real(terminal) => terminal.set_farewell(bytes),
            #[cfg(test)]
            Self::Fake(_) => {}
        }
    }

    pub(super) fn report_releases(&self) -> Vec<u8> {
        match self {
            Self::Real(terminal) => terminal.report_releases(),
            #[cfg(test)]
            Self::Fake(_) => Vec::new(),
        }
    }

    pub(super) fn resume(&self) -> io::Result<()> {
        match self {
            Self::Real(terminal) => terminal.resume(),
            #[cfg(test)]
            Self::Fake(_) => Ok(()),
        }
    }
}
