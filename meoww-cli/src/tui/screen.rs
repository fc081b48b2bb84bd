//! The loop that shows a call: the one owner of the state and of the terminal.

mod draw;
mod tty;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use anyhow::Context;
use ratatui::layout::Size;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior},
};

use self::tty::{Tty, measure};
use super::{
    canvas::Canvas,
    rate::Rate,
    sound::{Microphone, Sound},
    state::State,
    update::{Effect, Msg, update},
};
use crate::{
    core::event::{CallEvent, Command},
    driver::SoundSwitch,
    picture::{slot::FrameSlot, wanted::Wanted},
    terminal::{
        ask::{ask, last_answers},
        effort::{Effort, PICTURE_WITHIN},
        input::{Inputs, Reply, TerminalInput, read_terminal},
        probe::Probe,
        signals::{self, Signal},
        tty::Terminal,
        writer::Writer,
    },
};

/// How often what depends on time is drawn: clocks, the spinner, one's own picture.
const TICK: Duration = Duration::from_millis(100);

/// What a screen is connected to.
pub struct Screen {
    /// News of the call.
    pub events: mpsc::Receiver<CallEvent>,
    /// What the user asks for.
    pub commands: mpsc::Sender<Command>,
    /// The partner's newest picture.
    pub remote: FrameSlot,
    /// One's own newest picture.
    pub local: FrameSlot,
    /// Whether the camera is on.
    pub camera_on: watch::Sender<bool>,
    /// Sound, as it is turned.
    pub sound: SoundSwitch,
    /// How the microphone is to begin with.
    pub microphone: Microphone,
    /// The pictures of the partner that can be shown.
    pub wanted: watch::Sender<Wanted>,
    /// Counts the partner's pictures that reached the terminal.
    pub drawn: Arc<AtomicU64>,
    /// Whether the picture of a new partner is coarse for three seconds.
    pub coarse_at_first: bool,
    /// The terminal, and how to draw on it.
    pub probe: Probe,
}

/// Why the screen went dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The user quit; the call was told so.
    Quit,
    /// The call has no more news.
    CallOver,
    /// A signal asked the program to end.
    Signal,
    /// The terminal is gone.
    TerminalClosed,
}

/// Shows the call on the terminal of this process until it ends, and gives the terminal back.
/// `signals` are those of this process.
///
/// # Errors
/// When there is no terminal.
pub async fn run(mut screen: Screen, signals: mpsc::Receiver<Signal>) -> anyhow::Result<Outcome> {
    let size = measure().context("cannot measure the terminal")?;
    screen.probe.resized(size);
    let terminal = Terminal::take().context("cannot take the terminal")?;
    let mut writer = Writer::new(terminal.writer())?;
    let mut inputs = read_terminal(writer.expecting())?;
    let early = ask(&mut screen.probe, &mut writer, &mut inputs).await?;
    let event_loop = EventLoop::new(screen, writer, Tty::Real(terminal));
    let outcome = event_loop.run(early, inputs, signals).await;
    signals::end();
    Ok(outcome)
}

struct EventLoop {
    screen: Screen,
    state: State,
    canvas: Canvas,
    writer: Writer,
    /// What is spent on pictures, and how many are asked for.
    effort: Effort,
    rate: Rate,
    tty: Tty,
    start: Instant,
    /// Whether the state is to be drawn, and whether pictures are.
    stale: bool,
    stale_pictures: bool,
    /// Whether the partner's newest picture was not drawn yet.
    is_new: bool,
    /// Whether the terminal says that keys are let go.
    holds_keys: bool,
}

impl EventLoop {
    #[expect(clippy::disallowed_methods, reason = "the screen's clock starts here")]
    fn new(screen: Screen, mut writer: Writer, tty: Tty) -> Self {
        let (caps, window) = (screen.probe.caps(), screen.probe.window());
        writer.set_synchronized(caps.synchronized);
        tty.set_farewell(caps.farewell());
        let cells = Size::new(window.columns, window.rows);
        let sound = Sound::new(screen.microphone);
        let mut state = State::new(cells, caps.unicode, *screen.camera_on.borrow(), sound);
        state.coarse_at_first = screen.coarse_at_first;
        update(&mut state, Duration::ZERO, Msg::Cell(caps.cell));
        let canvas = Canvas::new(caps, screen.probe.mode());
        let effort = Effort::new(screen.probe.mode().quality);
        let start = Instant::now();
        Self {
            screen,
            state,
            canvas,
            writer,
            effort,
            rate: Rate::default(),
            tty,
            start,
            stale: true,
            stale_pictures: true,
            is_new: false,
            holds_keys: false,
        }
    }

    /// `early` are keys that were pressed before.
    async fn run(
        mut self,
        early: Vec<TerminalInput>,
        mut inputs: Inputs,
        mut signals: mpsc::Receiver<Signal>,
    ) -> Outcome {
        let mut ticks = ticks();
        self.announce();
        self.hold_keys();
        let mut outcome = early.into_iter().find_map(|input| self.input(input));
        while outcome.is_none() {
            if self.draw().is_err() {
                return Outcome::TerminalClosed;
            }
            outcome = self.step(&mut inputs, &mut signals, &mut ticks).await;
        }
        last_answers(&mut self.writer, &mut inputs).await;
        outcome.unwrap_or(Outcome::Quit)
    }

