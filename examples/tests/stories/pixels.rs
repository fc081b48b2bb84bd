//! Pictures on real terminals: what their windows show is compared with the film that is played in them.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    screen_of_pixels::{Display, Pixel, Running, WINDOW, is_pointer, wait_for},
    server::program,
    user::User,
};

/// Side of the squares whose means are compared: one sees sixels from a distance.
const SQUARE: usize = 8;
/// The least that a picture is like the film (PSNR, of the means of squares), and the most that one square
/// may be off: a line of pixels that is missing makes an eighth of it black.
const ENOUGH: f64 = 30.0;
const FAR: f64 = 14.0;

/// A film of one picture, which stays, and fills whole cells.
#[derive(Clone, Copy)]
struct Film {
    width: usize,
    height: usize,
    /// Pixels of a row of cells.
    cell: usize,
}

impl Film {
    /// Of all of a terminal's cells but the last line, which says what is played.
    fn of((columns, rows): (usize, usize), window: (usize, usize)) -> Self {
        let (width, height) = (window.0 / columns, window.1 / rows);
        Self { width: (columns * width) & !1, height: ((rows - 1) * height) & !1, cell: height }
    }

    /// Luma and chroma (BT.601, limited) of a pixel.
    fn at(self, x: usize, y: usize) -> [f64; 3] {
        let (x, y) = (x as f64 / self.width as f64, y as f64 / self.height as f64);
        [60.0 + 120.0 * x, 128.0 + 40.0 * (y - 0.5), 128.0 + 60.0 * (0.5 - x) * y]
    }

    fn write(self, path: &Path) {
        let Self { width, height, .. } = self;
        let part = path.with_extension("part");
        let mut file = File::create(&part).expect("made");
        writeln!(file, "YUV4MPEG2 W{width} H{height} F10:1 C420jpeg\nFRAME").expect("written");
        for (plane, scale) in [(0, 1), (1, 2), (2, 2)] {
            let pixels = (0..height).step_by(scale).flat_map(|y| {
                (0..width).step_by(scale).map(move |x| self.at(x, y)[plane].round() as u8)
            });
            file.write_all(&pixels.collect::<Vec<u8>>()).expect("written");
        }
        fs::rename(part, path).expect("renamed");
    }

    /// Whether the screen shows it, and nowhere anything else; or how far it is from that.
    fn is_shown(self, screen: Pixel<'_>) -> Result<(), String> {
        let (mut squares, mut count, mut farthest) = (0.0, 0, 0.0f64);
        for top in (0..self.height - SQUARE).step_by(SQUARE) {
            for left in (0..self.width - SQUARE).step_by(SQUARE) {
                if is_pointer(left, top) {
                    continue;
                }
                let mut difference = [0.0; 3];
                for at in 0..SQUARE * SQUARE {
                    let (x, y) = (left + at % SQUARE, top + at / SQUARE);
                    let pixels = rgb(self.at(x, y)).into_iter().zip(screen(x, y));
                    difference
                        .iter_mut()
                        .zip(pixels)
                        .for_each(|(d, (a, b))| *d += a - f64::from(b));
                }
                for difference in difference.map(|d| d / (SQUARE * SQUARE) as f64) {
                    squares += difference.powi(2);
                    farthest = farthest.max(difference.abs());
                }
                count += 3;
            }
        }
        let psnr = 10.0 * (65025.0 * f64::from(count) / squares).log10();
        let is_shown = psnr > ENOUGH && farthest < FAR;
        is_shown.then_some(()).ok_or_else(|| format!("{psnr:.1} dB, {farthest:.1} off at most"))
    }

