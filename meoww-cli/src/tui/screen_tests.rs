use std::{
    io::{self, Write},
    num::NonZeroU16,
    sync::{Mutex, atomic::Ordering, mpsc as sync},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use meoww_paint::{Frame, Grid};

use super::*;
use crate::{
    core::event::EndReason,
    sound::{AudioIn, AudioOut, SoundConfig},
    terminal::{env::Env, probe::Wish, tty::WindowSize},
};

const SIZE: WindowSize = WindowSize { columns: 80, rows: 24, pixels: None };
/// What it becomes when it is resized.
const LARGER: WindowSize = WindowSize { columns: 150, rows: 40, pixels: None };

/// A terminal that may be slow: it takes an update when `gate`, if any, lets it.
struct Slow {
    terminal: Arc<Mutex<vt100::Parser>>,
    updates: watch::Sender<usize>,
    gate: Option<sync::Receiver<()>>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(gate) = &self.gate {
            gate.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        self.terminal.lock().unwrap().process(bytes);
        self.updates.send_modify(|count| *count += 1);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Half blocks in 24-bit colours.
fn modern() -> Env {
    let (term, locale) = ("xterm-kitty".to_owned(), "C.UTF-8".to_owned());
    Env { term, locale, ..Env::default() }
}

/// The other ends of everything a screen is connected to.
struct World {
    events: mpsc::Sender<CallEvent>,
    commands: mpsc::Receiver<Command>,
    remote: watch::Sender<Option<Arc<Frame>>>,
    camera_on: watch::Receiver<bool>,
    wanted: watch::Receiver<Wanted>,
    drawn: Arc<AtomicU64>,
    input: mpsc::Sender<io::Result<TerminalInput>>,
    signals: mpsc::Sender<Signal>,
    terminal: Arc<Mutex<vt100::Parser>>,
    updates: watch::Receiver<usize>,
    _local: watch::Sender<Option<Arc<Frame>>>,
}

fn world(gate: Option<sync::Receiver<()>>) -> (World, impl Future<Output = Outcome>) {
    let (events, events_in) = mpsc::channel(8);
    let (commands_out, commands) = mpsc::channel(8);
    let (remote, remote_slot) = watch::channel(None);
    let (local, local_slot) = watch::channel(None);
    let (camera_out, camera_on) = watch::channel(true);
    let (wanted_out, wanted) = watch::channel(Wanted::ALL);
    let (input, input_in) = mpsc::channel(8);
    let (updates_out, updates) = watch::channel(0);
    let drawn = Arc::new(AtomicU64::new(0));
    let [rows, columns] = [SIZE.rows, SIZE.columns].map(|n| NonZeroU16::new(n).unwrap());
    let terminal = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
    let sound =
        SoundConfig { input: AudioIn::None, output: AudioOut::None, ..SoundConfig::default() };
    let screen = Screen {
        coarse_at_first: false,
        events: events_in,
        commands: commands_out,
        remote: remote_slot,
        local: local_slot,
        camera_on: camera_out,
        sound: SoundSwitch::open_blocking(&sound).unwrap().0,
        microphone: Microphone::Open,
        wanted: wanted_out,
        drawn: drawn.clone(),
        probe: Probe::new(modern(), Wish::default(), SIZE),
    };
    let slow = Slow { terminal: terminal.clone(), updates: updates_out, gate };
    let mut writer = Writer::new(slow).unwrap();
    writer.ask(&screen.probe.questions());
    let event_loop = EventLoop::new(screen, writer, Tty::Fake(LARGER));
    let (signals, signals_in) = mpsc::channel(1);
    let world = World {
        events,
        commands,
        remote,
        camera_on,
        wanted,
        drawn,
        input,
        signals,
        terminal,
        updates,
        _local: local,
    };
    (world, event_loop.run(Vec::new(), Inputs::from_queue(input_in), signals_in))
}

impl World {
    async fn press(&self, code: KeyCode, modifiers: KeyModifiers) {
        let key = TerminalInput::Key(KeyEvent::new(code, modifiers));
        self.input.send(Ok(key)).await.unwrap();
    }

    async fn reply(&self, reply: Reply) {
        self.input.send(Ok(TerminalInput::Reply(reply))).await.unwrap();
    }

    /// The terminal is known to answer, and has answered for what was drawn so far.
    async fn answer_all(&mut self) {
        self.reply(Reply::Attributes { sixel: false }).await;
        self.until(|world| world.contents().contains("live")).await;
        for _ in 0..4 {
            self.reply(Reply::Ready).await;
        }
        // Read after them, and shown.
        self.press(KeyCode::Char('~'), KeyModifiers::NONE).await;
        self.until(|world| world.contents().contains('~')).await;
    }

    fn contents(&self) -> String {
        self.terminal.lock().unwrap().screen().contents()
    }

    async fn live(&self) {
        self.events.send(CallEvent::Connected { relayed: false }).await.unwrap();
    }

    fn picture(&self, luma: u8) {
        let mut frame = Frame::black(64, 48);
        frame.planes_mut()[0].fill(luma);
        self.remote.send_replace(Some(Arc::new(frame)));
    }

    /// The grey in the upper middle of the partner's picture.
    fn grey(&self) -> Option<u8> {
        match self.terminal.lock().unwrap().screen().cell(5, 25).unwrap().bgcolor() {
            vt100::Color::Rgb(grey, ..) => Some(grey),
            // The palette's greys: from 8 in steps of 10.
            vt100::Color::Idx(index @ 232..) => Some(8 + 10 * (index - 232)),
            vt100::Color::Default | vt100::Color::Idx(_) => None,
        }
    }

    async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            self.updates.changed().await.unwrap();
        }
    }
}

/// Runs the screen and its world side by side; returns what both came to.
async fn play<T>(
    show: impl Future<Output = Outcome>,
    world: impl Future<Output = T>,
) -> (Outcome, T) {
    let both = async { tokio::join!(show, world) };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("it takes far too long")
}

#[tokio::test]
async fn frames_reach_the_terminal_and_are_counted() {
    let (mut world, show) = world(None);
    let (outcome, drawn) = play(show, async {
        world.live().await;
        for (count, luma) in [(1, 60), (2, 120), (3, 180)] {
            world.picture(luma);
            let drawn = world.drawn.clone();
            world
                .until(|world| {
                    world.grey().is_some_and(|grey| {
                        grey.abs_diff(((u16::from(luma) - 16) * 255 / 219) as u8) < 6
                    })
                })
                .await;
            while drawn.load(Ordering::Relaxed) < count {
                tokio::task::yield_now().await;
            }
        }
        world.press(KeyCode::Char('c'), KeyModifiers::CONTROL).await;
        (world.drawn.load(Ordering::Relaxed), world.commands.recv().await)
    })
    .await;
    assert_eq!((outcome, drawn), (Outcome::Quit, (3, Some(Command::Quit))));
}

#[tokio::test]
async fn keys_become_commands_and_sizes_grids() {
    let (mut world, show) = world(None);
    let (outcome, ()) = play(show, async {
        world.live().await;
        world
            .until(|world| world.terminal.lock().unwrap().screen().contents().contains("live"))
            .await;
        let wanted = *world.wanted.borrow_and_update();
        assert_eq!(wanted, Wanted::new(Grid::new(96, 84), 30), "two pixels for one");
        for c in "hi".chars() {
            world.press(KeyCode::Char(c), KeyModifiers::NONE).await;
        }
        world.press(KeyCode::Enter, KeyModifiers::NONE).await;
        world.press(KeyCode::Char('n'), KeyModifiers::CONTROL).await;
        assert_eq!(world.commands.recv().await, Some(Command::Chat("hi".to_owned())));
        assert_eq!(world.commands.recv().await, Some(Command::Skip));
        world.press(KeyCode::F(4), KeyModifiers::NONE).await;
        world.camera_on.wait_for(|on| !on).await.unwrap();
        world.signals.send(Signal::Resized).await.unwrap();
        world.wanted.changed().await.unwrap();
        assert_eq!(world.wanted.borrow().grid, Grid::new(222, 148));
        world.events = mpsc::channel(1).0;
    })
    .await;
    assert_eq!(outcome, Outcome::CallOver);
}

#[tokio::test]
async fn a_stalled_terminal_holds_up_nobody_and_skips_to_the_newest_picture() {
    let (open, gate) = sync::sync_channel(100);
    let (mut world, show) = world(Some(gate));
    let (outcome, ()) = play(show, async {
        world.live().await;
        for luma in 0..200 {
            world.picture(luma);
            tokio::task::yield_now().await;
        }
        world.press(KeyCode::Char('n'), KeyModifiers::CONTROL).await;
        assert_eq!(world.commands.recv().await, Some(Command::Skip));
        world.events.send(CallEvent::Ended(EndReason::Left)).await.unwrap();
        world.live().await;
        assert_eq!(*world.updates.borrow(), 0);
        for _ in 0..100 {
            open.send(()).unwrap();
        }
        world.until(|world| world.grey().is_some_and(|grey| grey > 200)).await;
        // The one that was under way, and the newest. Updates without a picture come with time.
        assert!(world.drawn.load(Ordering::Relaxed) <= 2, "old pictures were queued");
        world.input.send(Err(io::ErrorKind::BrokenPipe.into())).await.unwrap();
    })
    .await;
    assert_eq!(outcome, Outcome::TerminalClosed);
}

#[tokio::test]
async fn a_terminal_that_is_gone_ends_it() {
    let (open, gate) = sync::sync_channel(1);
    drop(open);
    let (world, show) = world(Some(gate));
    let (outcome, ()) = play(show, async {}).await;
    assert_eq!(outcome, Outcome::TerminalClosed);
    drop(world);
}

#[tokio::test]
async fn a_picture_counts_when_the_terminal_says_it_is_shown() {
    let (mut world, show) = world(None);
    let (_, ()) = play(show, async {
        world.live().await;
        world.answer_all().await;
        world.picture(60);
        world.until(|world| world.grey().is_some()).await;
        assert_eq!(world.drawn.load(Ordering::Relaxed), 0, "written, and not yet shown");
        while world.drawn.load(Ordering::Relaxed) == 0 {
            world.reply(Reply::Ready).await;
            tokio::task::yield_now().await;
        }
        world.events = mpsc::channel(1).0;
    })
    .await;
}

#[tokio::test]
async fn cells_of_another_shape_have_another_grid() {
    let (mut world, show) = world(None);
    let (_, ()) = play(show, async {
        world.live().await;
        let usual = Grid::new(96, 84);
        world.wanted.wait_for(|wanted| wanted.grid == usual).await.unwrap();
        // Half a cell of 10 x 16 is 10 x 8: 1.25 pixels of the picture across.
        world.reply(Reply::CellPixels { width: 10, height: 16 }).await;
        let grid = world.wanted.wait_for(|wanted| wanted.grid != usual).await.unwrap().grid;
        // Two pixels for one, each way.
        assert_eq!((grid.width(), grid.height()), (2 * 60, 2 * 42));
        world.events = mpsc::channel(1).0;
    })
    .await;
}

#[tokio::test]
async fn who_quits_at_once_leaves_no_answer_to_the_shell() {
    let (mut world, show) = world(None);
    let (outcome, ()) = play(show, async {
        world.press(KeyCode::Char('c'), KeyModifiers::CONTROL).await;
        assert_eq!(world.commands.recv().await, Some(Command::Quit));
        // Read by the screen, which would be gone; keys after the end are nothing.
        world.press(KeyCode::Char('x'), KeyModifiers::NONE).await;
        world.reply(Reply::CellPixels { width: 10, height: 16 }).await;
        world.reply(Reply::Attributes { sixel: false }).await;
        world.input.closed().await;
    })
    .await;
    assert_eq!(outcome, Outcome::Quit);
}
