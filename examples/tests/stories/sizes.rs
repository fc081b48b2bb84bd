//! Windows of any size, resized fifty times a second, in every mode: whatever was drawn before, the
//! picture is whole afterwards, and nothing of another mode is left.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use meoww_paint::{Color::Ansi16, Render};
use vt100::{Color, Screen};

use crate::{
    play::film,
    questions::{AT_ONCE, Manner, run_and_listen},
    server::program,
    terminal::Terminal,
};

/// Of a terminal that shows pictures in every way there is.
const ANSWERS: [(&[u8], &[u8]); 9] = [
    (b"\x1b[5n", b"\x1b[0n"),
    (b"\x1b[6n", b"\x1b[2;2R"),
    (b"\x1b[16t", b"\x1b[6;20;10t"),
    (b"\x1b[>0q", b"\x1bP>|iTerm2 3.5.0\x1b\\"),
    (b"\x1b[?1070$p", b"\x1b[?1070;2$y"),
    (b"\x1b[?1;3;256S", b"\x1b[?1;0;256S"),
    (b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", b"\x1b_Gi=31;OK\x1b\\"),
    (b"\x1b_Gi=32,s=1,v=1,a=f,r=1,t=d,f=24;AAAA\x1b\\", b"\x1b_Gi=32;OK\x1b\\"),
    (b"\x1b[c", b"\x1b[?62;4c"),
];
/// How long a window has a size.
const STEP: Duration = Duration::from_millis(20);

/// The pictures of pixels that a terminal keeps.
#[derive(Default)]
struct Pixels {
    /// Of kitty's graphics protocol, by their numbers.
    kitty: BTreeSet<u32>,
    /// Whether there are others, which end where the screen is cleared.
    others: bool,
    /// A sequence that has not ended yet.
    rest: Vec<u8>,
}

impl Pixels {
    fn read(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        loop {
            let Some(at) = self.rest.iter().position(|byte| *byte == 0x1b) else {
                return self.rest.clear();
            };
            self.rest.drain(..at);
            let end = match self.rest.get(1) {
                None => return,
                Some(b'[') => {
                    self.rest.iter().skip(2).position(u8::is_ascii_alphabetic).map(|at| at + 3)
                }
                Some(b'_' | b'P' | b']') => {
                    let end = self.rest.windows(2).position(|end| end == b"\x1b\\");
                    let bell = self.rest.iter().position(|byte| *byte == 0x07);
                    end.map(|at| at + 2).into_iter().chain(bell.map(|at| at + 1)).min()
                }
                Some(_) => Some(2),
            };
            let Some(end) = end else { return };
            let sequence: Vec<u8> = self.rest.drain(..end).collect();
            self.carry_out(&sequence);
        }
    }

    fn carry_out(&mut self, sequence: &[u8]) {
        match sequence {
            b"\x1b[2J" | b"\x1b[?1049l" => self.others = false,
            [_, b'P', b'0'..=b'9', ..] => self.others = true,
            [_, b']', b'1', b'3', b'3', b'7', ..] => self.others = true,
            [_, b'_', b'G', control @ ..] => self.kitty(&String::from_utf8_lossy(control)),
            _ => {}
        }
    }

    fn kitty(&mut self, command: &str) {
        let control = command.split([';', '\x1b']).next().expect("the first of any");
        let value = |key: &str| control.split(',').find_map(|pair| pair.strip_prefix(key));
        let number = value("i=").map(|number| number.parse().expect("a number"));
        match (value("a="), value("d="), number) {
            (Some("t" | "T"), None, Some(number)) => {
                self.kitty.insert(number);
            }
            (Some("d"), Some("I"), Some(number)) => {
                self.kitty.remove(&number);
            }
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.kitty.is_empty() && !self.others
    }
}

/// First and last columns and rows of the cells that are not blank, without the last line; `None` unless
/// each row between has the same.
fn extent(screen: &Screen) -> Option<[u16; 4]> {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let is_drawn = |row: u16, column: u16| {
        let cell = screen.cell(row, column);
        cell.is_some_and(|cell| {
            !cell.contents().trim().is_empty() || cell.bgcolor() != Color::Default
        })
    };
    let below = u16::from(rows > 2);
    let mut extent: Option<[u16; 4]> = None;
    for row in 0..rows - below {
        let mut drawn = (0..columns).filter(|column| is_drawn(row, *column));
        let Some(first) = drawn.next() else { continue };
        let last = drawn.next_back().unwrap_or(first);
        match &mut extent {
            None => extent = Some([first, last, row, row]),
            Some([left, right, _, bottom]) => {
                if (*left, *right, *bottom + 1) != (first, last, row) {
                    return None;
                }
                *bottom = row;
            }
        }
    }
    extent
}

/// Whether the screen shows a picture of 4:3 in cells of 1:2, as large as the window allows and in its
/// middle, and no line longer than the window.
fn is_whole(screen: &Screen) -> bool {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let height = rows - u16::from(rows > 2);
    let Some([left, right, top, bottom]) = extent(screen) else { return false };
    let (wide, high) = (right + 1 - left, bottom + 1 - top);
    let is_middle = |first: u16, count: u16, all: u16| first.abs_diff((all - count) / 2) <= 1;
    // 3 w = 8 h, to the nearest cell.
    let is_shaped = (3 * wide).abs_diff(8 * high) <= 8;
    let fills = wide == columns || high == height;
    let wraps = (0..rows).any(|row| screen.row_wrapped(row));
    fills && is_shaped && is_middle(left, wide, columns) && is_middle(top, high, height) && !wraps
}

/// Presses the key for the next mode until `render` is it.
fn switch_to(terminal: &mut Terminal, from: Render, render: Render) {
    let at = |render| Render::ALL.into_iter().position(|r| r == render).expect("one of all");
    let count = (at(render) + Render::ALL.len() - at(from)) % Render::ALL.len();
    terminal.press(&"m".repeat(count));
    terminal.wait_for(&format!(" {} ", render.name()));
}

#[test]
fn a_picture_is_whole_after_any_sizes_and_modes_and_nothing_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = film(folder.path(), 60);
    let pixels = Arc::<Mutex<Pixels>>::default();
    let heard = pixels.clone();
    let meoww = program("meoww").display().to_string();
    let manner = Manner { answers: &ANSWERS, ..AT_ONCE };
    let arguments = ["play", &path, "--render", "half"];
    let mut terminal = run_and_listen(&meoww, &arguments, manner, move |bytes| {
        heard.lock().expect("not poisoned").read(bytes);
    });
    terminal.wait_until("a picture", is_whole);
    for (columns, rows) in
        [(1, 1), (2, 1), (1, 9), (9, 3), (500, 2), (37, 11), (500, 200), (3, 200)]
    {
        terminal.resize(columns, rows);
        terminal.wait_until(&format!("{columns}x{rows}"), |screen| {
            // Too narrow or flat for the shape.
            let is_tiny = columns < 8 || rows < 3;
            is_tiny && extent(screen).is_some() || is_whole(screen)
        });
    }

    // All modes, several times, and all colours.
    let (mut state, mut changes) = (1u32, 0);
    let mut modes = Render::ALL.into_iter().cycle().skip_while(|mode| *mode != Render::HalfBlock);
    let mut mode = modes.next();
    for step in 0..12 * Render::ALL.len() {
        let mut size = |most: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (1 + (state >> 16) % most) as u16
        };
        terminal.resize(size(500), size(200));
        if step % 3 == 0 {
            terminal.press("m");
            mode = modes.next();
        }
        if step % 5 == 0 {
            terminal.press("c");
            // Pixels and dots have no others.
            let has_others = mode.is_some_and(|mode| mode.color(Ansi16) == Ansi16);
            changes += usize::from(has_others);
        }
        thread::sleep(STEP);
    }
    terminal.resize(160, 40);
    terminal.press(&"c".repeat((4 - changes % 4) % 4));
    terminal.wait_for(" half truecolor");
    terminal.wait_until("the picture", is_whole);
    terminal.wait_until("no pixels", |_| pixels.lock().expect("not poisoned").is_empty());

    for render in [Render::Kitty, Render::Sixel, Render::Iterm2] {
        switch_to(&mut terminal, Render::HalfBlock, render);
        terminal.wait_until(render.name(), |_| !pixels.lock().expect("not poisoned").is_empty());
        switch_to(&mut terminal, render, Render::HalfBlock);
        terminal.wait_until("the picture", is_whole);
        terminal.wait_until("no pixels", |_| pixels.lock().expect("not poisoned").is_empty());
    }
    switch_to(&mut terminal, Render::HalfBlock, Render::Kitty);
    terminal.wait_until("pixels", |_| !pixels.lock().expect("not poisoned").kitty.is_empty());
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    assert!(pixels.lock().expect("not poisoned").is_empty());
}
