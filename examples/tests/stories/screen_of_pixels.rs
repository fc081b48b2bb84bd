//! An X server whose screen is a file, and terminals on it: xterm, kitty by OpenGL in software, and foot
//! in a Wayland compositor that is a window of the X server.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Long enough for the slowest machine; nobody waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
/// The window of kitty and of foot, in pixels.
pub(crate) const WINDOW: (usize, usize) = (640, 400);
const SCREEN: &str = "1400x900x24";

/// A program that ends with the test.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("scripts/setup test installs it"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a pixel may be that of a pointer: the middle of the screen is in no window, but a compositor
/// without a mouse puts one at 100, 100.
pub(crate) fn is_pointer(x: usize, y: usize) -> bool {
    (80..120).contains(&x) && (80..120).contains(&y)
}

/// Red, green and blue of a pixel of the screen.
pub(crate) type Pixel<'a> = &'a dyn Fn(usize, usize) -> [u8; 3];

/// An X server without a screen.
pub(crate) struct Display {
    _server: Running,
    pub(crate) name: String,
    folder: PathBuf,
}

impl Display {
    pub(crate) fn start(folder: &Path) -> Self {
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-nolisten", "tcp", "-nocursor"]);
        command.args(["-screen", "0", SCREEN]);
        command.arg("-fbdir").arg(folder).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = Running::start(&mut command);
        let mut number = String::new();
        let mut output = BufReader::new(server.0.stdout.take().expect("it is read"));
        output.read_line(&mut number).expect("it says its number");
        let name = format!(":{}", number.trim());
        Self { _server: server, name, folder: folder.to_owned() }
    }

    /// The screen is a file in the format of xwd(1): big-endian numbers, then colours of 12 bytes each,
    /// then pixels.
    fn screen(&self) -> impl Fn(usize, usize) -> [u8; 3] + use<> {
        let bytes = fs::read(self.folder.join("Xvfb_screen0")).expect("the X server writes it");
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

    /// Waits until the screen is as it is to be; until then, the difference is said.
    pub(crate) fn wait_until(&self, what: &str, check: impl Fn(Pixel<'_>) -> Result<(), String>) {
        wait(what, || check(&self.screen()));
    }

    /// A command that runs xterm, up to what runs in it. It stays when that has ended.
    pub(crate) fn xterm(&self) -> Command {
        let mut command = Command::new("xterm");
        command.args(["-display", &self.name, "-hold", "-ti", "vt340", "-geometry", "80x24+0+0"]);
        command
            .args(["-b", "0", "-bw", "0", "+sb", "-bg", "black", "-fg", "white", "-fn", "fixed"]);
        command.arg("-e");
        command
    }

    /// The same of kitty, as it comes, in a window of [`WINDOW`].
    pub(crate) fn kitty(&self) -> Command {
        let mut command = Command::new("kitty");
        command.args(["--config", "NONE"]);
        let (width, height) = WINDOW;
        for option in [
            &format!("initial_window_width={width}"),
            &format!("initial_window_height={height}"),
            "remember_window_size=no",
            "placement_strategy=top-left",
            "window_padding_width=0",
            "linux_display_server=x11",
            "update_check_interval=0",
        ] {
            command.args(["-o", option]);
        }
        command.env("DISPLAY", &self.name).env("LIBGL_ALWAYS_SOFTWARE", "1");
        command
    }

    /// The same of foot, in a compositor that has nothing beside it.
    pub(crate) fn foot(&self) -> (Running, Command) {
        let mut weston = Command::new("weston");
        weston.args(["--backend=x11-backend.so", "--use-pixman", "--shell=kiosk-shell.so"]);
        weston.args(["--no-config", "--idle-time=0", "--socket=wayland-test"]);
        weston.args([format!("--width={}", WINDOW.0), format!("--height={}", WINDOW.1)]);
        weston.env("DISPLAY", &self.name).env("XDG_RUNTIME_DIR", &self.folder);
        weston.stdout(Stdio::null()).stderr(Stdio::null());
        let weston = Running::start(&mut weston);
        let socket = self.folder.join("wayland-test");
        wait_for("the compositor", || socket.exists().then_some(()));
        let mut command = Command::new("foot");
        command.args(["--config=/dev/null", "-o", "pad=0x0", "-o", "colors.background=000000"]);
        command.arg(format!("--window-size-pixels={}x{}", WINDOW.0, WINDOW.1));
        command.env("XDG_RUNTIME_DIR", &self.folder).env("WAYLAND_DISPLAY", "wayland-test");
        // Its program is there before its window.
        command.env("NO_WINDOW", "24 80");
        (weston, command)
    }
}

/// Waits until there is something.
pub(crate) fn wait_for<T>(what: &str, find: impl Fn() -> Option<T>) -> T {
    wait(what, || find().ok_or_else(String::new))
}

#[expect(clippy::disallowed_methods, reason = "patience is not endless")]
fn wait<T>(what: &str, find: impl Fn() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match find() {
            Ok(found) => return found,
            Err(why) => assert!(began.elapsed() < PATIENCE, "there is never {what}: {why}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}
