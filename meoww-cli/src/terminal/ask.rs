//! Asks a terminal, and waits for what it owes before it is given back.

use std::{io, time::Duration};

use meoww_paint::kitty::Questions;
use tokio::time::timeout;

use super::{
    input::{Inputs, TerminalInput},
    probe::Probe,
    writer::Writer,
};

/// Answers that take longer are not waited for; they are taken up when they come.
pub const ANSWERS_WITHIN: Duration = Duration::from_millis(150);
/// How long a terminal that was never known to answer may hold up the end.
const LAST_ANSWERS: Duration = Duration::from_millis(250);
/// How long one that answers may.
const LAST_ANSWERS_OWED: Duration = Duration::from_secs(2);
/// Keys pressed while the answers are waited for: as many as wait in the queue of keys.
const MAX_EARLY: usize = 256;

/// Asks `probe`'s questions and waits until the last one is answered, [`ANSWERS_WITHIN`] at most.
/// Returns the keys that were pressed meanwhile.
///
/// # Errors
///
/// The terminal is gone.
pub async fn ask(
    probe: &mut Probe,
    writer: &mut Writer,
    inputs: &mut Inputs,
) -> io::Result<Vec<TerminalInput>> {
    Questions::offer();
    writer.ask(&probe.questions());
    let keys = listen(probe, writer, inputs, Probe::is_answered).await;
    Questions::withdraw();
    keys
}

/// Waits until `is_enough`, [`ANSWERS_WITHIN`] at most, and takes up what comes meanwhile. Returns the
/// keys among it.
///
/// # Errors
///
/// The terminal is gone.
pub async fn listen(
    probe: &mut Probe,
    writer: &mut Writer,
    inputs: &mut Inputs,
    is_enough: impl Fn(&Probe) -> bool,
) -> io::Result<Vec<TerminalInput>> {
    let mut keys = Vec::new();
    let answers = async {
        while !is_enough(probe) {
            tokio::select! {
                input = inputs.recv() => match input.ok_or(io::ErrorKind::BrokenPipe)?? {
                    TerminalInput::Reply(reply) => {
                        writer.reply(&reply);
                        probe.reply(&reply);
                    }
                    key if keys.len() < MAX_EARLY => keys.push(key),
                    _ => {}
                },
                shown = writer.progress() => {
                    shown?;
                }
            }
        }
        io::Result::Ok(())
    };
    timeout(ANSWERS_WITHIN, answers).await.unwrap_or(Ok(()))?;
    Ok(keys)
}

/// Waits for the answers that are on their way: after the terminal was given back, they would be typed
/// into the shell. Keys are dropped.
pub async fn last_answers(writer: &mut Writer, inputs: &mut Inputs) {
    writer.abandon();
    let patience = if writer.has_answered() { LAST_ANSWERS_OWED } else { LAST_ANSWERS };
    let answers = async {
        while writer.is_asking() {
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(Ok(TerminalInput::Reply(reply))) => _ = writer.reply(&reply),
                    Some(Ok(TerminalInput::Key(_) | TerminalInput::Paste { .. })) => {}
                    Some(Err(_)) | None => return,
                },
                shown = writer.progress() => if shown.is_err() { return },
            }
        }
    };
    let _ = timeout(patience, answers).await;
}
