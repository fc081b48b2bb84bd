//! The screen on a real (pseudo) terminal: whatever ends it, the terminal is as it was.
//!
//! Each test runs this program again on a pseudo terminal, where [`on_a_terminal`] shows the screen.
#![cfg(unix)]

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    process,
    sync::{Arc, mpsc as sync},
    time::Duration,
};

use meoww_cli::{
    core::event::{CallEvent, Command},
    driver::SoundSwitch,
    sound::{AudioIn, AudioOut, SoundConfig},
    terminal::{
        env::Env,
        probe::{Probe, Wish},
        signals,
        tty::WindowSize,
    },
    tui::{Outcome, Screen, run, sound::Microphone},
};
use meoww_paint::{Frame, Grid};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::sync::{mpsc, watch};

const PATIENCE: Duration = Duration::from_secs(30);

/// The program on the terminal, not a test: a moving picture until something ends it.
#[tokio::test]
#[ignore = "started by the other tests, on a pseudo terminal"]
async fn on_a_terminal() {
    let (events, events_in) = mpsc::channel(8);
    let (commands, mut commands_in) = mpsc::channel(8);
    let (remote, remote_slot) = watch::channel(None);
    let (_local, local) = watch::channel(None);
    let (term, locale) = ("xterm-kitty".to_owned(), "C.UTF-8".to_owned());
    let modern = Env { term, locale, ..Env::default() };
    let window = WindowSize { columns: 80, rows: 24, pixels: None };
    let sound =
        SoundConfig { input: AudioIn::None, output: AudioOut::None, ..SoundConfig::default() };
    let (sound, _) = SoundSwitch::open_blocking(&sound).expect("silence needs nothing");
    let screen = Screen {
        coarse_at_first: false,
        events: events_in,
        commands,
        remote: remote_slot,
        local,
        camera_on: watch::Sender::new(true),
        sound,
        microphone: Microphone::PushToTalk { until: None },
        grid: watch::Sender::new(Grid::new(0, 0)),
        drawn: Arc::default(),
        probe: Probe::new(modern, Wish::default(), window),
    };
    events.send(CallEvent::Connected { relayed: false }).await.expect("it is open");
    let film = async {
        for shade in (16..235).cycle() {
            let mut frame = Frame::black(96, 54);
            frame.planes_mut()[0].fill(shade);
            remote.send_replace(Some(Arc::new(frame)));
            tokio::task::yield_now().await;
            if let Ok(Command::Skip) = commands_in.try_recv() {
                panic!("the cat fell off the shelf");
            }
        }
    };
    tokio::select! {
        outcome = run(screen, signals::listen().expect("signals")) => assert!(matches!(outcome, Ok(Outcome::Signal | Outcome::TerminalClosed | Outcome::Quit))),
        () = film => unreachable!("it runs in circles"),
    }
}

/// The program above and what its terminal shows.
struct Session {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    output: sync::Receiver<Vec<u8>>,
    terminal: vt100::Parser,
    text: Vec<u8>,
    /// The settings of the terminal before, as text.
    settings: String,
}

impl Session {
    /// Returns when the screen is shown.
    fn start() -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).expect("a pseudo terminal");
        let settings = format!("{:?}", pty.master.get_termios());
        let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
        command.args(["--ignored", "--exact", "on_a_terminal", "--nocapture"]);
        // A long one would push the message off the screen.
        command.env("RUST_BACKTRACE", "0");
        let child = pty.slave.spawn_command(command).expect("it starts");
        let mut reader = pty.master.try_clone_reader().expect("the terminal can be read");
        let (outbox, output) = sync::sync_channel(64);
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if outbox.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let [rows, columns] = [24, 80].map(|n| NonZeroU16::new(n).expect("not zero"));
        let terminal = vt100::Parser::new(rows, columns, 0);
        let (master, text) = (pty.master, Vec::new());
        let keyboard = master.take_writer().expect("a keyboard");
        let mut session = Self { child, master, keyboard, output, terminal, text, settings };
        session.until_shown();
        session
    }

    fn until_shown(&mut self) {
        let shows_call = |screen: &vt100::Screen| {
            screen.alternate_screen() && screen.contents().contains("live 0:")
        };
        while !shows_call(self.terminal.screen()) {
            self.read().expect("the screen comes up");
        }
        assert!(self.terminal.screen().hide_cursor());
        assert_ne!(format!("{:?}", self.master.get_termios()), self.settings, "raw mode");
    }

    fn wait_until_stopped(&mut self) {
        let stat = format!("/proc/{}/stat", self.child.process_id().expect("it runs"));
        let state = || std::fs::read_to_string(&stat).expect("it runs");
        // proc_pid_stat(5): the state follows the name, which is in brackets.
        while !state().rsplit(')').next().expect("a state").trim_start().starts_with('T') {
            std::thread::yield_now();
            while let Ok(bytes) = self.output.try_recv() {
                self.terminal.process(&bytes);
            }
        }
    }

    /// What is on its way, of a program that writes no more.
    fn read_all(&mut self) {
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
            self.terminal.process(&bytes);
        }
    }

    fn read(&mut self) -> Option<()> {
        let bytes = self.output.recv_timeout(PATIENCE).ok()?;
        self.terminal.process(&bytes);
        self.text.extend(bytes);
        Some(())
    }

    /// Waits for the end of the program, and looks at what it left.
    fn end(self) -> String {
        let screen = self.given_back();
        for (row, column) in (0..24).flat_map(|row| (0..80).map(move |column| (row, column))) {
            let cell = screen.cell(row, column).expect("it is on the screen");
            assert_eq!(cell.bgcolor(), vt100::Color::Default, "a piece of a picture");
        }
        screen.contents()
    }

    /// Waits for the end of the program, and returns the screen of a terminal that was given back.
    fn given_back(mut self) -> vt100::Screen {
        // The terminal closes for good only when the program has ended.
        while self.child.try_wait().expect("it is a child").is_none() || !self.text.is_empty() {
            self.text.clear();
            while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
                self.terminal.process(&bytes);
                self.text.extend(bytes);
            }
        }
        let screen = self.terminal.screen();
        assert!(!screen.alternate_screen(), "still on the other screen");
        assert!(!screen.hide_cursor(), "no cursor");
        assert!(!screen.bracketed_paste(), "pastes are still bracketed");
        assert_eq!(screen.fgcolor(), vt100::Color::Default, "a stray colour");
        assert_eq!(screen.bgcolor(), vt100::Color::Default, "a stray colour");
        assert_eq!(format!("{:?}", self.master.get_termios()), self.settings, "still raw");
        screen.clone()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.process_id().expect("it runs").to_string();
        assert!(process::Command::new("kill").args([name, &pid]).status().expect("kill").success());
    }

    fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("it is open");
    }
}

