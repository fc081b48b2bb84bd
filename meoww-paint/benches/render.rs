//! What a moving picture costs to draw: microseconds of CPU and bytes for the terminal, a frame.
//! `cargo bench --bench render -- Half 160x45` measures the lines that have all of these words.
#![expect(clippy::print_stdout, reason = "a benchmark tells")]

use std::hint::black_box;

use meoww_paint::{Color, Frame, Mode, Rect, Render, Traits, kitty::KittyTraits};
use rustix::time::{ClockId, clock_gettime};

const FRAMES: usize = 300;

/// Like a person before a wall: a lit gradient that stays, and a textured disc that moves.
fn person(width: usize, height: usize, time: usize, noise: i32) -> Frame {
    let mut frame = Frame::black(width, height);
    let mut state = time as u32;
    let phase = time as f64 / 15.0;
    let (centre_x, centre_y) = (0.5 + 0.08 * phase.sin(), 0.55 + 0.03 * (phase * 1.7).cos());
    let radius = 0.28;
    for (index, plane) in frame.planes_mut().into_iter().enumerate() {
        let columns = if index == 0 { width } else { width / 2 };
        let rows = plane.len() / columns;
        for (at, value) in plane.iter_mut().enumerate() {
            let (x, y) =
                ((at % columns) as f64 / columns as f64, (at / columns) as f64 / rows as f64);
            let (dx, dy) = ((x - centre_x) * width as f64 / height as f64, y - centre_y);
            let inside = dx.hypot(dy) < radius;
            let shade = match (index, inside) {
                (0, true) => 150.0 + 60.0 * (dx * 25.0).sin() * (dy * 31.0).cos(),
                (0, false) => 60.0 + 90.0 * x + 20.0 * y,
                (_, true) => 128.0 + 25.0 * (f64::from(index as u8) - 1.5) * (1.0 + dy),
                (_, false) => 128.0 - 20.0 * (x - 0.5),
            };
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = (state >> 16) as i32 % (2 * noise + 1) - noise;
            *value = (shade as i32 + grain).clamp(16, 235) as u8;
        }
    }
    frame
}

/// The processor's time that this thread took.
fn cpu_micros() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

fn name(area: Rect, mode: Mode, noise: i32, scaled: bool) -> String {
    format!(
        "{:>3}x{:<2} {:<9} {:<7} noise {noise} {:<6}",
        area.width,
        area.height,
        format!("{:?}", mode.render),
        format!("{:?}", mode.color),
        if scaled { "scaled" } else { "" },
    )
}

fn measure(name: &str, area: Rect, mode: Mode, traits: Traits, noise: i32, scaled: bool) {
    let (width, height) = (usize::from(area.width), usize::from(area.height) * 2);
    let (width, height) = if scaled { (width * 5, height * 5) } else { (width, height) };
    let frames: Vec<Frame> = (0..FRAMES).map(|time| person(width, height, time, noise)).collect();
    let mut painter = mode.painter(traits);
    let mut out = Vec::new();
    painter.draw(&frames[0], area, &[], &mut out);
    let (full, mut bytes) = (out.len(), 0);
    let start = cpu_micros();
    for frame in &frames[1..] {
        out.clear();
        painter.draw(black_box(frame), area, &[], &mut out);
        bytes += black_box(&out).len();
    }
    let micros = (cpu_micros() - start) as usize / (FRAMES - 1);
    println!(
        "{name} {micros:>5} us {:>7} bytes a frame, {full:>7} the first",
        bytes / (FRAMES - 1),
    );
}

fn main() {
    // Cargo adds `--bench`.
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    for area in [Rect::new(0, 0, 128, 48), Rect::new(0, 0, 160, 45)] {
        for (render, color) in [
            (Render::HalfBlock, Color::True),
            (Render::HalfBlock, Color::Ansi256),
            (Render::Quadrant, Color::True),
            (Render::Sextant, Color::True),
            (Render::Octant, Color::True),
            (Render::Braille, Color::Mono),
            (Render::Ascii, Color::True),
            (Render::Ascii, Color::Mono),
        ] {
            for (noise, scaled) in [(0, false), (1, false), (3, false), (8, true)] {
                let mode = Mode::new(render, color);
                let name = name(area, mode, noise, scaled);
                if words.iter().all(|word| name.contains(word)) {
                    measure(&name, area, mode, Traits::USUAL, noise, scaled);
                }
            }
        }
        for (how, shares) in [("remote", false), ("shared", true)] {
            let mode = Mode::new(Render::Kitty, Color::True);
            let name = format!("{}{how}", name(area, mode, 3, true));
            if words.iter().all(|word| name.contains(word)) {
                let kitty = KittyTraits { edits: true, shares, in_tmux: false };
                let traits = Traits { kitty, ..Traits::USUAL };
                measure(&name, area, mode, traits, 3, true);
            }
        }
    }
}
