//! Terminals that answer in every way there is: at once, late, in pieces, in nonsense, or never.
#![expect(clippy::disallowed_methods, reason = "a terminal that answers late has a clock")]

use std::{
    path::Path,
    sync::mpsc::{RecvTimeoutError, sync_channel},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    play::film,
    server::program,
    terminal::{Terminal, bars},
    user::User,
};

const SIZE: (u16, u16) = (100, 30);
/// The longest question.
const LONGEST: usize = 64;
const CTRL_C: &str = "\x03";

/// Questions, and what kitty 0.32 answers.
const KITTY: [(&[u8], &[u8]); 9] = [
    (b"\x1b[5n", b"\x1b[0n"),
    (b"\x1b[6n", b"\x1b[2;2R"),
    (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
    (b"\x1b[16t", b"\x1b[6;20;10t"),
    (b"\x1b]11;?\x1b\\", b"\x1b]11;rgb:ffff/ffff/dddd\x1b\\"),
    (b"\x1b[>0q", b"\x1bP>|kitty(0.32.2)\x1b\\"),
    (b"\x1bP+q524742\x1b\\", b"\x1bP1+r524742=382F382F38\x1b\\"),
    (b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", b"\x1b_Gi=31;OK\x1b\\"),
    (b"\x1b[c", b"\x1b[?62;4c"),
];

/// How a terminal answers.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) answers: &'static [(&'static [u8], &'static [u8])],
    /// After so long.
    pub(crate) after: Duration,
    /// In pieces of so many bytes, so long after one another.
    pub(crate) pieces: (usize, Duration),
}

pub(crate) const AT_ONCE: Manner =
    Manner { answers: &KITTY, after: Duration::ZERO, pieces: (1000, Duration::ZERO) };

/// The program on a terminal that answers in a manner.
fn run(command: &str, arguments: &[&str], manner: Manner) -> Terminal {
    run_and_listen(command, arguments, manner, |_| {})
}

/// Likewise; `hear` gets what the program writes.
pub(crate) fn run_and_listen(
    command: &str,
    arguments: &[&str],
    manner: Manner,
    mut hear: impl FnMut(&[u8]) + Send + 'static,
) -> Terminal {
    let nobody = User::at("nobody", "http://127.0.0.1:9");
    let (asked, questions) = sync_channel::<(Instant, &'static [u8])>(1000);
    let mut seen = Vec::new();
    let listen = move |bytes: &[u8]| {
        hear(bytes);
        seen.extend_from_slice(bytes);
        while let Some((end, answer)) = first(&seen, manner.answers) {
            seen.drain(..end);
            let _ = asked.try_send((Instant::now() + manner.after, answer));
        }
        let old = seen.len().saturating_sub(LONGEST);
        seen.drain(..old);
    };
    let (program, environment) = (Path::new(command), nobody.environment());
    let terminal = Terminal::listening(program, arguments, environment, SIZE, listen);
    let keyboard = terminal.keyboard();
    std::thread::spawn(move || {
        // Never disconnected before its time: this is a clock.
        let (_clock, never) = sync_channel::<()>(0);
        let wait = |time| assert_eq!(never.recv_timeout(time), Err(RecvTimeoutError::Timeout));
        for (due, answer) in questions {
            wait(due.saturating_duration_since(Instant::now()));
            for piece in answer.chunks(manner.pieces.0) {
                let mut keyboard = keyboard.lock().expect("not poisoned");
                if keyboard.write_all(piece).and_then(|()| keyboard.flush()).is_err() {
                    return;
                }
                drop(keyboard);
                wait(manner.pieces.1);
            }
        }
    });
    terminal
}

/// The end of the first question in `bytes`, and its answer.
fn first(
    bytes: &[u8],
    answers: &[(&'static [u8], &'static [u8])],
) -> Option<(usize, &'static [u8])> {
    let found = answers.iter().filter_map(|(question, answer)| {
        let at = bytes.windows(question.len()).position(|window| window == *question)?;
        Some((at + question.len(), *answer))
    });
    found.min_by_key(|(end, _)| *end)
}

fn doctor(manner: Manner) -> Vec<Value> {
    let terminal = run(
        "/bin/sh",
        &[
            "-c",
            "\"$0\" doctor --json > \"$1\"; cat \"$1\"; rm \"$1\"; echo; echo done",
            program("meoww").to_str().expect("a name"),
            &scratch(),
        ],
        manner,
    );
    terminal.wait_for("done");
    let shown = terminal.contents().replace('\n', "");
    let json = &shown[shown.find('{').expect("JSON")..=shown.rfind('}').expect("JSON")];
    let found: Value = serde_json::from_str(json).expect("JSON");
    found["findings"].as_array().expect("a list").clone()
}

/// The name of a file that is not there.
fn scratch() -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.path().display().to_string()
}

#[track_caller]
fn is_found(findings: &[Value], about: &str, result: &str, answer: Option<&str>) {
    let found = findings.iter().find(|finding| finding["about"] == about);
    let found = found.unwrap_or_else(|| panic!("nothing about {about}"));
    assert!(found["result"].as_str().is_some_and(|text| text.starts_with(result)), "{found}");
    assert_eq!(found["answer"].as_str(), answer, "{found}");
}

#[test]
fn the_doctor_says_what_was_asked_and_answered_and_what_follows() {
    let found = doctor(AT_ONCE);
    is_found(&found, "terminal", "kitty(0.32.2) (TERM=xterm-256color)", Some("kitty(0.32.2)"));
    is_found(&found, "answers", "after ", None);
    is_found(&found, "cell", "1 wide to 2 high, as it says", Some("10x20"));
    is_found(&found, "colours", "truecolor", Some("yes"));
    is_found(&found, "unicode", "yes", Some("1 cell"));
    is_found(&found, "whole updates", "yes", Some("yes"));
    is_found(&found, "sixels", "yes", Some("yes"));
    is_found(&found, "kitty graphics", "yes", Some("yes"));
    is_found(&found, "background", "light", Some("#ffffdd"));
    is_found(&found, "server", "Cannot reach http://127.0.0.1:9", None);

    let silent = Manner { answers: &[], ..AT_ONCE };
    let found = doctor(silent);
    is_found(&found, "answers", "none within 150 ms", None);
    is_found(&found, "terminal", "without a name", None);
    is_found(&found, "kitty graphics", "no", None);
}

/// What the shell gets to read after the program, with the program quit by a key.
fn left_behind(manner: Manner) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "\"$0\" play \"$1\"; echo \"code $?\"; \
                  stty -echo -icanon min 0 time 10; echo \"left [$(head -c 99 | od -An -c)]\"";
    let path = film(folder.path(), 60);
    let program = program("meoww");
    let arguments = ["-c", script, program.to_str().expect("a name"), &path];
    let mut terminal = run("/bin/sh", &arguments, manner);
    terminal.wait_until("bars", |screen| bars(screen).iter().all(Option::is_some));
    terminal.wait_for("0:01");
    let bar = terminal.contents();
    assert!(bar.contains("half truecolor") && !bar.contains("paused"), "an answer was a key");
    terminal.press(CTRL_C);
    terminal.wait_for("left [");
    terminal.wait_until("the end", |screen| {
        screen.contents().split_once("left [").is_some_and(|(_, left)| left.contains(']'))
    });
    let contents = terminal.contents();
    assert!(contents.contains("code 0"), "{contents}");
    let (_, left) = contents.split_once("left [").expect("it was waited for");
    left[..left.find(']').expect("it was waited for")].trim().to_owned()
}

