//! The loop of a player: the one owner of its state and of the terminal.

use std::{env, io, sync::Arc, time::Duration};

use anyhow::Context;
use meoww_paint::{Frame, Painter, Size};
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    bar,
    feed::Feed,
    rest::Rest,
    state::{Effect, Figures, State},
};
use crate::{
    picture::source::{Shot, SourceError},
    terminal::{
        ask::{ask, last_answers},
        effort::{Effort, PICTURE_WITHIN},
        input::{Inputs, TerminalInput, read_terminal},
        probe::Probe,
        signals::{self, Signal},
        tty::{Terminal, WindowSize},
        writer::Writer,
    },
};

/// How often the line below the picture is drawn anew, and figures are of this long.
const SECOND: Duration = Duration::from_secs(1);
/// Takes every picture off the screen, and all else.
const CLEAR: &[u8] = b"\x1b[m\x1b[2J";

/// What is to be shown, and how.
pub struct Player {
    /// Where the pictures come from.
    pub feed: Feed,
    /// The terminal, and how to draw on it.
    pub probe: Probe,
    /// The largest the picture may be, in cells.
    pub limit: Size,
    /// It ends after so many pictures; `None` for no end.
    pub frames: Option<u64>,
}

/// Why a player ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// The film ended, or all the pictures asked for were shown.
    Over,
    /// The user quit, or a signal asked the program to end.
    Quit,
    /// The terminal is gone.
    TerminalClosed,
    /// There are no more pictures, and should be.
    Failed(SourceError),
}

/// Shows the pictures on the terminal of this process, and gives it back. `signals` are those of this
/// process.
///
/// # Errors
/// When there is no terminal.
pub async fn run(mut player: Player, signals: mpsc::Receiver<Signal>) -> anyhow::Result<Ending> {
    player.probe.resized(measure().context("cannot measure the terminal")?);
    let terminal = Terminal::take().context("cannot take the terminal")?;
    let mut writer = Writer::new(terminal.writer())?;
    let mut inputs = read_terminal(writer.expecting())?;
    let early = ask(&mut player.probe, &mut writer, &mut inputs).await?;
    let event_loop = EventLoop::new(player, writer, terminal);
    let ending = event_loop.run(early, inputs, signals).await;
    signals::end();
    Ok(ending)
}

fn measure() -> io::Result<WindowSize> {
    WindowSize::measure(|name| env::var(name).ok())
}

struct EventLoop {
    feed: Feed,
    state: State,
    probe: Probe,
    painter: Box<dyn Painter>,
    writer: Writer,
    /// What is spent on pictures.
    effort: Effort,
    terminal: Terminal,
    /// The newest picture, and whether it was not drawn yet.
    picture: Option<Arc<Frame>>,
    is_new: bool,
    /// Whether it is at rest, and due to be drawn again.
    rest: Rest,
    is_due: bool,
    /// The line below as the terminal has it.
    bar: Vec<u8>,
    /// Whether the line below is to be drawn, and whether all of the screen is.
    stale_bar: bool,
    stale: bool,
    /// Since the last figures.
    counted: Figures,
    /// Pictures that are still to be drawn, where they are counted.
    left: Option<u64>,
    /// Pictures that were drawn, and that the terminal is yet to show.
    under_way: u64,
}

impl EventLoop {
    fn new(player: Player, mut writer: Writer, terminal: Terminal) -> Self {
        let Player { feed, probe, limit, frames } = player;
        let (caps, mode, window) = (probe.caps(), probe.mode(), probe.window());
        writer.set_synchronized(caps.synchronized);
        terminal.set_farewell(caps.farewell());
        let state = State {
            size: Size { width: window.columns, height: window.rows },
            limit,
            caps,
            mode,
            is_chosen: false,
            is_paused: false,
            at: Duration::ZERO,
            length: feed.length(),
            figures: Figures::default(),
        };
        Self {
            feed,
            painter: mode.painter(caps.traits()),
            state,
            probe,
            writer,
            effort: Effort::new(mode.quality),
            terminal,
            picture: None,
            is_new: false,
            rest: Rest::default(),
            is_due: false,
            bar: Vec::new(),
            stale_bar: true,
            stale: true,
            counted: Figures::default(),
            left: frames,
            under_way: 0,
        }
    }

