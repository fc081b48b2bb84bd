//! The line below the picture.

use std::{io::Write as _, time::Duration};

use meoww_paint::Color;

use super::state::State;
use crate::terminal::findings::color_name;

/// Widest progress bar; it takes what is left between the words.
const MAX_TRACK: usize = 40;
const MIN_TRACK: usize = 6;

/// Appends to `out` what makes the last line of the terminal show how the player stands.
pub(super) fn draw(state: &State, out: &mut Vec<u8>) {
    if state.bar_height() == 0 {
        return;
    }
    let (begin, end) =
        if state.mode.color == Color::Mono { ("", "") } else { ("\x1b[2m", "\x1b[m") };
    let line = line(state, usize::from(state.size.width));
    // A vector takes every byte.
    let _ = write!(out, "\x1b[{};1H{begin}{line}{end}\x1b[K", state.size.height);
}

/// One column less than the terminal has: in the last one, some would go to the next line.
fn line(state: &State, columns: usize) -> String {
    let width = columns.saturating_sub(1);
    let figures = state.figures;
    let right = format!(
        "{} {} quality {}  {} fps  {}/s",
        state.mode.render.name(),
        color_name(state.mode.render.color(state.mode.color)),
        state.mode.quality,
        figures.pictures,
        bytes(figures.bytes)
    );
    let keys = match state.length {
        Some(_) => "space pause  arrows seek  m mode  c colours  f filter  +- quality  q quit",
        None => "space pause  m mode  c colours  f filter  +- quality  q quit",
    };
    let mut line = if state.is_paused { "paused ".to_owned() } else { String::new() };
    line += &clock(state.at);
    if let Some(length) = state.length {
        let clocks = format!(" / {}", clock(length));
        let taken = line.len() + clocks.len() + right.len() + keys.len() + 8;
        let track = width.saturating_sub(taken).min(MAX_TRACK);
        line += &clocks;
        if track >= MIN_TRACK {
            line += &format!("  [{}]", progress(state.at, length, track));
        }
    }
    for part in [right.as_str(), keys] {
        if line.len() + 2 + part.len() <= width {
            line += "  ";
            line += part;
        }
    }
    line.truncate(width);
    line
}

fn progress(at: Duration, length: Duration, width: usize) -> String {
    let share = at.as_secs_f64() / length.as_secs_f64().max(f64::MIN_POSITIVE);
    let done = ((share * width as f64) as usize).min(width - 1);
    format!("{}>{}", "=".repeat(done), " ".repeat(width - done - 1))
}

fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1000 => format!("{count} B"),
        1000..1_000_000 => format!("{} kB", count / 1000),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use meoww_paint::{Mode, Render, Size};
    use proptest::prelude::*;

    use super::{super::state::Figures, *};
    use crate::terminal::caps::Caps;

    fn state(at: u64, length: Option<u64>) -> State {
        let size = Size { width: 80, height: 24 };
        let color = Color::True;
        State {
            size,
            limit: size,
            caps: Caps::new(color, true),
            mode: Mode::new(Render::HalfBlock, color),
            is_chosen: false,
            is_paused: false,
            at: Duration::from_secs(at),
            length: length.map(Duration::from_secs),
            figures: Figures { pictures: 24, bytes: 181_234 },
        }
    }

    #[test]
    fn a_film_shows_its_progress_and_the_keys() {
        let shown = line(&state(45, Some(90)), 190);
        let left = "0:45 / 1:30  [====================>                   ]";
        let right = "half truecolor quality 75  24 fps  181 kB/s  space pause  arrows seek  m mode";
        assert!(shown.starts_with(&format!("{left}  {right}")), "{shown}");
    }

    #[test]
    fn a_camera_has_no_end() {
        let paused = State { is_paused: true, ..state(3661, None) };
        assert!(
            line(&paused, 100).starts_with("paused 1:01:01  half truecolor quality 75  24 fps")
        );
    }

    proptest! {
        #[test]
        fn it_is_never_as_wide_as_the_terminal(
            at in 0u64..1_000_000, length in prop::option::of(0u64..1_000_000), columns in 0usize..300,
        ) {
            let line = line(&state(at, length), columns);
            prop_assert!(line.is_ascii() && line.len() <= columns.saturating_sub(1));
        }
    }
}
