//! A call without a screen: events out, commands in, one JSON object (or sentence) a line.

mod described;
mod printer;
mod stdin;

use std::{collections::VecDeque, num::NonZeroU32, time::Duration};

use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use self::{
    described::described,
    printer::{Line, Printer},
    stdin::{Asked, read_stdin},
};
use crate::{
    core::event::{CallEvent, Command, EndReason},
    driver::ClientHandle,
    error::Error,
    output::Output,
    terminal::signals::{self, Signal},
};

/// How long the end may wait for a reader of the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// When a script has had enough.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// Quit after this many calls.
    pub rounds: Option<NonZeroU32>,
    /// Skip to the next after so long in a call.
    pub duration: Option<Duration>,
}

/// Runs until the plan is fulfilled, a `leave`, a signal, or until nobody reads the events any more.
pub async fn run(client: ClientHandle, plan: Plan, out: Output) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Other(error.to_string());
    let signals = signals::listen_for_end().map_err(failed)?;
    let printer = Printer::start(out).map_err(failed)?;
    let stdin = read_stdin().map_err(failed)?;
    let ClientHandle { commands, events, running, .. } = client;
    let mut ends = Ends { commands, events, signals, stdin, lines: printer.lines.clone() };
    let mut headless = Headless::new(plan);
    headless.run(&mut ends).await;
    signals::end();
    let Ends { commands, events, .. } = ends;
    // Without commands the client says goodbye, at once: it waits for no reader.
    drop(commands);
    let rest = print_rest(headless.unprinted, events, printer);
    let (ended, printed) = tokio::join!(running.finish(), timeout(LAST_LINES, rest));
    ended?;
    printed.unwrap_or(Ok(())).map_err(failed)
}

/// Prints what is still to be said. Events end with the client, or with this.
async fn print_rest(
    unprinted: VecDeque<Line>,
    mut events: mpsc::Receiver<CallEvent>,
    printer: Printer,
) -> std::io::Result<()> {
    for line in unprinted {
        let _ = printer.lines.send(line).await;
    }
    while let Some(event) = events.recv().await {
        let _ = printer.lines.send(described(&event)).await;
    }
    printer.finish().await
}

/// What the loop is connected to.
struct Ends {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<CallEvent>,
    signals: mpsc::Receiver<Signal>,
    stdin: mpsc::Receiver<Asked>,
    lines: mpsc::Sender<Line>,
}

struct Headless {
    plan: Plan,
    ended: u32,
    call_over: Option<Instant>,
    /// Commands on their way to the client, which takes them one by one.
    wanted: VecDeque<Command>,
    /// Lines on their way to the printer.
    unprinted: VecDeque<Line>,
}

impl Headless {
    fn new(plan: Plan) -> Self {
        let wanted = VecDeque::from([Command::Search]);
        Self { plan, ended: 0, call_over: None, wanted, unprinted: VecDeque::new() }
    }

    /// Returns when the client is to quit or has ended. Never waits for one thing alone: the client
    /// may wait for its events to be taken before it takes a command.
    async fn run(&mut self, ends: &mut Ends) {
        while self.wanted.front() != Some(&Command::Quit) {
            let over = self.call_over;
            tokio::select! {
                _ = ends.signals.recv() => return,
                permit = ends.commands.reserve(), if !self.wanted.is_empty() => {
                    let (Ok(permit), Some(command)) = (permit, self.wanted.pop_front()) else { return };
                    permit.send(command);
                }
                permit = ends.lines.reserve(), if !self.unprinted.is_empty() => {
                    let (Ok(permit), Some(line)) = (permit, self.unprinted.pop_front()) else { return };
                    permit.send(line);
                }
                event = ends.events.recv(), if self.unprinted.is_empty() => match event {
                    Some(event) => self.event(&event),
                    None => return,
                },
                Some(asked) = ends.stdin.recv(), if self.is_idle() => self.asked(asked),
                () = async { sleep_until(over.expect("guarded")).await }, if over.is_some() => {
                    self.call_over = None;
                    let last = self.is_last(self.ended + 1);
                    self.wanted.push_back(if last { Command::Quit } else { Command::Skip });
                }
            }
        }
    }

    /// Whether nothing waits for the client or the reader. A script that is faster has to wait, too.
    fn is_idle(&self) -> bool {
        self.wanted.is_empty() && self.unprinted.is_empty()
    }

    fn is_last(&self, ended: u32) -> bool {
        self.plan.rounds.is_some_and(|rounds| ended >= rounds.get())
    }

