//! The screen on a real (pseudo) terminal: whatever ends it, the terminal is as it was.
//!
//! Each test runs `call_screen` on a pseudo terminal.
#![cfg(unix)]

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    num::NonZeroU16,
    process,
    sync::mpsc as sync,
    time::Duration,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

const PATIENCE: Duration = Duration::from_secs(30);

/// The program and what its terminal shows.
struct Session {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    output: sync::Receiver<Vec<u8>>,
    terminal: vt100::Parser,
    text: Vec<u8>,
    /// The pictures that a terminal with kitty's graphics protocol would have.
    pictures: Pictures,
    /// The settings of the terminal before, as text.
    settings: String,
}

impl Session {
    /// Returns when the screen is shown.
    fn start() -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).expect("a pseudo terminal");
        let settings = format!("{:?}", pty.master.get_termios());
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_call_screen"));
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
        let pictures = Pictures::default();
        let mut session =
            Self { child, master, keyboard, output, terminal, text, pictures, settings };
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
                self.show(&bytes);
            }
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        self.terminal.process(bytes);
        self.pictures.read(bytes);
    }

    /// What is on its way, of a program that writes no more.
    fn read_all(&mut self) {
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
            self.show(&bytes);
        }
    }

    fn read(&mut self) -> Option<()> {
        let bytes = self.output.recv_timeout(PATIENCE).ok()?;
        self.show(&bytes);
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
                self.show(&bytes);
                self.text.extend(bytes);
            }
        }
        assert!(self.pictures.kept.is_empty(), "pictures are left: {:?}", self.pictures.kept);
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

/// The pictures of kitty's graphics protocol that a terminal keeps.
#[derive(Default)]
struct Pictures {
    kept: BTreeSet<u32>,
    /// A command that has not ended yet.
    rest: Vec<u8>,
}

impl Pictures {
    fn read(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(at) = self.rest.windows(3).position(|window| window == b"\x1b_G") {
            self.rest.drain(..at);
            let Some(end) = self.rest.windows(2).position(|window| window == b"\x1b\\") else {
                return;
            };
            let command: Vec<u8> = self.rest.drain(..end + 2).skip(3).collect();
            self.carry_out(&String::from_utf8_lossy(&command));
        }
        let whole = self.rest.len().saturating_sub(2);
        self.rest.drain(..whole);
    }

    fn carry_out(&mut self, command: &str) {
        let control = command.split([';', '\x1b']).next().expect("the first of any");
        let value = |key: &str| control.split(',').find_map(|pair| pair.strip_prefix(key));
        let picture = value("i=").map(|number| number.parse().expect("a number"));
        match (value("a="), value("d="), picture) {
            (Some("t" | "T"), None, Some(picture)) => {
                self.kept.insert(picture);
            }
            (Some("d"), Some("I"), Some(picture)) => {
                self.kept.remove(&picture);
            }
            _ => {}
        }
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

/// Also those that are on their way, as a film of many pictures a second goes on till the end.
#[test]
fn pictures_of_kitty_are_removed_by_whatever_ends_the_program() {
    let with_key = |key: &'static [u8]| move |session: &mut Session| session.press(key);
    let with_signal = |name: &'static str| move |session: &mut Session| session.signal(name);
    let ends: [&dyn Fn(&mut Session); 6] = [
        &with_key(b"\x03"),
        &with_key(b"\x0e"),
        &with_signal("-TERM"),
        &with_signal("-INT"),
        &with_signal("-HUP"),
        &|session| {
            session.signal("-TSTP");
            session.wait_until_stopped();
            session.read_all();
            assert!(session.pictures.kept.is_empty(), "{:?}", session.pictures.kept);
            session.signal("-CONT");
            session.until_shown();
            session.press(b"\x03");
        },
    ];
    for (number, end) in ends.into_iter().enumerate() {
        for knows_parts in [true, false] {
            let mut session = Session::start();
            let parts: &[u8] = if knows_parts { b"\x1b_Gi=32;OK\x1b\\" } else { b"" };
            session.press(&[b"\x1b[6;20;10t\x1b_Gi=31;OK\x1b\\", parts].concat());
            // Beside those that are asked about.
            while !session.pictures.kept.iter().any(|picture| *picture > 255) {
                session.read().unwrap_or_else(|| panic!("{number}: no picture"));
            }
            end(&mut session);
            session.given_back();
        }
    }
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