    /// Whether the screen is black below the first line, which has the cursor.
    fn is_gone(self, screen: Pixel<'_>) -> Result<(), String> {
        let mut pixels =
            (self.cell..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        let left = pixels.find(|(x, y)| !is_pointer(*x, *y) && screen(*x, *y) != [0, 0, 0]);
        left.map_or(Ok(()), |at| Err(format!("{at:?} is not black")))
    }
}

fn rgb([luma, u, v]: [f64; 3]) -> [f64; 3] {
    let (luma, u, v) = ((luma - 16.0) * 255.0 / 219.0, u - 128.0, v - 128.0);
    [luma + 1.596 * v, luma - 0.392 * u - 0.813 * v, luma + 2.017 * u]
        .map(|value| value.clamp(0.0, 255.0))
}

/// Runs in a terminal: says how many cells it has, and plays the film in one mode after the other, with
/// the options that follow it, each once there is a file of its name, until the program is ended, whose
/// process another file names.
const SCRIPT: &str = r#"
cd "$1"
while [ "$(stty size)" = "$NO_WINDOW" ]; do sleep 0.05; done
stty size >cells.part; mv cells.part cells
shift
for mode; do
    until [ -e "$mode" ]; do sleep 0.05; done
    sh -c 'echo $$ >"$0.part"; mv "$0.part" "$0.id"
        exec "$MEOWW" play --quality max --render $0 film.y4m' "$mode"
done
cat
"#;

/// Has a terminal show the film in every one of these modes, and nothing once it is ended.
fn plays(
    display: &Display,
    folder: &Path,
    terminal: Command,
    window: (usize, usize),
    modes: &[&str],
) {
    plays_in(display, folder, terminal, &["sh"], window, modes);
}

fn plays_in(
    display: &Display,
    folder: &Path,
    mut terminal: Command,
    shell: &[&str],
    window: (usize, usize),
    modes: &[&str],
) {
    let script = folder.join("script");
    fs::write(&script, SCRIPT).expect("written");
    terminal.args(shell).arg(&script).arg(folder).args(modes);
    terminal.envs(User::at("nobody", "http://127.0.0.1:9").environment());
    terminal.env("MEOWW", program("meoww")).env_remove("TERM");
    terminal.env_remove("TMUX");
    terminal.stdout(Stdio::null()).stderr(Stdio::null());
    let _terminal = Running::start(&mut terminal);
    let cells = wait_for("a terminal", || fs::read_to_string(folder.join("cells")).ok());
    let (rows, columns) = cells.trim().split_once(' ').expect("rows and columns");
    let number = |text: &str| text.parse().expect("a number");
    let film = Film::of((number(columns), number(rows)), window);
    film.write(&folder.join("film.y4m"));
    for mode in modes {
        fs::write(folder.join(mode), "").expect("written");
        let id = folder.join(format!("{mode}.id"));
        let id = wait_for(mode, || fs::read_to_string(&id).ok());
        display.wait_until(&format!("a picture in {mode}"), |screen| film.is_shown(screen));
        assert!(Command::new("kill").arg(id.trim()).status().expect("kill").success());
        display.wait_until("nothing", |screen| film.is_gone(screen));
    }
}

fn start() -> (tempfile::TempDir, Display) {
    let folder = tempfile::tempdir().expect("a folder");
    let display = Display::start(folder.path());
    (folder, display)
}

#[test]
fn xterm_shows_pictures_and_nothing_after_them() {
    let (folder, display) = start();
    // Cells of 6 x 13 pixels.
    plays(&display, folder.path(), display.xterm(), (480, 312), &["auto", "sixel"]);
}

#[test]
#[cfg(target_os = "linux")]
fn kitty_shows_pictures_and_nothing_after_them() {
    let (folder, display) = start();
    let modes = ["half", "quadrant --color truecolor", "sextant", "kitty --color truecolor"];
    plays(&display, folder.path(), display.kitty(), WINDOW, &modes);
}

#[test]
#[cfg(target_os = "linux")]
fn foot_shows_pictures_and_nothing_after_them() {
    let (folder, display) = start();
    let (_compositor, foot) = display.foot();
    let modes = ["half", "quadrant --color truecolor", "sextant", "sixel --color truecolor"];
    plays(&display, folder.path(), foot, WINDOW, &modes);
}

/// A server of tmux, which outlives its terminal.
struct Tmux(PathBuf);

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.0).arg("kill-server").status();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn tmux_in_each_shows_pictures_and_nothing_after_them() {
    for name in ["xterm", "kitty", "foot"] {
        let (folder, display) = start();
        let (socket, settings) = (folder.path().join("tmux"), folder.path().join("tmux.conf"));
        let text = "set -g default-terminal tmux-256color\nset -g status off\nset -g allow-passthrough on\n\
                    set -ga terminal-features ',*:RGB'\n";
        fs::write(&settings, text).expect("written");
        let [tmux, settings] =
            [&socket, &settings].map(|path| path.to_str().expect("a name").to_owned());
        let shell = [
            "tmux",
            "-S",
            &tmux,
            "-f",
            &settings,
            "new-session",
            "-e",
            "COLORTERM=truecolor",
            "sh",
        ];
        let _server = Tmux(socket.clone());
        let (_compositor, terminal, window) = match name {
            "xterm" => (None, display.xterm(), (480, 312)),
            "kitty" => (None, display.kitty(), WINDOW),
            _ => {
                let (compositor, foot) = display.foot();
                (Some(compositor), foot, WINDOW)
            }
        };
        plays_in(&display, folder.path(), terminal, &shell, window, &["half", "auto"]);
    }
}
