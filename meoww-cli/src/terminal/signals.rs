//! Signals that concern a terminal, and the end that nothing can hold up.

use std::{
    ffi::c_int,
    fs, io, process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rustix::process::{
    Signal as Kill, getpid, getppid, getsid, kill_current_process_group, kill_process,
};
use signal_hook::{
    consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH},
    iterator::Signals,
};
use tokio::sync::mpsc;

use super::tty;

/// How long the goodbyes and whatever else is to be done at the end may take.
const END_WITHIN: Duration = Duration::from_secs(6);
/// What a shell calls a program that Ctrl-C ended: 128 and SIGINT.
const INTERRUPTED: i32 = 130;

/// Whether the program was asked to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// What a program on a terminal is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The terminal has another size.
    Resized,
    /// Give the terminal back and stop.
    Suspend,
    /// It was stopped, and goes on.
    Continued,
    /// End.
    End,
}

/// Listens on a thread of its own, which runs whatever else is stuck: once the program was asked to
/// end, by a signal or with [`end`], another signal to end ends it at once, its terminal given back.
pub fn listen() -> io::Result<mpsc::Receiver<Signal>> {
    listen_to(&[SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH])
}

/// Like [`listen`], for a program that draws nothing: it is stopped and continued as any other.
pub fn listen_for_end() -> io::Result<mpsc::Receiver<Signal>> {
    // `nohup` has a program go on without a terminal.
    let signals = [SIGINT, SIGTERM, SIGHUP];
    listen_to(if is_hangup_ignored() { &signals[..2] } else { &signals })
}

/// Whether the program was started to ignore SIGHUP, as proc(5) says: bit 0 of `SigIgn`.
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 1))
}

fn listen_to(signals: &[c_int]) -> io::Result<mpsc::Receiver<Signal>> {
    let mut signals = Signals::new(signals)?;
    // When it is full, what waits in it says enough: sizes are asked for anew.
    let (outbox, received) = mpsc::channel(8);
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let told = match signal {
                SIGWINCH => Signal::Resized,
                SIGTSTP => Signal::Suspend,
                SIGCONT => Signal::Continued,
                _ if ENDING.load(Ordering::SeqCst) => end_now(),
                _ => {
                    end();
                    Signal::End
                }
            };
            let _ = outbox.try_send(told);
        }
    })?;
    Ok(received)
}

/// The program is about to end: from now on a signal ends it at once, and so does time.
pub fn end() {
    if ENDING.swap(true, Ordering::SeqCst) {
        return;
    }
    let watch = thread::Builder::new().name("end".into()).spawn(|| {
        thread::sleep(END_WITHIN);
        tracing::warn!("something does not end; the program ends without it");
        end_now();
    });
    if watch.is_err() {
        tracing::warn!("there is no thread left to watch over the end");
    }
}

fn end_now() -> ! {
    tty::give_back();
    process::exit(INTERRUPTED)
}

/// Stops this program, which has given the terminal back, until it is continued.
pub(super) fn stop() {
    let _ = kill_process(getpid(), Kill::STOP);
}

/// Asks all programs of this job to stop, as Ctrl-Z does. Without a shell in the same session none
/// could continue them: then nothing happens.
pub fn ask_to_suspend() {
    let has_shell = getppid().is_some_and(|parent| {
        getsid(Some(parent)).is_ok_and(|session| getsid(None) == Ok(session))
    });
    if has_shell {
        let _ = kill_current_process_group(Kill::TSTP);
    }
}
