//! The server as a process, on a data folder and a port of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// A program of this workspace, built beside the tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a path");
    let program = tests.parent().and_then(Path::parent).expect("a folder").join(name);
    assert!(program.exists(), "build it first: cargo build --workspace --bins");
    program
}

/// A running server; dropping it kills it.
pub(crate) struct Server {
    pub(crate) address: String,
    data: TempDir,
    process: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(env: &[(&str, &str)]) -> Self {
        Self::start_at("127.0.0.1:0", env)
    }

    pub(crate) fn start_at(listen: &str, env: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let (process, address) = spawn(data.path(), listen, env);
        Self { address, data, process }
    }

    /// Killed without a word, and started again on the same data and port.
    pub(crate) fn crash_and_restart(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("reaped");
        let listen = self.address.trim_start_matches("http://");
        (self.process, self.address) = spawn(self.data.path(), listen, &[]);
    }

    /// The code last mailed to an address.
    pub(crate) fn code(&self, email: &str) -> String {
        code_in(&self.data.path().join("outbox"), email)
    }
}

/// The code last mailed to an address, by a server whose mail goes to this folder.
pub(crate) fn code_in(outbox: &Path, email: &str) -> String {
    let mut mails: Vec<PathBuf> = fs::read_dir(outbox)
        .expect("an outbox")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    mails.sort();
    let to = format!("To: {email}");
    let mail = mails
        .iter()
        .rev()
        .map(|path| fs::read_to_string(path).expect("a mail"))
        .find(|mail| mail.contains(&to))
        .unwrap_or_else(|| panic!("no mail to {email}"));
    let six_digits = |line: &&str| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit());
    mail.lines().map(str::trim).find(six_digits).expect("a code").to_owned()
}

fn spawn(data: &Path, listen: &str, env: &[(&str, &str)]) -> (Child, String) {
    let mut command = Command::new(program("meoww-server"));
    command.args(["serve", "--listen", listen, "--data-dir"]).arg(data);
    for limit in ["SIGNUP", "LOGIN", "VERIFY", "RESEND", "TURN"] {
        command.env(format!("MEOWW_LIMIT_{limit}"), "off");
    }
    command.env("MEOWW_STUN_URL", "").env("MEOWW_LOG", "warn").envs(env.iter().copied());
    let mut process = command.stdout(Stdio::piped()).spawn().expect("started");
    let mut line = String::new();
    let stdout = process.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("read");
    let address = line.trim().strip_prefix("listening on ").expect("a first line").to_owned();
    (process, address)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
