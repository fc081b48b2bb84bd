//! A demo partner: films an animated cat, renders received pictures off screen, greets, answers
//! chat lines, and searches again when a partner leaves.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

mod wit;

use std::{
    collections::VecDeque, num::NonZeroU32, path::PathBuf, process::ExitCode, sync::Arc,
    time::Duration,
};

use clap::Parser;
use meoww_cli::{
    api::Api,
    config::{self, Paths},
    core::event::{CallEvent, Command, EndReason, Stats},
    driver::{ClientHandle, Options},
    picture::source::Camera,
    session::SessionFile,
    sound::{AudioIn, AudioOut, SoundConfig},
};
use meoww_examples::{
    account::{ThrowAway, throw_away},
    cat,
    offscreen::{Offscreen, snapshot},
};
use meoww_paint::Size;
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};

#[derive(Parser)]
#[command(about = "A cat that talks to whoever it meets")]
struct Args {
    /// The server, or the nodes of one [default: those `meoww` uses]
    #[arg(long, value_name = "URL,...")]
    server: Option<String>,
    /// Sign up a throw-away account, whose code is mailed to this folder of the server's
    /// (DATA_DIR/outbox) [default: the session `meoww login` left]
    #[arg(long, value_name = "DIR")]
    outbox: Option<PathBuf>,
    /// What the other side sees, as for `meoww search` [default: a cat]
    #[arg(long)]
    camera: Option<Camera>,
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
/// Time the cat takes to type a line.
const TYPING: Duration = Duration::from_millis(1500);
/// Time between the goodbye and the end of the call.
const GOODBYE_BEFORE: Duration = Duration::from_secs(4);
/// Lines that may wait to be typed; further ones get no answer.
const MAX_LINES: usize = 6;

#[expect(clippy::disallowed_methods, reason = "the bot's own clock")]
fn now() -> Instant {
    Instant::now()
}

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
    let servers = config::servers(&paths, args.server.as_deref())?;
    let (api, _account) = match &args.outbox {
        Some(outbox) => {
            let account = throw_away(servers, outbox).await?;
            (account.api.clone(), Some(account))
        }
        None => (Arc::new(Api::new(servers, SessionFile::new(paths.sessions))?), None::<ThrowAway>),
    };
    let camera = args.camera.clone().unwrap_or(Camera::Drawn(cat::picture));
    let (input, output) = (AudioIn::Made(cat::voice), AudioOut::None);
    let sound = SoundConfig { input, output, ..SoundConfig::default() };
    let options = Options {
        api,
        camera,
        sound,
        way: None,
        terms: Default::default(),
        congestion_control: Default::default(),
    };
    let client = ClientHandle::start(options).await?;
    let offscreen = Offscreen::attach(&client, SCREEN);
    let bot = Bot {
        args,
        client,
        offscreen,
        calls: 0,
        blank: 0,
        stats: None,
        goodbye: None,
        over: None,
        lines: VecDeque::new(),
        answers: 0,
    };
    bot.run().await
}

/// An action the bot takes on its own.
enum Turn {
    Say(&'static str),
    Goodbye,
    Leave,
}

struct Bot {
    args: Args,
    client: ClientHandle,
    offscreen: Offscreen,
    calls: u32,
    /// Calls in which nothing was drawn.
    blank: u32,
    stats: Option<Stats>,
    /// When it says goodbye.
    goodbye: Option<Instant>,
    /// When it leaves the call.
    over: Option<Instant>,
    /// Lines waiting to be typed, each with its time.
    lines: VecDeque<(Instant, &'static str)>,
    /// Answers given in this call.
    answers: usize,
}

impl Bot {
    async fn run(mut self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        self.say(Command::Search).await;
        loop {
            let turn = self.next_turn();
            tokio::select! {
                event = self.client.events.recv() => match event {
                    Some(event) => self.event(event).await,
                    None => break,
                },
                turn = async {
                    let (at, turn) = turn.expect("guarded");
                    sleep_until(at).await;
                    turn
                }, if turn.is_some() => self.take(turn).await,
                _ = terminate.recv() => self.say(Command::Quit).await,
                _ = tokio::signal::ctrl_c() => self.say(Command::Quit).await,
            }
        }
        self.client.finish().await?;
        anyhow::ensure!(self.blank == 0, "nothing was drawn in {} of the calls", self.blank);
        Ok(())
    }

