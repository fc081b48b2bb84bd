//! A peer that answers whoever it meets: sends the moving pattern, draws what it gets on a screen
//! nobody sees, and answers every chat line. It looks for the next stranger when one leaves.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::{num::NonZeroU32, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;
use meoww_cli::{
    api::Api,
    config::{self, Paths},
    core::event::{CallEvent, Command, EndReason, Stats},
    driver::{Options, Session},
    media::source::Camera,
    session::SessionFile,
};
use meoww_examples::{
    account::{ThrowAway, throw_away},
    offscreen::{Offscreen, snapshot},
};
use ratatui::layout::Size;
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};

#[derive(Parser)]
#[command(about = "A peer that answers whoever it meets")]
struct Args {
    /// The server [default: the one `meoww` uses]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Sign up a throw-away account, whose code is mailed to this folder of the server's
    /// (DATA_DIR/outbox) [default: the session `meoww login` left]
    #[arg(long, value_name = "DIR")]
    outbox: Option<PathBuf>,
    /// What the other side sees, as for `meoww search`
    #[arg(long, default_value = "pattern")]
    camera: Camera,
    /// Quit after this many calls
    #[arg(long, value_name = "N")]
    rounds: Option<NonZeroU32>,
    /// Leave a call after so long
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    duration: Option<Duration>,
    /// Print the last picture of each call as text
    #[arg(long)]
    snapshot: bool,
}

/// What the bot's screen would show.
const SCREEN: Size = Size { width: 160, height: 45 };
const SNAPSHOT: Size = Size { width: 78, height: 22 };

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bot: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let paths = Paths::of_user()?;
    let server = config::server(&paths, args.server.as_deref())?;
    let (api, _account) = match &args.outbox {
        Some(outbox) => {
            let account = throw_away(server, outbox).await?;
            (account.api.clone(), Some(account))
        }
        None => (Arc::new(Api::new(server, SessionFile::new(paths.sessions))?), None::<ThrowAway>),
    };
    let options =
        Options { api, camera: args.camera.clone(), relay_only: false, terms: Default::default() };
    let session = Session::start(options).await?;
    let offscreen = Offscreen::attach(&session, SCREEN);
    let bot = Bot { args, session, offscreen, calls: 0, blank: 0, stats: None, over: None };
    bot.run().await
}

struct Bot {
    args: Args,
    session: Session,
    offscreen: Offscreen,
    calls: u32,
    /// Calls in which nothing was drawn.
    blank: u32,
    stats: Option<Stats>,
    over: Option<Instant>,
}

impl Bot {
    async fn run(mut self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        self.say(Command::Search).await;
        loop {
            let over = self.over;
            tokio::select! {
                event = self.session.events.recv() => match event {
                    Some(event) => self.event(event).await,
                    None => break,
                },
                () = async { sleep_until(over.expect("guarded")).await }, if over.is_some() => {
                    self.over = None;
                    self.show();
                    self.say(Command::Leave).await;
                }
                _ = terminate.recv() => self.say(Command::Quit).await,
                _ = tokio::signal::ctrl_c() => self.say(Command::Quit).await,
            }
        }
        self.session.finish().await?;
        anyhow::ensure!(self.blank == 0, "nothing was drawn in {} of the calls", self.blank);
        Ok(())
    }

    async fn say(&self, command: Command) {
        // The session is gone only when its events have ended too, which the loop sees.
        let _ = self.session.commands.send(command).await;
    }

    async fn event(&mut self, event: CallEvent) {
        match event {
            CallEvent::Connected { .. } => {
                self.stats = None;
                self.offscreen.take();
                #[expect(clippy::disallowed_methods, reason = "the bot's own clock")]
                let now = Instant::now();
                self.over = self.args.duration.map(|duration| now + duration);
            }
            CallEvent::Message { text, from_self: false } => {
                self.say(Command::Chat(format!("Meow! You said: {text}"))).await;
            }
            CallEvent::Stats(stats) => self.stats = Some(stats),
            CallEvent::Ended(reason) => self.ended(reason).await,
            CallEvent::Notice(text) => eprintln!("bot: {text}"),
            CallEvent::Announcement(text) => eprintln!("bot: the server says: {text}"),
            CallEvent::Refused { message, .. } => eprintln!("bot: refused: {message}"),
            CallEvent::Searching => println!("{}", json!({"event": "searching"})),
            CallEvent::Matched { .. }
            | CallEvent::FirstFrame
            | CallEvent::Message { from_self: true, .. }
            | CallEvent::ServerLost { .. }
            | CallEvent::ServerBack
            | CallEvent::Blocked { .. }
            | CallEvent::Reported { .. }
            | CallEvent::Presence(_)
            | CallEvent::Draining { .. } => {}
        }
    }

    async fn ended(&mut self, reason: EndReason) {
        self.over = None;
        self.calls += 1;
        let drawn = self.offscreen.take();
        self.blank += u32::from(drawn.frames == 0);
        println!(
            "{}",
            json!({
                "event": "call-over",
                "reason": reason,
                "framesDrawn": drawn.frames,
                "terminalBytes": drawn.bytes,
                "stats": self.stats,
            })
        );
        let enough = self.args.rounds.is_some_and(|rounds| self.calls >= rounds.get());
        self.say(if enough { Command::Quit } else { Command::Search }).await;
    }

    fn show(&self) {
        let frame = self.session.remote.borrow().clone();
        if let (true, Some(frame)) = (self.args.snapshot, frame) {
            println!("{}", snapshot(&frame, SNAPSHOT));
        }
    }
}
