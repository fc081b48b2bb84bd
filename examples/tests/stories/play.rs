//! Videos and the camera on the terminal, without an account or a server.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use meoww_cli::picture::source::pattern::{self, Stamp};
use vt100::Parser;

use crate::{
    server::program,
    terminal::{Terminal, bars, rgb},
    user::User,
};

/// Somebody without a server.
fn nobody() -> User {
    User::at("nobody", "http://127.0.0.1:9")
}

/// A film of so many seconds of the test pattern, 20 pictures a second.
pub(crate) fn film(folder: &Path, seconds: u32) -> String {
    let path = folder.join("film.y4m");
    let mut file = File::create(&path).expect("made");
    file.write_all(b"YUV4MPEG2 W320 H240 F20:1 C420jpeg\n").expect("written");
    for counter in 0..20 * seconds {
        let picture = pattern::draw(320, 240, 0, Stamp { counter, sent: 7 });
        file.write_all(&[b"FRAME\n", picture.planes().concat().as_slice()].concat()).expect("it");
    }
    path.to_str().expect("a name").to_owned()
}

fn run(arguments: &[&str]) -> Terminal {
    Terminal::run(&program("meoww"), arguments, nobody().environment(), (100, 30))
}

fn shows_bars(terminal: &Terminal) {
    terminal.wait_until("bars", |screen| bars(screen).iter().all(Option::is_some));
}

#[test]
fn a_film_is_shown_wound_and_quit() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut terminal = run(&["play", &film(folder.path(), 60)]);
    shows_bars(&terminal);
    terminal.wait_for("/ 1:00");
    terminal.wait_for("half truecolor");
    terminal.press(" 5");
    terminal.wait_for("paused 0:30 / 1:00");
    terminal.press("\x1b[C");
    terminal.wait_for("paused 0:35 / 1:00");
    terminal.press("c");
    terminal.wait_for("half 256 quality 75");
    terminal.press("-");
    terminal.wait_for("half 256 quality 70");
    terminal.resize(60, 20);
    terminal.press("m");
    terminal.wait_for("braille mono quality 70");
    terminal.press("\x03");
    assert_eq!(terminal.ended(), 0);
}

/// A still of greys, as many as the terminal has half cells above its last line.
struct Still {
    columns: u16,
    rows: u16,
}

impl Still {
    /// Luma (BT.601, limited): noise, of which a picture in motion would be spared most.
    fn luma(&self, x: u16, row: u16) -> u8 {
        let at = u32::from(row) * u32::from(self.columns) + u32::from(x);
        let noise = at.wrapping_mul(2_654_435_761) >> 24;
        (90 + u32::from(x) / 2 + noise % 24) as u8
    }

    fn write(&self, folder: &Path) -> String {
        let path = folder.join("still.y4m");
        let mut file = File::create(&path).expect("made");
        let (width, height) = (self.columns, self.rows * 2);
        write!(file, "YUV4MPEG2 W{width} H{height} F20:1 C420jpeg\nFRAME\n").expect("written");
        let luma = (0..height).flat_map(|row| (0..width).map(move |x| self.luma(x, row)));
        let chroma = vec![128; usize::from(width) * usize::from(height) / 2];
        file.write_all(&luma.chain(chroma).collect::<Vec<_>>()).expect("written");
        path.to_str().expect("a name").to_owned()
    }

    /// Whether each half of each cell is as exact as 24 bits are.
    fn is_shown(&self, screen: &vt100::Screen) -> bool {
        let cells = (0..self.rows).flat_map(|y| (0..self.columns).map(move |x| (x, y)));
        cells.into_iter().all(|(x, y)| {
            let Some(cell) = screen.cell(y, x) else { return false };
            let (front, back) = (cell.fgcolor(), cell.bgcolor());
            let halves = match cell.contents() {
                "▀" => [front, back],
                "▄" => [back, front],
                "█" => [front, front],
                _ => [back, back],
            };
            halves.into_iter().zip([y * 2, y * 2 + 1]).all(|(half, row)| {
                let grey = (f64::from(self.luma(x, row)) - 16.0) * 255.0 / 219.0;
                rgb(half).is_some_and(|color| {
                    color.into_iter().all(|value| (f64::from(value) - grey).abs() <= 1.0)
                })
            })
        })
    }
}