    /// Waits for the next thing that happens, and handles it.
    async fn step(
        &mut self,
        inputs: &mut Inputs,
        signals: &mut mpsc::Receiver<Signal>,
        ticks: &mut Interval,
    ) -> Option<Outcome> {
        let msg = tokio::select! {
            biased;
            Some(signal) = signals.recv() => return self.signal(signal, inputs).await,
            input = inputs.recv() => match input {
                Some(Ok(input)) => return self.input(input),
                Some(Err(_)) | None => return Some(Outcome::TerminalClosed),
            },
            shown = self.writer.progress() => {
                match shown {
                    Ok(pictures) => self.count(pictures),
                    Err(_) => return Some(Outcome::TerminalClosed),
                }
                return None;
            }
            event = self.screen.events.recv() => match event {
                Some(event) => Msg::Call(event),
                None => return Some(Outcome::CallOver),
            },
            Ok(()) = self.screen.remote.changed() => {
                self.stale_pictures = true;
                if std::mem::replace(&mut self.is_new, true) {
                    self.rate.left_out();
                }
                return None;
            }
            // Beside the partner's picture, one's own is drawn along with it or with a tick.
            Ok(()) = self.screen.local.changed(), if !self.state.shows_remote() => {
                self.stale_pictures = true;
                return None;
            }
            _ = ticks.tick() => {
                self.stale_pictures = true;
                self.handle(Msg::Level(self.screen.sound.input_level()));
                Msg::Tick
            }
        };
        self.handle(msg)
    }

    fn input(&mut self, input: TerminalInput) -> Option<Outcome> {
        match input {
            TerminalInput::Key(key) => self.handle(Msg::Key(key)),
            TerminalInput::Paste { text, is_cut } => self.handle(Msg::Paste { text, is_cut }),
            TerminalInput::Reply(reply) => self.reply(&reply),
        }
    }

    /// Takes up what the terminal said: that it has shown something, or what it can do.
    fn reply(&mut self, reply: &Reply) -> Option<Outcome> {
        let pictures = self.writer.reply(reply);
        self.count(pictures);
        let is_news = self.screen.probe.reply(reply);
        self.hold_keys();
        if is_news { self.adapt() } else { None }
    }

    /// Has the terminal say when the key to talk is let go, if it can.
    fn hold_keys(&mut self) {
        let is_wanted = matches!(self.screen.microphone, Microphone::PushToTalk { .. });
        if is_wanted && !self.holds_keys && self.screen.probe.reports_releases() {
            self.holds_keys = true;
            self.writer.insert(self.tty.report_releases());
        }
    }

    /// Follows the terminal, of which something else is known now.
    fn adapt(&mut self) -> Option<Outcome> {
        let caps = self.screen.probe.caps();
        self.tty.set_farewell(caps.farewell());
        self.canvas.follow(caps, self.effort.mode(self.screen.probe.mode()));
        self.canvas.set_quality(self.effort.quality());
        self.writer.set_synchronized(caps.synchronized);
        self.state.unicode = caps.unicode;
        self.handle(Msg::Cell(caps.cell))
    }

    async fn signal(&mut self, signal: Signal, inputs: &mut Inputs) -> Option<Outcome> {
        match signal {
            Signal::End => return Some(Outcome::Signal),
            Signal::Suspend => {
                last_answers(&mut self.writer, inputs).await;
                self.tty.suspend();
            }
            Signal::Continued => {
                if self.tty.resume().is_err() {
                    return Some(Outcome::TerminalClosed);
                }
                self.writer.restart();
                self.canvas.invalidate();
                return self.resized();
            }
            Signal::Resized => return self.resized(),
        }
        None
    }

    fn resized(&mut self) -> Option<Outcome> {
        let Ok(size) = self.tty.size() else { return Some(Outcome::TerminalClosed) };
        if self.screen.probe.resized(size) {
            self.adapt();
        }
        self.handle(Msg::Resize(Size::new(size.columns, size.rows)))
    }

    fn handle(&mut self, msg: Msg) -> Option<Outcome> {
        let effect = update(&mut self.state, self.start.elapsed(), msg);
        self.stale = true;
        self.announce();
        match effect? {
            Effect::Send(command) => match self.screen.commands.try_send(command) {
                Ok(()) => None,
                Err(mpsc::error::TrySendError::Full(_)) => self.handle(Msg::Busy),
                Err(mpsc::error::TrySendError::Closed(_)) => Some(Outcome::CallOver),
            },
            Effect::Camera(on) => {
                self.screen.camera_on.send_replace(on);
                None
            }
            Effect::Microphone(on) => {
                self.screen.sound.set_muted(!on);
                None
            }
            Effect::Hearing(on) => {
                self.screen.sound.set_deafened(!on);
                None
            }
            Effect::Volume(percent) => {
                self.screen.sound.set_volume(percent);
                None
            }
            Effect::AllOff => {
                self.screen.camera_on.send_replace(false);
                self.screen.sound.set_muted(true);
                // It must get through, and the end of the program does in any case.
                self.screen.commands.try_send(Command::Leave).err().map(|_| Outcome::Quit)
            }
            Effect::Redraw => {
                self.canvas.invalidate();
                self.stale_pictures = true;
                None
            }
            Effect::Suspend => {
                signals::ask_to_suspend();
                None
            }
            Effect::Quit => {
                // The program ends anyway; the call ends sooner when it is told.
                let _ = self.screen.commands.try_send(Command::Quit);
                Some(Outcome::Quit)
            }
        }
    }

    /// Tells how large a picture can be shown, and how many. A screen too small for any leaves it as it
    /// was.
    fn announce(&mut self) {
        let Some(layout) = &self.state.layout else { return };
        let is_slow = self.writer.drawn_in(PICTURE_WITHIN).is_some();
        let fps = self.rate.at(self.start.elapsed(), is_slow);
        let wanted = Wanted::new(self.canvas.grid(layout.remote()), fps);
        self.screen.wanted.send_if_modified(|last| std::mem::replace(last, wanted) != wanted);
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
