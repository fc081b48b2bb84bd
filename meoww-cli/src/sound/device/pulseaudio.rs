//! A PulseAudio server of a test's own, with speakers and microphones that are not there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// The server; where it was started, it ends with this.
pub(super) struct PulseAudio {
    folder: PathBuf,
    started: Option<TempDir>,
}

impl PulseAudio {
    /// With a speaker of 44.1 kHz, 16 bit and two channels (`speaker`), and a microphone of 48 kHz, 32 bit
    /// and one (`microphone`), which hears what is played on `room`.
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Self { folder: folder.path().to_owned(), started: Some(folder) };
        let socket =
            format!("module-native-protocol-unix auth-anonymous=1 socket={}", server.socket());
        let mut start = server.command("pulseaudio");
        // The first process ends when the second one is ready.
        start.args(["-n", "--daemonize=yes", "--exit-idle-time=-1", "--disable-shm=yes"]);
        start.args(["--log-target=file:log", "-L", &socket]);
        for module in [
            "module-null-sink sink_name=speaker rate=44100 channels=2 format=s16le",
            "module-null-sink sink_name=room rate=48000 channels=1 format=s32le",
            "module-remap-source source_name=microphone master=room.monitor remix=no channels=1",
        ] {
            start.args(["-L", module]);
        }
        let started = start.status().expect("pulseaudio; scripts/setup test installs it");
        assert!(
            started.success(),
            "{}",
            fs::read_to_string(server.path("log")).unwrap_or_default()
        );
        server
    }

    /// The server that another process started in that folder.
    pub(super) fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), started: None }
    }

    /// Where it keeps its files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program of this server's.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.surround(&mut command);
        command
    }

    /// Makes this server the sound system of a program.
    pub(super) fn surround(&self, command: &mut Command) {
        command.current_dir(&self.folder);
        let foreign = ["DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "PULSE_SINK", "PULSE_SOURCE"];
        for name in foreign.into_iter().chain(["XDG_CONFIG_HOME", "XDG_STATE_HOME"]) {
            command.env_remove(name);
        }
        for name in ["HOME", "XDG_RUNTIME_DIR"] {
            command.env(name, &self.folder);
        }
        command.env("PULSE_RUNTIME_PATH", self.path("run"));
        command.env("PULSE_SERVER", format!("unix:{}", self.socket()));
    }

    /// The output of `pactl`.
    pub(super) fn pactl(&self, arguments: &[&str]) -> String {
        let answer = self.command("pactl").args(arguments).output().expect("pactl");
        assert!(answer.status.success(), "{arguments:?}: {answer:?}");
        String::from_utf8(answer.stdout).expect("text").trim().to_owned()
    }

    /// Hides the server from a program, but for ALSA's plugin: `default` plays on `speaker` and records
    /// from `microphone`.
    pub(super) fn through_alsa(&self, command: &mut Command) {
        let pcm = format!(
            "pcm.default {{ type pulse server \"unix:{}\" hint {{ show on description \"Pulse\" }} }}\n",
            self.socket()
        );
        fs::write(self.path("asound.conf"), pcm).expect("a file");
        command.env("ALSA_CONFIG_PATH", self.path("asound.conf"));
        command.env("PULSE_SERVER", "unix:/nowhere");
    }

    /// Hides every sound system from a program.
    pub(super) fn hide(&self, command: &mut Command) {
        fs::write(self.path("empty.conf"), "").expect("a file");
        command.env("ALSA_CONFIG_PATH", self.path("empty.conf"));
        command.env("PULSE_SERVER", "unix:/nowhere");
    }

    /// The number of the server's process.
    pub(super) fn pid(&self) -> String {
        fs::read_to_string(self.path("run/pid")).expect("a running server").trim().to_owned()
    }

    fn socket(&self) -> String {
        self.path("socket").display().to_string()
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for PulseAudio {
    fn drop(&mut self) {
        if self.started.is_some() {
            let _ = Command::new("kill").args(["-KILL", &self.pid()]).status();
        }
    }
}
