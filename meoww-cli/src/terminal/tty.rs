//! The terminal while it is ours: taken whole, and given back as it was whatever happens.

use std::{
    io::{self, Write},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, ThreadId},
    time::Duration,
};

use crossterm::{
    cursor::{Hide, Show},
    event::{DisableBracketedPaste, EnableBracketedPaste},
    execute, queue,
    style::ResetColor,
    terminal::{
        EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};

/// Whether the terminal is ours at the moment.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// How long a terminal that does not read may hold up the end of the program.
const PATIENCE: Duration = Duration::from_millis(500);

/// The terminal in raw mode, on its other screen, without a cursor. Dropping it gives the terminal
/// back; so does a panic, before its message is printed.
#[derive(Debug)]
pub struct Terminal(());

impl Terminal {
    /// Takes the terminal; fails when there is none.
    pub fn take() -> io::Result<Self> {
        hook_panics();
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let terminal = Self(());
        execute!(io::stdout(), EnterAlternateScreen, Hide, EnableBracketedPaste)?;
        Ok(terminal)
    }

    pub(crate) fn writer(&self) -> TerminalWriter {
        TerminalWriter(())
    }
}

/// Where the screen is drawn: standard output for as long as the terminal is ours, and closed after.
#[derive(Debug)]
pub(crate) struct TerminalWriter(());

impl Write for TerminalWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Giving back waits for this lock: what was on its way cannot come after it.
        let mut out = io::stdout().lock();
        if !TAKEN.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::BrokenPipe.into());
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

fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // On a thread of its own: writing to a terminal that has stopped reading blocks for ever.
    let (done, wait) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut out = io::stdout().lock();
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
            if TAKEN.load(Ordering::SeqCst) && thread::current().id() != screen {
                tracing::error!("{info}");
                return;
            }
            give_back();
            report(info);
        }));
    });
}