#[test]
fn a_still_becomes_exact_and_then_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let still = Still { columns: 100, rows: 29 };
    let path = still.write(folder.path());
    let mut terminal = run(&["play", &path, "--render", "half"]);
    terminal.wait_until("exact", |screen| still.is_shown(screen));
    terminal.wait_for("0 fps  0 B/s");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_film_ends_by_itself_and_a_signal_ends_it_sooner() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = film(folder.path(), 1);
    assert_eq!(run(&["play", &path]).ended(), 0);
    assert_eq!(run(&["play", &path, "--frames", "3", "--fps", "10"]).ended(), 0);
    let path = film(folder.path(), 60);
    let terminal = run(&["play", &path]);
    shows_bars(&terminal);
    terminal.terminate();
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_preview_shows_what_a_stranger_would_see() {
    let mut terminal = run(&["preview", "--camera", "pattern"]);
    shows_bars(&terminal);
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    let terminal = run(&["preview", "--camera", "none"]);
    terminal.wait_for("--camera none has no picture");
    assert_eq!(terminal.ended(), 20);
}

#[test]
fn a_film_is_drawn_into_a_file_as_a_terminal_would_get_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = film(folder.path(), 1);
    let [out, index] = ["out", "index"].map(|name| folder.path().join(name).display().to_string());
    let play = |more: &[&str]| {
        let arguments =
            ["play", &path, "--json", "--cols", "64", "--rows", "24", "--index", &index];
        nobody().meoww(&[&arguments, more].concat()).succeeded().stdout
    };
    let offsets = || -> Vec<usize> {
        let text = fs::read_to_string(&index).expect("written");
        text.lines().map(|line| line.parse().expect("a number")).collect()
    };

    // Longer than the film, which begins again.
    let said = play(&["--out", &out, "--render", "half", "--color", "true", "--frames", "25"]);
    let (bytes, offsets_of_all) = (fs::read(&out).expect("written"), offsets());
    assert_eq!((offsets_of_all.len(), offsets_of_all.last()), (25, Some(&bytes.len())));
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&said["frames"], &said["bytes"]), (&25.into(), &bytes.len().into()));
    assert_eq!(said["firstFrameBytes"], offsets_of_all[0]);
    let mut screen = Parser::default();
    screen.process(&bytes[..offsets_of_all[0]]);
    assert!(bars(screen.screen()).iter().all(Option::is_some), "the first is whole");
    assert_eq!(screen.screen().cell(23, 63).map(vt100::Cell::has_contents), Some(true));
    assert_eq!(screen.screen().cell(23, 64).map(vt100::Cell::has_contents), Some(false));

    play(&["--null"]);
    assert_eq!(offsets(), [0; 20]);
}

#[test]
fn what_cannot_be_shown_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = film(folder.path(), 1);
    let text = folder.path().join("text.mp4").display().to_string();
    fs::write(&text, "no video").expect("written");
    let nobody = nobody();
    let few = ["play", &path, "--out", "/dev/null", "--render", "kitty", "--color", "mono"];
    nobody.meoww(&few).failed(20, "For greys, add --filter grey.");
    nobody.meoww(&["play", &path]).failed(40, "or add --out FILE");
    nobody.meoww(&["preview", "--camera", "pattern"]).failed(40, "Run this in one.");
    nobody.meoww(&["play", "none.mp4", "--null"]).failed(33, "Name a readable file.");
    nobody.meoww(&["play", &text, "--null"]).failed(33, "it is no video that ffmpeg knows");
    nobody.meoww(&["play", &path, "--out", "/none/x"]).failed(3, "Cannot use /none/x");
    let unset = [("PATH", "/none")];
    nobody.meoww_with(&["play", &text, "--null"], &unset).failed(35, "Install it");
}
