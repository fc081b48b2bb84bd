//! The loop that shows a call: the one owner of the state and of the terminal.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use crossterm::event::Event;
use meoww_paint::{Frame, Grid, grid_pixels};
use ratatui::layout::Size;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior},
};

use super::{
    canvas::{Canvas, cells},
    state::{Pictures, State},
    update::{Effect, Msg, update},
};
use crate::{
    core::event::{CallEvent, Command},
    picture::slot::FrameSlot,
    terminal::{caps::Caps, input::read_terminal, tty::Terminal, writer::Writer},
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
    /// How many pixels of the partner's picture there is room for.
    pub grid: watch::Sender<Grid>,
    /// Counts the partner's pictures that reached the terminal.
    pub drawn: Arc<AtomicU64>,
    /// How to draw.
    pub caps: Caps,
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
///
/// # Errors
/// When there is no terminal.
pub async fn run(screen: Screen) -> anyhow::Result<Outcome> {
    let signal = signals().context("cannot listen for signals")?;
    let (columns, rows) = crossterm::terminal::size().context("cannot measure the terminal")?;
    let terminal = Terminal::take().context("cannot take the terminal")?;
    let output = Writer::new(terminal.writer())?;
    let input = read_terminal()?;
    let event_loop = EventLoop::new(screen, Size::new(columns, rows), output);
    tokio::select! {
        outcome = event_loop.run(input) => Ok(outcome),
        () = signal => Ok(Outcome::Signal),
    }
}

/// Completes at the first signal that asks the program to end.
fn signals() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = hangup.recv() => {}
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

struct EventLoop {
    screen: Screen,
    state: State,
    canvas: Canvas,
    output: Writer,
    start: Instant,
    /// Whether the state is to be drawn, and whether pictures are.
    stale: bool,
    stale_pictures: bool,
    /// Whether the partner's newest picture was not drawn yet, and whether it is on its way.
    is_new: bool,
    is_coming: bool,
}

impl EventLoop {
    #[expect(clippy::disallowed_methods, reason = "the screen's clock starts here")]
    fn new(screen: Screen, size: Size, output: Writer) -> Self {
        let state = State::new(size, screen.caps.unicode, *screen.camera_on.borrow());
        let canvas = Canvas::new(screen.caps);
        let start = Instant::now();
        let (stale, stale_pictures, is_new, is_coming) = (true, true, false, false);
        Self { screen, state, canvas, output, start, stale, stale_pictures, is_new, is_coming }
    }

    async fn run(mut self, mut input: mpsc::Receiver<io::Result<Event>>) -> Outcome {
        let mut ticks = ticks();
        self.announce();
        loop {
            if self.draw().is_err() {
                return Outcome::TerminalClosed;
            }
            let msg = tokio::select! {
                biased;
                event = input.recv() => match event {
                    Some(Ok(event)) => message(event),
                    Some(Err(_)) | None => return Outcome::TerminalClosed,
                },
                written = self.output.written() => match written {
                    Ok(()) => {
                        self.count();
                        None
                    }
                    Err(_) => return Outcome::TerminalClosed,
                },
                event = self.screen.events.recv() => match event {
                    Some(event) => Some(Msg::Call(event)),
                    None => return Outcome::CallOver,
                },
                Ok(()) = self.screen.remote.changed() => {
                    (self.stale_pictures, self.is_new) = (true, true);
                    None
                }
                // Beside the partner's picture, one's own is drawn along with it or with a tick.
                Ok(()) = self.screen.local.changed(), if !self.state.shows_remote() => {
                    self.stale_pictures = true;
                    None
                }
                _ = ticks.tick() => {
                    self.stale_pictures = true;
                    Some(Msg::Tick)
                }
            };
            if let Some(outcome) = msg.and_then(|msg| self.handle(msg)) {
                return outcome;
            }
        }
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
            Effect::Redraw => {
                self.canvas.invalidate();
                self.stale_pictures = true;
                None
            }
            Effect::Quit => {
                // The program ends anyway; the call ends sooner when it is told.
                let _ = self.screen.commands.try_send(Command::Quit);
                Some(Outcome::Quit)
            }
        }
    }

    /// Tells how large a picture can be shown. A screen too small for any leaves it as it was.
    fn announce(&self) {
        let Some(layout) = &self.state.layout else { return };
        let grid = grid_pixels(cells(layout.remote()).size());
        self.screen.grid.send_if_modified(|last| std::mem::replace(last, grid) != grid);
    }

    /// Draws what is not up to date, unless the terminal is still busy with what it got before.
    fn draw(&mut self) -> io::Result<()> {
        if !(self.stale || self.stale_pictures) {
            return Ok(());
        }
        let Some(mut out) = self.output.buffer() else { return Ok(()) };
        self.is_new |= self.screen.remote.has_changed().unwrap_or(false);
        let remote: Option<Arc<Frame>> = self.screen.remote.borrow_and_update().clone();
        let local: Option<Arc<Frame>> = self.screen.local.borrow_and_update().clone();
        let pictures = Pictures { remote: remote.is_some(), local: local.is_some() };
        if pictures != self.state.pictures {
            update(&mut self.state, self.start.elapsed(), Msg::Pictures(pictures));
            self.stale = true;
        }
        if std::mem::take(&mut self.stale) {
            self.canvas.draw_state(&self.state, &mut out)?;
        }
        self.stale_pictures = false;
        let shown = self.canvas.draw_pictures(remote.as_deref(), local.as_deref(), &mut out);
        self.canvas.finish(&mut out);
        self.is_coming = shown && std::mem::take(&mut self.is_new);
        if out.is_empty() {
            self.count();
        }
        self.output.write(out);
        Ok(())
    }

    /// Counts the picture that arrived, if one was on its way.
    fn count(&mut self) {
        if std::mem::take(&mut self.is_coming) {
            self.screen.drawn.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

fn message(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) => Some(Msg::Key(key)),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(columns, rows) => Some(Msg::Resize(Size::new(columns, rows))),
        Event::FocusGained | Event::FocusLost | Event::Mouse(_) => None,
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
