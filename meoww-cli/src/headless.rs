//! A call without a screen: events out, commands in, one JSON object (or sentence) a line.

use std::{io::BufRead, num::NonZeroU32, time::Duration};

use meoww_proto::signal::Presence;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    core::event::{CallEvent, Command, EndReason, InvalidReason, Stats},
    driver::ClientHandle,
    error::Error,
    output::Output,
};

/// When a script has had enough.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// Quit after this many calls.
    pub rounds: Option<NonZeroU32>,
    /// Skip to the next after so long in a call.
    pub duration: Option<Duration>,
}

/// A line of stdin.
#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Message { text: String },
    Skip,
    Block,
    Report { reason: String },
    Leave,
}

struct Headless {
    client: ClientHandle,
    plan: Plan,
    out: Output,
    ended: u32,
    call_over: Option<Instant>,
}

/// Runs until the plan is fulfilled, a `leave`, or a signal.
pub async fn run(client: ClientHandle, plan: Plan, out: Output) -> Result<(), Error> {
    let signals = |kind| signal(kind).map_err(|error| Error::Other(error.to_string()));
    let (mut terminate, mut interrupt) =
        (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    let mut lines = stdin_lines();
    let mut headless = Headless { client, plan, out, ended: 0, call_over: None };
    headless.command(Command::Search).await;
    loop {
        let over = headless.call_over;
        tokio::select! {
            event = headless.client.events.recv() => match event {
                Some(event) => headless.event(event).await?,
                None => break,
            },
            Some(line) = lines.recv() => headless.line(&line).await?,
            () = async { sleep_until(over.expect("guarded")).await }, if over.is_some() => {
                headless.call_over = None;
                let last = headless.is_last(headless.ended + 1);
                headless.command(if last { Command::Quit } else { Command::Skip }).await;
            }
            _ = terminate.recv() => headless.command(Command::Quit).await,
            _ = interrupt.recv() => headless.command(Command::Quit).await,
        }
    }
    headless.client.finish().await
}

impl Headless {
    async fn command(&self, command: Command) {
        // The driver is gone only when its events have ended too, which the loop sees.
        let _ = self.client.commands.send(command).await;
    }

    fn is_last(&self, ended: u32) -> bool {
        self.plan.rounds.is_some_and(|rounds| ended >= rounds.get())
    }

    async fn event(&mut self, event: CallEvent) -> Result<(), Error> {
        let (text, data) = described(&event);
        self.out.result(&text, &data).map_err(|error| Error::Other(error.to_string()))?;
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
                    self.command(Command::Quit).await;
                } else if reason != EndReason::Left {
                    self.command(Command::Search).await;
                }
            }
            CallEvent::Searching
            | CallEvent::SearchEnded
            | CallEvent::Matched { .. }
            | CallEvent::FirstFrame
            | CallEvent::PartnerCamera { .. }
            | CallEvent::NoPicture(_)
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
        Ok(())
    }

    async fn line(&self, line: &str) -> Result<(), Error> {
        match asked(line) {
            Ok(command) => self.command(command).await,
            Err(why) => {
                let text = format!("Not a command: {why}");
                let data = json!({"event": "error", "code": "bad-command", "message": text});
                self.out.result(&text, &data).map_err(|error| Error::Other(error.to_string()))?;
            }
        }
        Ok(())
    }
}

/// What a line asks for, or why it does not.
fn asked(line: &str) -> Result<Command, String> {
    let line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    Ok(match line {
        Line::Message { text } => Command::Chat(text),
        Line::Skip => Command::Skip,
        Line::Block => Command::Block,
        Line::Report { reason } => {
            Command::Report(reason.parse().map_err(|error: InvalidReason| error.to_string())?)
        }
        Line::Leave => Command::Quit,
    })
}

/// Reads on a thread of its own: a blocked read must not keep the program from ending.
fn stdin_lines() -> mpsc::Receiver<String> {
    let (lines, received) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if !line.trim().is_empty() && lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    received
}

/// An event for people and for scripts.
fn described(event: &CallEvent) -> (String, Value) {
    match event {
        CallEvent::Searching => ("Searching.".into(), json!({"event": "searching"})),
        CallEvent::SearchEnded => ("No longer searching.".into(), json!({"event": "search-ended"})),
        CallEvent::Matched { room_id, is_initiator } => (
            "Matched; connecting.".into(),
            json!({"event": "matched", "roomId": room_id, "isInitiator": is_initiator}),
        ),
        CallEvent::Connected { relayed } => (
            format!("Connected, {}.", if *relayed { "relayed" } else { "directly" }),
            json!({"event": "connected", "relayed": relayed}),
        ),
        CallEvent::FirstFrame => ("First picture.".into(), json!({"event": "first-frame"})),
        CallEvent::PartnerCamera { on } => (
            format!("Their camera is {}.", if *on { "on" } else { "off" }),
            json!({"event": "partner-camera", "on": on}),
        ),
        CallEvent::NoPicture(why) => {
            (why.to_string(), json!({"event": "notice", "message": why.to_string()}))
        }
        CallEvent::Message { text, from_self } => (
            format!("{}: {text}", if *from_self { "you" } else { "stranger" }),
            json!({"event": "message", "text": text, "fromSelf": from_self}),
        ),
        CallEvent::Ended(reason) => {
            ("The call is over.".into(), json!({"event": "peer-disconnected", "reason": reason}))
        }
        CallEvent::ServerLost { retry_in } => (
            format!("Server lost; trying again in {} ms.", retry_in.as_millis()),
            json!({"event": "server-lost", "retryInMs": retry_in.as_millis()}),
        ),
        CallEvent::ServerBack => ("Server back.".into(), json!({"event": "server-back"})),
        CallEvent::Refused { code, message } => (
            format!("Refused: {message}"),
            json!({"event": "error", "code": code, "message": message}),
        ),
        CallEvent::Blocked { room_id } => {
            ("Blocked.".into(), json!({"event": "blocked", "roomId": room_id}))
        }
        CallEvent::Reported { room_id } => {
            ("Reported.".into(), json!({"event": "reported", "roomId": room_id}))
        }
        CallEvent::Presence(Presence { online, searching }) => (
            format!("{online} online, {searching} searching."),
            json!({"event": "presence", "online": online, "searching": searching}),
        ),
        CallEvent::Draining { seconds } => (
            format!("The server goes down in {seconds} s; the next one is looked for."),
            json!({"event": "draining", "seconds": seconds}),
        ),
        CallEvent::Announcement(text) => {
            (format!("The server says: {text}"), json!({"event": "notice", "message": text}))
        }
        CallEvent::Notice(text) => (text.clone(), json!({"event": "notice", "message": text})),
        CallEvent::Stats(stats) => figures(stats),
    }
}

fn figures(stats: &Stats) -> (String, Value) {
    let text = format!(
        "{:.0} fps in, {:.0} fps out, {:.0} kbit/s in",
        stats.fps_in, stats.fps_out, stats.kbps_in
    );
    let mut data = json!(stats);
    data["event"] = "stats".into();
    (text, data)
}
