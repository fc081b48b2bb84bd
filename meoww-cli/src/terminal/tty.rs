//! The terminal while it is ours: taken whole, and given back as it was whatever happens.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    panic,
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
        mpsc,
    },
    thread::{self, ThreadId},
    time::Duration,
};

use crossterm::{
    cursor::{Hide, Show},
    event::{
        DisableBracketedPaste, EnableBracketedPaste, KeyboardEnhancementFlags,
        PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
    },
    execute, queue,
    style::ResetColor,
    terminal::{
        EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};
use meoww_paint::CellShape;
use rustix::{
    io::dup,
    stdio::{dup2_stdin, dup2_stdout, stdin, stdout},
    termios::{QueueSelector, tcflush, tcgetwinsize},
};

use super::signals;

/// It is the user's.
const GIVEN_BACK: u8 = 0;
/// It is ours.
const TAKEN: u8 = 1;
/// It is the user's until the program is continued.
const SUSPENDED: u8 = 2;

/// Whose the terminal is at the moment.
static OWNER: AtomicU8 = AtomicU8::new(GIVEN_BACK);

/// The bytes that are written before the terminal is given back.
static FAREWELL: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// Whether the terminal is to say that keys are repeated and let go (kitty's keyboard protocol).
static REPORTS_RELEASES: AtomicBool = AtomicBool::new(false);
const RELEASES: KeyboardEnhancementFlags = KeyboardEnhancementFlags::REPORT_EVENT_TYPES;

/// How long a terminal that does not read may hold up the end of the program.
const PATIENCE: Duration = Duration::from_millis(500);

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    /// Cells from left to right.
    pub columns: u16,
    /// Cells from top to bottom.
    pub rows: u16,
    /// Width and height of all of it in pixels, where the terminal says so.
    pub pixels: Option<(u16, u16)>,
}

impl WindowSize {
    /// Asks the kernel about standard output (TIOCGWINSZ). Some terminals and serial lines do not say
    /// how many columns and rows they have: then `LINES` and `COLUMNS` say it, or it is 80x24.
    pub fn measure(var: impl Fn(&'static str) -> Option<String>) -> io::Result<Self> {
        let size = tcgetwinsize(stdout())?;
        let unset = |value: u16, name, usual| match value {
            0 => var(name).and_then(|text| text.parse().ok()).filter(|n| *n > 0).unwrap_or(usual),
            _ => value,
        };
        let (columns, rows) = (unset(size.ws_col, "COLUMNS", 80), unset(size.ws_row, "LINES", 24));
        let pixels = Some((size.ws_xpixel, size.ws_ypixel)).filter(|(w, h)| *w > 0 && *h > 0);
        Ok(Self { columns, rows, pixels })
    }

    /// The shape of a cell.
    pub fn cell(self) -> Option<CellShape> {
        let (width, height) = self.pixels?;
        // In eighths, as a cell need not be a whole number of pixels wide.
        let share = |pixels: u16, cells: u16| {
            u16::try_from((u32::from(pixels) * 8).checked_div(cells.into())?).ok()
        };
        CellShape::new(share(width, self.columns)?, share(height, self.rows)?)
    }
}

/// The terminal in raw mode, on its other screen, without a cursor. Dropping it gives the terminal
/// back; so does a panic, before its message is printed.
#[derive(Debug)]
pub struct Terminal(());

impl Terminal {
    /// Takes the terminal; fails when there is none.
    pub fn take() -> io::Result<Self> {
        hook_panics();
        let terminal = Self(());
        seize()?;
        Ok(terminal)
    }

    /// Returns the way to draw on it.
    pub fn writer(&self) -> TerminalWriter {
        TerminalWriter(())
    }

    /// Sets what is written before the terminal is given back, by whatever ends the program.
    pub fn set_farewell(&self, bytes: Vec<u8>) {
        *FAREWELL.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }

