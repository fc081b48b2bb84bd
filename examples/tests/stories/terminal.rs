//! A terminal somebody sits at: a program in a pseudo-terminal, its screen read back.

use std::{
    io::{Read, Write},
    num::NonZero,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use nix::sys::termios::LocalFlags;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::{Color, Parser, Screen};

/// Long enough for the slowest machine; nobody waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way to the program.
pub(crate) type Keyboard = Arc<Mutex<Box<dyn Write + Send>>>;

/// A program at a terminal; dropping it kills the program.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Keyboard,
    child: Box<dyn Child + Send + Sync>,
    shown: Arc<(Mutex<Parser>, Condvar)>,
}

impl Terminal {
    pub(crate) fn run(
        program: &Path,
        arguments: &[&str],
        environment: Vec<(String, String)>,
        size: (u16, u16),
    ) -> Self {
        Self::listening(program, arguments, environment, size, |_| {})
    }

    /// Likewise; `listen` gets what the program writes.
    pub(crate) fn listening(
        program: &Path,
        arguments: &[&str],
        environment: Vec<(String, String)>,
        (columns, rows): (u16, u16),
        mut listen: impl FnMut(&[u8]) + Send + 'static,
    ) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("started");
        drop(pair.slave);
        let size = |n| NonZero::new(n).expect("not zero");
        let parser = Parser::new(size(rows), size(columns), 0);
        let shown = Arc::new((Mutex::new(parser), Condvar::new()));
        let mut output = pair.master.try_clone_reader().expect("a reader");
        let screen = shown.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 64 * 1024];
            // Ends with an error on Linux when the program is gone.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                listen(&bytes[..count]);
                screen.0.lock().expect("not poisoned").process(&bytes[..count]);
                screen.1.notify_all();
            }
        });
        let keys = Arc::new(Mutex::new(pair.master.take_writer().expect("a writer")));
        Self { master: pair.master, keys, child, shown }
    }

    /// What the terminal sends to the program, beside what is typed.
    pub(crate) fn keyboard(&self) -> Keyboard {
        self.keys.clone()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        let mut keyboard = self.keys.lock().expect("not poisoned");
        keyboard.write_all(keys.as_bytes()).expect("typed");
        keyboard.flush().expect("typed");
    }

    /// Waits until the screen is so.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let (parser, changed) = &*self.shown;
        let shown = parser.lock().expect("not poisoned");
        let (shown, timeout) = changed
            .wait_timeout_while(shown, PATIENCE, |parser| !is_so(parser.screen()))
            .expect("not poisoned");
        assert!(!timeout.timed_out(), "never {what}:\n{}", shown.screen().contents());
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(text, |screen| screen.contents().contains(text));
    }

    pub(crate) fn contents(&self) -> String {
        self.shown.0.lock().expect("not poisoned").screen().contents()
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = |n| NonZero::new(n).expect("not zero");
        let mut parser = self.shown.0.lock().expect("not poisoned");
        parser.screen_mut().set_size(size(rows), size(columns));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("resized");
    }

    #[track_caller]
    pub(crate) fn terminate(&self) {
        let id = self.child.process_id().expect("running").to_string();
        let status = std::process::Command::new("kill").args(["-TERM", &id]).status();
        assert!(status.expect("run").success());
    }

    /// Waits until keys are for the shell: the screen is given back, and after it the modes.
    #[track_caller]
    #[expect(
        clippy::disallowed_methods,
        reason = "modes of a terminal have no event; patience ends"
    )]
    pub(crate) fn wait_until_given_back(&self) {
        self.wait_until("given back", |screen| !screen.alternate_screen());
        let deadline = Instant::now() + PATIENCE;
        while !self.is_cooked() {
            assert!(Instant::now() < deadline, "still raw");
            std::thread::yield_now();
        }
    }

    /// Whether lines are edited and shown by the terminal itself.
    fn is_cooked(&self) -> bool {
        let modes = self.master.get_termios().expect("modes").local_flags;
        modes.contains(LocalFlags::ECHO | LocalFlags::ICANON)
    }

    /// Waits for the program to end by itself; its exit code, and whether it left the terminal as
    /// it should be.
    #[track_caller]
    pub(crate) fn ended(mut self) -> u32 {
        let code = self.child.wait().expect("ended").exit_code();
        self.wait_until("given back", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        });
        assert!(self.is_cooked(), "still raw");
        code
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Mean column of the cells that show one of the colours a pattern's bars have: red, green, blue,
/// yellow; `None` for colours that hardly appear.
pub(crate) fn bars(screen: &Screen) -> [Option<u32>; 4] {
    let (rows, columns) = screen.size();
    let mut found = [const { Vec::new() }; 4];
    for (row, column) in (0..rows.get()).flat_map(|r| (0..columns.get()).map(move |c| (r, c))) {
        let Some(cell) = screen.cell(row, column) else { continue };
        if let Some(bar) = bar(cell.bgcolor()).or_else(|| bar(cell.fgcolor())) {
            found[bar].push(u32::from(column));
        }
    }
    found.map(|columns| {
        (columns.len() > 40).then(|| columns.iter().sum::<u32>() / columns.len() as u32)
    })
}

/// Red, green and blue. Where it is exact, a number of the palette is sent: a cube of 6x6x6 and 24 greys,
/// as xterm has them.
pub(crate) fn rgb(color: Color) -> Option<[u8; 3]> {
    match color {
        Color::Rgb(red, green, blue) => Some([red, green, blue]),
        Color::Idx(index @ 16..232) => {
            let levels = [0, 95, 135, 175, 215, 255];
            Some([36, 6, 1].map(|step| levels[usize::from(index - 16) / step % 6]))
        }
        Color::Idx(index @ 232..) => Some([8 + (index - 232) * 10; 3]),
        Color::Idx(_) | Color::Default => None,
    }
}

fn bar(color: Color) -> Option<usize> {
    let color = rgb(color)?;
    let high = color.map(|part| part > 160);
    let low = color.map(|part| part < 96);
    match (high, low) {
        ([true, false, false], [_, true, true]) => Some(0),
        ([false, true, false], [true, _, true]) => Some(1),
        ([false, false, true], [true, true, _]) => Some(2),
        ([true, true, false], [_, _, true]) => Some(3),
        _ => None,
    }
}