    /// `early` are keys that were pressed before.
    async fn run(
        mut self,
        early: Vec<TerminalInput>,
        mut inputs: Inputs,
        mut signals: mpsc::Receiver<Signal>,
    ) -> Ending {
        let mut seconds = interval(SECOND);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ending = early.into_iter().find_map(|input| self.input(input));
        while ending.is_none() {
            self.draw();
            if self.left == Some(0) && self.under_way == 0 {
                break;
            }
            ending = self.step(&mut inputs, &mut signals, &mut seconds).await;
        }
        self.writer.abandon();
        let mut out = Vec::new();
        self.painter.erase(&mut out);
        self.writer.insert(out);
        last_answers(&mut self.writer, &mut inputs).await;
        ending.unwrap_or(Ending::Over)
    }

    /// Waits for the next thing that happens, and handles it.
    async fn step(
        &mut self,
        inputs: &mut Inputs,
        signals: &mut mpsc::Receiver<Signal>,
        seconds: &mut Interval,
    ) -> Option<Ending> {
        // Where pictures are counted, none is left out.
        let is_full = self.left.is_some_and(|left| self.is_new || left == 0);
        tokio::select! {
            biased;
            Some(signal) = signals.recv() => self.signal(signal, inputs).await,
            input = inputs.recv() => match input {
                Some(Ok(input)) => self.input(input),
                Some(Err(_)) | None => Some(Ending::TerminalClosed),
            },
            shown = self.writer.progress() => match shown {
                Ok(pictures) => {
                    self.shown(pictures);
                    None
                }
                Err(_) => Some(Ending::TerminalClosed),
            },
            _ = seconds.tick() => {
                self.state.figures = std::mem::take(&mut self.counted);
                self.stale_bar = true;
                None
            }
            shot = self.feed.shot(), if !is_full => match shot {
                Some(Ok(shot)) => {
                    self.take(shot);
                    None
                }
                Some(Err(error)) => Some(Ending::Failed(error)),
                None => Some(Ending::Over),
            },
            () = self.rest.due() => {
                self.is_due = true;
                None
            }
        }
    }

    fn take(&mut self, shot: Shot) {
        self.stale_bar |= shot.at.as_secs() != self.state.at.as_secs();
        (self.state.at, self.picture, self.is_new) = (shot.at, Some(shot.picture), true);
    }

    /// The terminal has shown so many pictures.
    fn shown(&mut self, pictures: u64) {
        self.counted.pictures += pictures;
        self.under_way = self.under_way.saturating_sub(pictures);
    }