#[test]
fn signals_give_the_terminal_back() {
    for name in ["-TERM", "-INT", "-HUP"].repeat(5) {
        let session = Session::start();
        session.signal(name);
        session.end();
    }
}

#[test]
fn quitting_gives_the_terminal_back() {
    let mut session = Session::start();
    session.press(b"\x03");
    session.end();
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_message() {
    let mut session = Session::start();
    session.press(b"\x0e");
    let left = session.end();
    assert!(left.contains("the cat fell off the shelf"), "{left}");
}

#[test]
fn a_suspended_program_has_given_the_terminal_back_and_takes_it_again() {
    let mut session = Session::start();
    session.signal("-TSTP");
    session.wait_until_stopped();
    session.read_all();
    assert!(!session.terminal.screen().alternate_screen(), "still on the other screen");
    assert!(!session.terminal.screen().hide_cursor(), "no cursor");
    assert_eq!(format!("{:?}", session.master.get_termios()), session.settings, "still raw");
    session.signal("-CONT");
    session.until_shown();
    session.press(b"\x03");
    session.end();
}

/// Push-to-talk on a terminal with kitty's keyboard protocol: its flags are set while the terminal is the
/// program's, and put back before the other screen is left, as each screen has its own.
#[test]
fn a_terminal_says_that_keys_are_let_go_while_it_is_taken() {
    const SET: &[u8] = b"\x1b[>2u";
    const PUT_BACK: &[u8] = b"\x1b[<1u";
    let mut session = Session::start();
    let has = |bytes: &[u8], wanted: &[u8]| bytes.windows(wanted.len()).any(|w| w == wanted);
    assert!(!has(&session.text, SET), "it did not say that it knows the protocol");
    session.press(b"\x1b[?0u");
    while !has(&session.text, SET) {
        session.read().expect("it is told to");
    }
    session.text.clear();
    session.signal("-TSTP");
    while !has(&session.text, b"\x1b[?1049l") {
        session.read().expect("it is suspended");
    }
    assert!(has(&session.text, PUT_BACK));
    session.wait_until_stopped();
    session.text.clear();
    session.signal("-CONT");
    while !has(&session.text, SET) {
        session.read().expect("it is told to again");
    }
    session.until_shown();
    session.text.clear();
    session.press(b"\x03");
    while !has(&session.text, b"\x1b[?1049l") {
        session.read().expect("it is given back");
    }
    assert!(has(&session.text, PUT_BACK));
    session.given_back();
}

#[test]
fn a_program_that_was_stopped_without_a_word_draws_everything_anew() {
    let mut session = Session::start();
    session.signal("-STOP");
    session.wait_until_stopped();
    session.read_all();
    session.terminal.process(b"\x1b[?1049l\x1b[2J");
    session.signal("-CONT");
    session.until_shown();
    session.press(b"\x03");
    // The rest of a write that the stop interrupted comes before the program knows that it goes on:
    // it may be left where the shell was.
    session.given_back();
}

#[test]
fn a_closed_terminal_ends_the_program() {
    for _ in 0..5 {
        let Session { mut child, master, output, .. } = Session::start();
        drop(master);
        drop(output);
        let (done, wait) = sync::sync_channel(1);
        std::thread::spawn(move || done.send(child.wait()));
        wait.recv_timeout(PATIENCE).expect("it ends").expect("it is a child");
    }
}