    fn event(&mut self, event: &CallEvent) {
        self.unprinted.push_back(described(event));
        match event {
            CallEvent::Connected { .. } => {
                #[expect(clippy::disallowed_methods, reason = "a script's own clock")]
                let now = Instant::now();
                self.call_over = self.plan.duration.map(|duration| now + duration);
            }
            CallEvent::Ended(reason) => {
                self.ended += 1;
                self.call_over = None;
                if self.is_last(self.ended) {
                    self.wanted.push_back(Command::Quit);
                } else if *reason != EndReason::Left {
                    self.wanted.push_back(Command::Search);
                }
            }
            CallEvent::Searching
            | CallEvent::SearchEnded
            | CallEvent::Matched { .. }
            | CallEvent::Reconnecting(_)
            | CallEvent::Reconnected { .. }
            | CallEvent::Route { .. }
            | CallEvent::GoDirect(_)
            | CallEvent::FirstFrame
            | CallEvent::PartnerCamera { .. }
            | CallEvent::NoPicture(_)
            | CallEvent::NoSound
            | CallEvent::PartnerSound { .. }
            | CallEvent::Safety(_)
            | CallEvent::Muted(_)
            | CallEvent::MutedButTalking
            | CallEvent::Message { .. }
            | CallEvent::ServerLost { .. }
            | CallEvent::ServerBack
            | CallEvent::Refused { .. }
            | CallEvent::Blocked { .. }
            | CallEvent::Reported { .. }
            | CallEvent::Presence(_)
            | CallEvent::Draining { .. }
            | CallEvent::Announcement(_)
            | CallEvent::Notice(_)
            | CallEvent::Stats(_) => {}
        }
    }

    fn asked(&mut self, asked: Asked) {
        match asked {
            Ok(command) => self.wanted.push_back(command),
            Err(why) => {
                let text = format!("Not a command: {why}");
                let data = json!({"event": "error", "code": "bad-command", "message": text});
                self.unprinted.push_back((text, data));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Asked {
        Ok(Command::Chat("x".into()))
    }

    /// As the driver does: it tells before it takes the next command, and waits to be heard.
    async fn client(mut wanted: mpsc::Receiver<Command>, told: mpsc::Sender<CallEvent>) -> usize {
        let mut taken = 0;
        while wanted.recv().await.is_some() {
            taken += 1;
            for _ in 0..2 {
                let _ = told.send(CallEvent::Searching).await;
            }
        }
        taken
    }

    fn ends() -> (Ends, mpsc::Receiver<Line>, mpsc::Sender<Asked>, mpsc::Sender<Signal>, Client) {
        let (commands, wanted) = mpsc::channel(1);
        let (told, events) = mpsc::channel(1);
        let (signal, signals) = mpsc::channel(1);
        let (say, stdin) = mpsc::channel(1);
        let (lines, printed) = mpsc::channel(1);
        let ends = Ends { commands, events, signals, stdin, lines };
        (ends, printed, say, signal, (wanted, told))
    }

    type Client = (mpsc::Receiver<Command>, mpsc::Sender<CallEvent>);

    #[tokio::test]
    async fn fast_commands_and_a_slow_reader_do_not_block_each_other() {
        let (mut ends, mut printed, say, _signal, (wanted, told)) = ends();
        let mut headless = Headless::new(Plan::default());
        let script = async {
            for _ in 0..100 {
                say.send(message()).await.expect("taken");
            }
            say.send(Ok(Command::Quit)).await.expect("taken");
        };
        let reader = async { while printed.recv().await.is_some() {} };
        let loops = async {
            headless.run(&mut ends).await;
            drop(ends);
        };
        let all = async { tokio::join!(script, reader, loops, client(wanted, told)).3 };
        let taken = timeout(Duration::from_secs(30), all).await.expect("they wait for each other");
        assert_eq!(taken, 101, "a search and the messages");
    }

    #[tokio::test]
    async fn a_signal_or_the_end_of_the_reader_ends_it_whatever_is_stuck() {
        // Nobody takes a command, and nobody reads a line.
        let (mut ends, printed, _say, signal, (_wanted, told)) = ends();
        told.send(CallEvent::Searching).await.expect("taken");
        signal.send(Signal::End).await.expect("taken");
        Headless::new(Plan::default()).run(&mut ends).await;

        drop(printed);
        // There is something to print, also if the loop before took it.
        let _ = told.try_send(CallEvent::Searching);
        Headless::new(Plan::default()).run(&mut ends).await;
    }
}