    fn input(&mut self, input: TerminalInput) -> Option<Ending> {
        match input {
            TerminalInput::Key(key) => {
                let effect = self.state.key(key)?;
                self.carry_out(effect)
            }
            TerminalInput::Paste { .. } => None,
            TerminalInput::Reply(reply) => {
                let pictures = self.writer.reply(&reply);
                self.shown(pictures);
                if self.probe.reply(&reply) {
                    self.adapt();
                }
                None
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Ending> {
        self.stale_bar = true;
        match effect {
            Effect::Quit => return Some(Ending::Quit),
            Effect::Suspend => signals::ask_to_suspend(),
            Effect::Pause => self.feed.pause(self.state.is_paused),
            Effect::Wind(to) => {
                self.state.at = to;
                return self.feed.wind(to).err().map(Ending::Failed);
            }
            Effect::Mode | Effect::Redraw => {
                self.effort = Effort::new(self.state.mode.quality);
                self.stale = true;
            }
            Effect::Quality => {
                self.effort = Effort::new(self.state.mode.quality);
                self.painter.set_quality(self.effort.quality());
            }
        }
        None
    }

    /// Follows the terminal, of which something else is known now.
    fn adapt(&mut self) {
        self.state.caps = self.probe.caps();
        self.writer.set_synchronized(self.state.caps.synchronized);
        self.terminal.set_farewell(self.state.caps.farewell());
        if !self.state.is_chosen {
            self.state.mode = self.probe.mode();
        }
        self.stale = true;
    }

    async fn signal(&mut self, signal: Signal, inputs: &mut Inputs) -> Option<Ending> {
        match signal {
            Signal::End => return Some(Ending::Quit),
            Signal::Suspend => {
                last_answers(&mut self.writer, inputs).await;
                self.terminal.suspend();
            }
            Signal::Continued => {
                if self.terminal.resume().is_err() {
                    return Some(Ending::TerminalClosed);
                }
                self.writer.restart();
                // The time it was stopped is no time of the film.
                self.feed.pause(self.state.is_paused);
                return self.resized();
            }
            Signal::Resized => return self.resized(),
        }
        None
    }

    fn resized(&mut self) -> Option<Ending> {
        let Ok(window) = measure() else { return Some(Ending::TerminalClosed) };
        self.state.size = Size { width: window.columns, height: window.rows };
        self.probe.resized(window);
        self.adapt();
        None
    }

    /// Draws what is not up to date, unless the terminal is still busy with what it got before.
    fn draw(&mut self) {
        if !(self.is_new || self.is_due || self.stale || self.stale_bar) {
            return;
        }
        let Some(mut out) = self.writer.buffer() else { return self.draw_beside() };
        let is_whole = std::mem::take(&mut self.stale);
        if is_whole {
            self.painter.erase(&mut out);
            let mode = self.effort.mode(self.state.mode);
            self.painter = mode.painter(self.state.caps.traits());
            self.painter.set_quality(self.effort.quality());
            out.extend_from_slice(CLEAR);
            self.bar.clear();
        }
        if std::mem::take(&mut self.stale_bar) || is_whole {
            self.draw_bar(&mut out);
        }
        let cells = out.len();
        let is_new = std::mem::take(&mut self.is_new);
        if std::mem::take(&mut self.is_due) || is_new || is_whole {
            self.draw_picture(is_new || is_whole, &mut out);
        }
        self.left = self.left.map(|left| left.saturating_sub(is_new.into()));
        self.under_way += u64::from(is_new);
        let pictures = self.writer.write(out, cells, is_new.into());
        self.shown(pictures);
    }

    /// Draws the picture for the first time, or once more because it stays.
    fn draw_picture(&mut self, is_first: bool, out: &mut Vec<u8>) {
        let Some(picture) = &self.picture else { return };
        let within = self.writer.drawn_in(PICTURE_WITHIN);
        let begin = out.len();
        self.painter.draw(picture, self.state.area(), &[], out);
        if self.painter.is_settled() {
            self.rest.settled();
        } else {
            self.rest.drawn(!is_first);
        }
        let bytes = out.len() - begin;
        self.counted.bytes += bytes as u64;
        // One at rest has all the time it needs, and says nothing of those that move.
        if is_first {
            self.stale |= self.effort.drawn(bytes, within);
            self.painter.set_quality(self.effort.quality());
        }
    }

    /// Draws the line below between two pieces of a picture.
    fn draw_beside(&mut self) {
        if self.stale || !self.stale_bar {
            return;
        }
        if let Some(mut out) = self.writer.small_buffer() {
            self.stale_bar = false;
            self.draw_bar(&mut out);
            self.writer.insert(out);
        }
    }

    /// Draws the line below, unless the terminal has it.
    fn draw_bar(&mut self, out: &mut Vec<u8>) {
        let begin = out.len();
        bar::draw(&self.state, out);
        if self.bar == out[begin..] {
            out.truncate(begin);
        } else {
            self.bar.clear();
            self.bar.extend_from_slice(&out[begin..]);
        }
    }
}
