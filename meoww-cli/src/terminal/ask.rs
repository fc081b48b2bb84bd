//! Asks a terminal, and waits for what it owes before it is given back.

use std::{io, time::Duration};

use meoww_paint::kitty::Questions;
use tokio::time::timeout;

use super::{
    flow::SYNC,
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

/// Asks `probe`'s questions and waits until all are answered, [`ANSWERS_WITHIN`] at most.
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
    let mut keys = Vec::new();
    if probe.env().is_tmux() {
        // It drops what is for the terminal around it until it has drawn the other screen.
        writer.ask(SYNC);
        keys = listen(probe, writer, inputs, Probe::is_answered).await?;
    }
    Questions::offer();
    writer.ask(&probe.questions());
    let more = listen(probe, writer, inputs, Probe::is_complete).await;
    Questions::withdraw();
    keys.extend(more?);
    Ok(keys)
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tokio::sync::mpsc;

    use super::*;
    use crate::terminal::{env::Env, input::Reply, probe::Wish, tty::WindowSize};

    /// tmux on a terminal that knows kitty's graphics: it lets nothing pass before it has answered.
    struct Tmux {
        answers: mpsc::Sender<io::Result<TerminalInput>>,
        has_answered: bool,
    }

    impl Write for Tmux {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let answer = |reply| self.answers.try_send(Ok(TerminalInput::Reply(reply))).unwrap();
            if self.has_answered && bytes.windows(7).any(|part| part == b"\x1bPtmux;") {
                (31..=33).for_each(|id| answer(Reply::Graphics { id, is_ok: true }));
            }
            if bytes.ends_with(SYNC) {
                answer(Reply::Attributes { sixel: true });
                self.has_answered = true;
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_terminal_around_tmux_is_asked_once_tmux_has_answered() {
        let (answers, queue) = mpsc::channel(100);
        let mut inputs = Inputs::from_queue(queue);
        let mut writer = Writer::new(Tmux { answers, has_answered: false }).unwrap();
        let env = Env { tmux: "/tmp/x".to_owned(), ..Env::default() };
        let window = WindowSize { columns: 80, rows: 24, pixels: None };
        let mut probe = Probe::new(env, Wish::default(), window);
        ask(&mut probe, &mut writer, &mut inputs).await.unwrap();
        // On a busy machine they may be late.
        while !probe.is_complete() {
            let answer = timeout(Duration::from_secs(30), inputs.recv()).await;
            let Ok(Some(Ok(TerminalInput::Reply(reply)))) = answer else { panic!("{answer:?}") };
            probe.reply(&reply);
        }
        assert!(probe.caps().kitty);
    }
}