    /// Returns what is to be written, so that the terminal says when keys are let go, to one that can.
    /// It does so until the terminal is given back, and again when it is taken again.
    pub fn report_releases(&self) -> Vec<u8> {
        REPORTS_RELEASES.store(true, Ordering::SeqCst);
        let mut out = Vec::new();
        // A vector takes all there is.
        let _ = queue!(out, PushKeyboardEnhancementFlags(RELEASES));
        out
    }

    /// Gives the terminal back and stops the program. What is drawn before [`Terminal::resume`] is
    /// lost.
    pub fn suspend(&self) {
        release(SUSPENDED);
        signals::stop();
    }

    /// Takes the terminal as if for the first time, after the program was continued: the shell may
    /// have changed it meanwhile.
    pub fn resume(&self) -> io::Result<()> {
        disable_raw_mode()?;
        seize()
    }
}

/// Where the screen is drawn: standard output for as long as the terminal is ours, and closed after.
#[derive(Debug)]
pub struct TerminalWriter(());

impl Write for TerminalWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Giving back waits for this lock: what was on its way cannot come after it.
        let mut out = io::stdout().lock();
        match OWNER.load(Ordering::SeqCst) {
            TAKEN => {}
            SUSPENDED => return Ok(bytes.len()),
            _ => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        out.write_all(bytes)?;
        out.flush()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Standard input and output as the controlling terminal, whatever they are otherwise; until it is
/// dropped.
#[derive(Debug)]
pub struct Redirected {
    stdin: OwnedFd,
    stdout: OwnedFd,
}

impl Redirected {
    /// Opens the controlling terminal; fails where there is none.
    pub fn to_terminal() -> io::Result<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let kept = Self { stdin: dup(stdin())?, stdout: dup(stdout())? };
        dup2_stdin(&terminal)?;
        dup2_stdout(&terminal)?;
        Ok(kept)
    }
}

impl Drop for Redirected {
    fn drop(&mut self) {
        let _ = dup2_stdin(&self.stdin);
        let _ = dup2_stdout(&self.stdout);
    }
}

fn seize() -> io::Result<()> {
    enable_raw_mode()?;
    OWNER.store(TAKEN, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, Hide, EnableBracketedPaste)?;
    // Each screen of a terminal has flags of its own.
    if REPORTS_RELEASES.load(Ordering::SeqCst) {
        execute!(io::stdout(), PushKeyboardEnhancementFlags(RELEASES))?;
    }
    Ok(())
}

/// Gives the terminal back, if it is ours.
pub(super) fn give_back() {
    release(GIVEN_BACK);
}

fn release(owner: u8) {
    if OWNER.swap(owner, Ordering::SeqCst) != TAKEN {
        return;
    }
    // On a thread of its own: writing to a terminal that has stopped reading blocks for ever.
    let (done, wait) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut out = io::stdout().lock();
        let _ = out.write_all(&FAREWELL.lock().unwrap_or_else(PoisonError::into_inner));
        if REPORTS_RELEASES.load(Ordering::SeqCst) {
            let _ = queue!(out, PopKeyboardEnhancementFlags);
        }
        let _ = queue!(
            out,
            EndSynchronizedUpdate,
            ResetColor,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            Show
        );
        let _ = out.flush();
        let _ = done.send(());
    });
    let _ = wait.recv_timeout(PATIENCE);
    // Replies and keys that nobody read are not for the shell.
    let _ = tcflush(stdin(), QueueSelector::IFlush);
    let _ = disable_raw_mode();
}

/// A panic on the thread that shows the screen gives the terminal back before its message. On other
/// threads the screen goes on, so the message goes to the log instead of over it.
fn hook_panics() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let screen: ThreadId = thread::current().id();
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if OWNER.load(Ordering::SeqCst) == TAKEN && thread::current().id() != screen {
                tracing::error!("{info}");
                return;
            }
            give_back();
            report(info);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_shaped_as_the_whole_divided() {
        let size = WindowSize { columns: 80, rows: 24, pixels: None };
        // 804 / 80 = 10.05 and 480 / 24 = 20, in eighths.
        let known = WindowSize { pixels: Some((804, 480)), ..size };
        assert_eq!(known.cell(), CellShape::new(80, 160));
        assert_eq!(size.cell(), None);
    }
}