/// Its name and capabilities would quit, pause and change the mode.
const MISCHIEF: [(&[u8], &[u8]); 4] = [
    (b"\x1b[5n", b"\x1b[0n"),
    (b"\x1b[>0q", b"\x1bP>|q m c \x1b\\"),
    (b"\x1bP+q524742\x1b\\", b"\x1bP1+r6d20=6d63\x1b\\"),
    (b"\x1b[c", b"\x1b[?62;4c"),
];

#[test]
fn no_answer_is_a_key_or_left_to_the_shell() {
    let ms = Duration::from_millis;
    let mischief = Manner { answers: &MISCHIEF, ..AT_ONCE };
    assert_eq!(left_behind(mischief), "");
    // After the time that answers are waited for.
    assert_eq!(left_behind(Manner { after: ms(400), ..mischief }), "");
    // Byte by byte, each later than an Escape key is waited for.
    assert_eq!(
        left_behind(Manner { pieces: (1, ms(60)), answers: &MISCHIEF[1..], ..mischief }),
        ""
    );
}

#[test]
fn a_terminal_that_answers_nonsense_or_nothing_can_be_used() {
    const NONSENSE: [(&[u8], &[u8]); 3] = [
        (b"\x1b[5n", b"\x1b[5n\x1b[?\x1b[0;0;0;0n\xff\xfe"),
        (b"\x1b[>0q", b"\x1b]11;rgb:\x1b[999999999999t"),
        (b"\x1b[c", b"\x1bP>|never ended"),
    ];
    left_behind(Manner { answers: &NONSENSE, ..AT_ONCE });
    assert_eq!(left_behind(Manner { answers: &[], ..AT_ONCE }), "");
}

/// From the moment that the terminal is given back, while a server is waited for that never answers.
#[test]
fn the_doctor_leaves_what_is_typed_to_the_shell() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("http://{}", silent.local_addr().expect("bound"));
    let script = "\"$0\" doctor --server \"$1\"; read line; echo \"got [$line]\"";
    let program = program("meoww").display().to_string();
    let mut terminal = run("/bin/sh", &["-c", script, &program, &server], AT_ONCE);
    terminal.wait_until("asked", vt100::Screen::alternate_screen);
    terminal.wait_until_given_back();
    terminal.press("typed\r");
    terminal.wait_for("typed");
    drop(silent);
    terminal.wait_for("got [typed]");
}

/// A server of tmux, ended with the test however the test ends.
struct Tmux {
    socket: String,
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let command = std::process::Command::new("tmux")
            .args(["-S", &self.socket, "kill-server"])
            .stderr(std::process::Stdio::null())
            .status();
        assert!(command.is_ok(), "tmux cannot be run");
    }
}

/// A real tmux, in a terminal that answers.
#[test]
fn in_tmux_the_picture_is_shown_and_nothing_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = film(folder.path(), 60);
    let tmux = Tmux { socket: folder.path().join("socket").display().to_string() };
    let meoww = program("meoww").display().to_string();
    let options = ["-S", &tmux.socket, "-f", "/dev/null", "-T", "RGB,256", "new-session"];
    let inside = format!("'{meoww}' play '{path}'; '{meoww}' doctor; cat");
    let mut terminal = run("tmux", &[&options[..], &[&inside]].concat(), AT_ONCE);
    terminal.wait_until("bars", |screen| bars(screen).iter().all(Option::is_some));
    terminal.press("q");
    terminal.wait_for("in tmux");
    terminal.wait_for("XTVERSION: tmux");
    // The last line: from here on, keys are for the shell.
    terminal.wait_for("\nserver ");
    // To tmux, an unknown command of the graphics protocol is the name of its pane.
    assert!(!terminal.contents().contains("Gi=31"), "{}", terminal.contents());
    terminal.press("x\r");
    terminal.wait_for("\nx\nx\n");
    terminal.press("\x04");
    assert_eq!(terminal.ended(), 0);
}
