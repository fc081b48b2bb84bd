//! Pictures in pixels on a real terminal: xterm, on an X server whose screen is a file.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{server::program, user::User};

/// Long enough for the slowest machine; nobody waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
/// The film, which fills all of xterm's window but its last line: 80 x 24 cells of 6 x 13 pixels.
const WIDTH: usize = 480;
const HEIGHT: usize = 298;
const FIRST_LINE: usize = 13;
const LAST_LINE: usize = 299;
/// Side of the squares whose means are compared: one sees sixels from a distance.
const SQUARE: usize = 8;

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An X server without a screen.
struct Display {
    _server: Running,
    name: String,
    framebuffer: PathBuf,
}

impl Display {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-nolisten", "tcp", "-nocursor"]);
        command.args(["-screen", "0", "640x400x24"]);
        command.arg("-fbdir").arg(folder).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = Running(command.spawn().expect("scripts/setup test installs Xvfb"));
        let mut number = String::new();
        let mut output = BufReader::new(server.0.stdout.take().expect("it is read"));
        output.read_line(&mut number).expect("it says its number");
        let name = format!(":{}", number.trim());
        Self { _server: server, name, framebuffer: folder.join("Xvfb_screen0") }
    }

    /// Red, green and blue of a pixel of the screen, which is a file in the format of xwd(1): big-endian
    /// numbers, then colours of 12 bytes each, then pixels.
    fn screen(&self) -> impl Fn(usize, usize) -> [u8; 3] + use<> {
        let bytes = fs::read(&self.framebuffer).expect("the X server writes it");
        let number = |index: usize| {
            u32::from_be_bytes(bytes[index * 4..][..4].try_into().expect("four bytes")) as usize
        };
        assert_eq!(number(11), 32, "bits of a pixel");
        let (stride, is_big) = (number(12), number(7) == 1);
        let start = number(0) + number(19) * 12;
        move |x, y| {
            let at = start + y * stride + x * 4;
            let [first, second, third, last] = bytes[at..][..4].try_into().expect("four bytes");
            if is_big { [second, third, last] } else { [third, second, first] }
        }
    }

    /// Waits until the screen is as it is to be.
    #[expect(clippy::disallowed_methods, reason = "patience is not endless")]
    fn wait_until(&self, what: &str, is_so: impl Fn(&dyn Fn(usize, usize) -> [u8; 3]) -> bool) {
        let began = Instant::now();
        while !is_so(&self.screen()) {
            assert!(began.elapsed() < PATIENCE, "xterm never shows {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Luma and chroma (BT.601, limited) of a pixel.
fn wanted(x: usize, y: usize) -> [f64; 3] {
    let (x, y) = (x as f64 / WIDTH as f64, y as f64 / HEIGHT as f64);
    [60.0 + 120.0 * x, 128.0 + 40.0 * (y - 0.5), 128.0 + 60.0 * (0.5 - x) * y]
}

fn rgb([luma, u, v]: [f64; 3]) -> [f64; 3] {
    let (luma, u, v) = ((luma - 16.0) * 255.0 / 219.0, u - 128.0, v - 128.0);
    [luma + 1.596 * v, luma - 0.392 * u - 0.813 * v, luma + 2.017 * u]
        .map(|value| value.clamp(0.0, 255.0))
}

/// A film of one picture, which stays.
fn film(path: &Path) {
    let mut file = File::create(path).expect("made");
    writeln!(file, "YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 C420jpeg\nFRAME").expect("written");
    for (plane, scale) in [(0, 1), (1, 2), (2, 2)] {
        let pixels = (0..HEIGHT).step_by(scale).flat_map(|y| {
            (0..WIDTH).step_by(scale).map(move |x| wanted(x, y)[plane].round() as u8)
        });
        file.write_all(&pixels.collect::<Vec<u8>>()).expect("written");
    }
}

/// How near the means of squares of the screen are to those of the picture (PSNR).
fn decibels(screen: &dyn Fn(usize, usize) -> [u8; 3]) -> f64 {
    let (mut squares, mut count) = (0.0, 0);
    for top in (0..HEIGHT - SQUARE).step_by(SQUARE) {
        for left in (0..WIDTH).step_by(SQUARE) {
            let mut difference = [0.0; 3];
            for at in 0..SQUARE * SQUARE {
                let (x, y) = (left + at % SQUARE, top + at / SQUARE);
                let pixels = rgb(wanted(x, y)).into_iter().zip(screen(x, y));
                difference.iter_mut().zip(pixels).for_each(|(d, (a, b))| *d += a - f64::from(b));
            }
            let pixels = (SQUARE * SQUARE) as f64;
            squares += difference.iter().map(|d| (d / pixels).powi(2)).sum::<f64>();
            count += 3;
        }
    }
    10.0 * (65025.0 * f64::from(count) / squares).log10()
}

#[test]
fn xterm_shows_a_picture_in_sixels_and_nothing_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let display = Display::start(folder.path());
    let path = folder.path().join("film.y4m");
    film(&path);
    let id = folder.path().join("id");
    let mut command = Command::new("xterm");
    // It stays when the program has ended.
    command.args(["-display", &display.name, "-hold", "-ti", "vt340", "-geometry", "80x24+0+0"]);
    command.args(["-b", "0", "-bw", "0", "+sb", "-bg", "black", "-fg", "white", "-fn", "fixed"]);
    command.args(["-e", "sh", "-c", "echo $$ >\"$2\"; exec \"$0\" play \"$1\""]);
    command.arg(program("meoww")).arg(&path).arg(&id);
    command.envs(User::at("nobody", "http://127.0.0.1:9").environment());
    command.env_remove("TMUX").env_remove("COLORTERM");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let _xterm = Running(command.spawn().expect("scripts/setup test installs xterm"));
    display.wait_until("the picture", |screen| decibels(screen) > 30.0);
    let id = fs::read_to_string(&id).expect("the program's");
    assert!(Command::new("kill").arg(id.trim()).status().expect("kill").success());
    // Below the first line, which has the cursor.
    display.wait_until("nothing", |screen| {
        let mut pixels = (FIRST_LINE..LAST_LINE).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        pixels.all(|(x, y)| screen(x, y) == [0, 0, 0])
    });
}
