//! The screen of a call on a terminal of 240x67 cells that takes 300 kB a second, measured from its
//! other end: how old pictures are, how many there are, how soon what is typed can be read.
//!
//! `cargo run --workspace --bin slow_terminal`
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

mod film;

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    thread,
    time::{Duration, Instant},
};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::film::{TICK, clock};

const COLUMNS: u16 = 240;
const ROWS: u16 = 67;
/// Bytes a second.
const RATE: f64 = 300e3;
/// Pictures and keys before this do not count: it is what the first picture takes.
const WARM_UP: Duration = Duration::from_secs(3);
const LENGTH: Duration = Duration::from_secs(33);
/// From one key to the next.
const TYPING: Duration = Duration::from_millis(70);
/// The cells in their middle, and the row of both.
const CELLS: [u16; 2] = [84, 110];
const ROW: u16 = 33;
/// The row that is typed into, in the last columns.
const INPUT_ROW: u16 = 64;

/// Runs itself on a pseudo terminal, where `film` shows the screen.
fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("film") => film::show()?,
        _ => measure(),
    }
    Ok(())
}

/// The time that the picture on the screen shows, modulo 256.
fn time_shown(screen: &vt100::Screen) -> Option<u64> {
    let level = |column| {
        let cell = screen.cell(ROW, column)?;
        let shown = if cell.contents() == "█" { cell.fgcolor() } else { cell.bgcolor() };
        let grey = match shown {
            vt100::Color::Rgb(grey, ..) => grey,
            // Greys of the palette go from 8 in steps of 10.
            vt100::Color::Idx(index @ 232..) => 8 + 10 * (index - 232),
            vt100::Color::Idx(_) | vt100::Color::Default => return None,
        };
        Some((f64::from(grey) * 219.0 / 255.0 + 16.0 - 23.0) / 14.0)
    };
    let levels = [level(CELLS[0])?, level(CELLS[1])?].map(|level| level.round().max(0.0) as u64);
    Some((levels[0] * 16 + levels[1]) % 256)
}

/// What the other end of the terminal saw.
#[derive(Default)]
struct Seen {
    ages: Vec<Duration>,
    echoes: Vec<Duration>,
    bytes: usize,
    /// Of the program, each second.
    memory: Vec<usize>,
}

fn measure() {
    let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
    let pty = native_pty_system().openpty(size).expect("a pseudo terminal");
    let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
    command.arg("film");
    let mut child = pty.slave.spawn_command(command).expect("it starts");
    drop(pty.slave);
    let mut output = pty.master.try_clone_reader().expect("the terminal can be read");
    let mut keys = pty.master.take_writer().expect("a keyboard");
    let [rows, columns] = [ROWS, COLUMNS].map(|n| NonZeroU16::new(n).expect("not zero"));
    let mut terminal = vt100::Parser::new(rows, columns, 0);

    let (mut seen, mut shown, mut typed) = (Seen::default(), None, None::<(Instant, String)>);
    let (began, mut buffer, mut read, mut line) = (Instant::now(), [0; 1024], 0, String::new());
    let mut tail = Vec::new();
    let (mut next_key, mut next_memory) = (began + WARM_UP, began + WARM_UP);
    while began.elapsed() < LENGTH {
        let count = output.read(&mut buffer).expect("it runs");
        read += count;
        // It takes the time that so many bytes take.
        let due = began + Duration::from_secs_f64(read as f64 / RATE);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let idle = Instant::now().saturating_duration_since(due).as_secs_f64();
        // What was not used of the rate is lost.
        read += (idle * RATE) as usize;
        terminal.process(&buffer[..count]);
        answer(&buffer[..count], &mut tail, &mut keys);
        let now = Instant::now();
        let is_warm = now - began > WARM_UP;
        let time = time_shown(terminal.screen());
        if time.is_some() && time != shown && is_warm {
            let age = (clock() + 256 - time.unwrap_or(0)) % 256;
            seen.ages.push(Duration::from_millis(age * TICK));
        }
        shown = time;
        if is_warm {
            seen.bytes += count;
        }
        if let Some((since, _)) = typed.take_if(|(_, text)| reads(&terminal, text)) {
            seen.echoes.push(now - since);
        }
        if typed.is_none() && now > next_key {
            line.push(if line.len() % 2 == 0 { 'x' } else { 'y' });
            if line.len() > 30 {
                line = "x".to_owned();
                keys.write_all(b"\x15").expect("typed");
            }
            keys.write_all(&line.as_bytes()[line.len() - 1..]).expect("typed");
            (typed, next_key) = (Some((now, line.clone())), now + TYPING);
        }
        if now > next_memory {
            seen.memory.push(resident(child.process_id()));
            next_memory = now + Duration::from_secs(1);
        }
    }
    keys.write_all(b"\x03").expect("typed");
    let drain = thread::spawn(move || while let Ok(1..) = output.read(&mut buffer) {});
    child.wait().expect("it ends");
    drop((keys, pty.master));
    drain.join().expect("it ends");
    report(seen);
}

/// Whether the line that is typed into shows this.
fn reads(terminal: &vt100::Parser, text: &str) -> bool {
    let cell = |column| terminal.screen().cell(INPUT_ROW, column).map(vt100::Cell::contents);
    let line: String = (COLUMNS - 44..COLUMNS).filter_map(cell).collect();
    line.contains(text)
}

/// Answers DSR 5 and DA1 once they are read.
fn answer(bytes: &[u8], tail: &mut Vec<u8>, keys: &mut impl Write) {
    for byte in bytes {
        tail.push(*byte);
        if tail.ends_with(b"\x1b[5n") {
            keys.write_all(b"\x1b[0n").expect("answered");
        } else if tail.ends_with(b"\x1b[c") {
            keys.write_all(b"\x1b[?62c").expect("answered");
        } else if tail.ends_with(b"\x1b[?2026$p") {
            keys.write_all(b"\x1b[?2026;2$y").expect("answered");
        } else if tail.len() > 64 {
            tail.drain(..32);
        }
    }
}

/// Kilobytes.
fn resident(process: Option<u32>) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.unwrap_or(0)));
    let status = status.unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn report(mut seen: Seen) {
    let seconds = (LENGTH - WARM_UP).as_secs_f64();
    seen.ages.sort();
    seen.echoes.sort();
    let at = |times: &[Duration], share: f64| {
        times[((times.len() as f64 * share) as usize).min(times.len() - 1)].as_millis()
    };
    println!(
        "pictures a second: {:.1}; age in ms: p50 {} p90 {} p99 {}; echo in ms ({} keys): p50 {} \
         p90 {} p99 {}; {:.0} kB/s; resident kB: {:?}",
        seen.ages.len() as f64 / seconds,
        at(&seen.ages, 0.5),
        at(&seen.ages, 0.9),
        at(&seen.ages, 0.99),
        seen.echoes.len(),
        at(&seen.echoes, 0.5),
        at(&seen.echoes, 0.9),
        at(&seen.echoes, 0.99),
        seen.bytes as f64 / seconds / 1000.0,
        seen.memory,
    );
}