    async fn say(&self, command: Command) {
        // The client is gone only when its events have ended too, which the loop sees.
        let _ = self.client.commands.send(command).await;
    }

    /// Returns the next action and its time.
    fn next_turn(&self) -> Option<(Instant, Turn)> {
        let line = self.lines.front().map(|(at, line)| (*at, Turn::Say(line)));
        let goodbye = self.goodbye.map(|at| (at, Turn::Goodbye));
        let leave = self.over.map(|at| (at, Turn::Leave));
        line.into_iter().chain(goodbye).chain(leave).min_by_key(|(at, _)| *at)
    }

    async fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Say(line) => {
                self.lines.pop_front();
                self.say(Command::Chat(line.to_owned())).await;
            }
            Turn::Goodbye => {
                self.goodbye = None;
                self.lines.clear();
                self.say(Command::Chat(wit::GOODBYE.to_owned())).await;
            }
            Turn::Leave => {
                self.over = None;
                self.show();
                self.say(Command::Leave).await;
            }
        }
    }

    async fn event(&mut self, event: CallEvent) {
        match event {
            CallEvent::Connected { .. } => {
                println!("{}", json!({"event": "connected"}));
                self.stats = None;
                self.offscreen.take();
                let now = now();
                self.over = self.args.duration.map(|duration| now + duration);
                let goodbye = self.over.and_then(|over| over.checked_sub(GOODBYE_BEFORE));
                self.goodbye = goodbye.filter(|goodbye| *goodbye > now);
                self.answers = 0;
                self.lines.clear();
                wit::HELLO.into_iter().for_each(|line| self.type_line(line));
            }
            CallEvent::Message { text, from_self: false } => {
                let event = json!({"event": "message", "text": text.as_str(), "fromSelf": false});
                println!("{event}");
                self.type_line(wit::answer(text.as_str(), self.answers));
                self.answers += 1;
            }
            CallEvent::Stats(stats) => self.stats = Some(stats),
            CallEvent::Ended(reason) => self.ended(reason).await,
            CallEvent::Notice(text) => eprintln!("bot: {text}"),
            CallEvent::NoPicture(why) => eprintln!("bot: {why}"),
            CallEvent::NoSound => eprintln!("bot: they send no sound"),
            CallEvent::Announcement(text) => eprintln!("bot: the server says: {text}"),
            CallEvent::Refused { message, .. } => eprintln!("bot: refused: {message}"),
            CallEvent::SearchEnded => eprintln!("bot: another bot of this account took over"),
            CallEvent::Searching => println!("{}", json!({"event": "searching"})),
            CallEvent::ServerLost { .. } => println!("{}", json!({"event": "server-lost"})),
            CallEvent::ServerBack => println!("{}", json!({"event": "server-back"})),
            CallEvent::Matched { .. }
            | CallEvent::FirstFrame
            | CallEvent::Reconnecting(_)
            | CallEvent::Reconnected { .. }
            | CallEvent::Route { .. }
            | CallEvent::GoDirect(_)
            | CallEvent::PartnerCamera { .. }
            | CallEvent::PartnerSound { .. }
            | CallEvent::Safety(_)
            | CallEvent::Muted(_)
            | CallEvent::MutedButTalking
            | CallEvent::Message { from_self: true, .. }
            | CallEvent::Blocked { .. }
            | CallEvent::Reported { .. }
            | CallEvent::Presence(_)
            | CallEvent::Draining { .. } => {}
        }
    }

    /// A cat types with two paws, one line after the other.
    fn type_line(&mut self, line: &'static str) {
        let begins = self.lines.back().map_or_else(now, |(at, _)| *at);
        if self.lines.len() < MAX_LINES {
            self.lines.push_back((begins + TYPING, line));
        }
    }

    async fn ended(&mut self, reason: EndReason) {
        (self.goodbye, self.over) = (None, None);
        self.lines.clear();
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
        let frame = self.client.remote.borrow().clone();
        if let (true, Some(frame)) = (self.args.snapshot, frame) {
            println!("{}", snapshot(&frame, SNAPSHOT));
        }
    }
}
