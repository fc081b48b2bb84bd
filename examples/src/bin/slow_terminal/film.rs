//! The film that the terminal shows: waves that move, with the time at which each picture was made.

use std::{
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use meoww_cli::{
    terminal::{env::Env, signals, tty::WindowSize},
    tui::{run, sound::Microphone},
};
use meoww_examples::screen;
use meoww_paint::Frame;

use crate::{COLUMNS, ROWS};

/// From one picture to the next, and the unit of the time it shows.
pub(crate) const TICK: u64 = 33;

const WIDTH: usize = 640;
const HEIGHT: usize = 480;
/// Where the two strips of a picture are that tell when it was made, in 160ths from its left.
const STRIPS: [usize; 2] = [68, 92];

/// Shows them on this terminal, with a line to type into, until it is quit.
#[tokio::main]
pub(crate) async fn show() -> anyhow::Result<()> {
    let env = Env {
        term: "xterm-256color".to_owned(),
        colorterm: "truecolor".to_owned(),
        locale: "C.UTF-8".to_owned(),
        ..Env::default()
    };
    let window = WindowSize { columns: COLUMNS, rows: ROWS, pixels: None };
    let (screen, ends) = screen::connected(env, window, Microphone::Open).await?;
    let remote = ends.remote.clone();
    thread::spawn(move || {
        let waves: Vec<Frame> = (0..60).map(wave).collect();
        let mut last = 0;
        loop {
            let now = clock();
            if now == last {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            last = now;
            remote.send_replace(Some(Arc::new(stamped(&waves[now as usize % 60], now))));
        }
    });
    run(screen, signals::listen()?).await?;
    drop(ends);
    Ok(())
}

/// In units of [`TICK`]; both processes see the same clock.
pub(crate) fn clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    now.as_millis() as u64 / TICK
}

/// Waves that move, with some grain.
fn wave(time: usize) -> Frame {
    let (mut frame, mut state) = (Frame::black(WIDTH, HEIGHT), time as u32);
    let phase = time as f64 * std::f64::consts::TAU / 60.0;
    for (plane, values) in frame.planes_mut().into_iter().enumerate() {
        let (width, swing) = if plane == 0 { (WIDTH, 50.0) } else { (WIDTH / 2, 20.0) };
        let across: Vec<f64> =
            (0..width).map(|x| (x as f64 * 12.0 / width as f64 + phase).sin() * swing).collect();
        for (y, row) in values.chunks_mut(width).enumerate() {
            let down = (y as f64 * 9.0 / width as f64 - phase).cos() * swing;
            for (value, across) in row.iter_mut().zip(&across) {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let grain = f64::from(state >> 30) - 2.0;
                *value = (128.0 + across + down + grain) as u8;
            }
        }
    }
    frame
}

fn stamped(wave: &Frame, time: u64) -> Frame {
    let mut frame = wave.clone();
    let strips = STRIPS.into_iter().zip([time / 16 % 16, time % 16]);
    for (strip, level) in strips {
        let middle = strip * WIDTH / 160;
        for row in frame.planes_mut()[0].chunks_mut(WIDTH).skip(HEIGHT / 4).take(HEIGHT / 2) {
            row[middle - 40..middle + 40].fill(23 + 14 * level as u8);
        }
        for plane in 1..3 {
            let rows = frame.planes_mut();
            for row in rows[plane].chunks_mut(WIDTH / 2).skip(HEIGHT / 8).take(HEIGHT / 4) {
                row[middle / 2 - 20..middle / 2 + 20].fill(128);
            }
        }
    }
    frame
}
