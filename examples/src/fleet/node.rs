//! One `meoww-server` of the fleet.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::Context;
use rustix::process::Signal;

use super::{
    built,
    guard::{Guard, signal},
    place::Place,
};

const ACCESS_SECRET: &str = "an access secret that all nodes share";
const SECRETS: &str = "access = 'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE='\n\
                       otp = 'AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI='\n";
/// None of them is about the fleet.
#[rustfmt::skip]
const NO_LIMITS: [&str; 9] = [
    "SIGNUP", "LOGIN", "VERIFY", "RESEND", "TURN", "CONNECT", "REFRESH", "SESSION_REFRESH",
    "ACCOUNT_CODE",
];

/// A node; it is killed with this.
pub struct Node {
    /// Where clients connect: the same after a restart.
    pub url: String,
    place: Place,
    data: PathBuf,
    settings: Vec<(String, String)>,
    process: Child,
    guard: Arc<Guard>,
}

/// Runs commands beside a node.
#[derive(Debug, Clone)]
pub struct Operator {
    data: PathBuf,
}

impl Operator {
    /// Such a command, to be run.
    ///
    /// # Errors
    /// `meoww-server` is not built.
    pub fn command(&self, words: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(built("meoww-server")?);
        command.arg("--data-dir").arg(&self.data).args(words);
        Ok(command)
    }
}

/// Makes the data directory of a node, with what all share: secrets, and a folder for mail.
pub(super) fn prepare(data: &Path, mail: &Path) -> anyhow::Result<()> {
    fs::create_dir(data)?;
    fs::write(data.join("secrets.toml"), SECRETS)?;
    symlink(mail, data.join("outbox"))?;
    Ok(())
}

impl Node {
    pub(super) fn start(
        place: &Place,
        data: &Path,
        settings: &[(&str, &str)],
        guard: &Arc<Guard>,
    ) -> anyhow::Result<Self> {
        let listen = format!("{}:{}", place.address, place.port(5000)?);
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut node = Self {
            url: format!("http://{listen}"),
            place: place.clone(),
            data: data.to_owned(),
            settings: settings.iter().map(own).collect(),
            process: spawn(place, data, &listen, settings, guard)?,
            guard: guard.clone(),
        };
        node.wait_until_it_listens()?;
        Ok(node)
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let mut line = String::new();
        let stdout = self.process.stdout.take().context("piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let listens = line.starts_with("listening on ");
        anyhow::ensure!(listens, "the server ended: {}", self.log());
        Ok(())
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }

    /// Its operator.
    pub fn operator(&self) -> Operator {
        Operator { data: self.data.clone() }
    }

    /// Runs a command of an operator beside it, and returns what it printed.
    ///
    /// # Errors
    /// `meoww-server` is not built.
    pub fn admin(&self, words: &[&str]) -> anyhow::Result<String> {
        let ended = self.operator().command(words)?.output()?;
        Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
    }

    /// Kills it, if it still runs: no goodbye to anybody.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Has it end as a service manager does, and returns once it has, with its exit code.
    ///
    /// # Errors
    /// It was ended by a signal.
    pub fn terminate(&mut self) -> anyhow::Result<i32> {
        signal(self.id(), Signal::TERM);
        self.process.wait()?.code().context("ended by a signal")
    }

    /// Has it stand still, or go on.
    pub fn set_stopped(&self, stopped: bool) {
        signal(self.id(), if stopped { Signal::STOP } else { Signal::CONT });
    }

    /// Starts another on its data and at its address, with `settings` beside those it had.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        self.kill();
        let own = self.settings.iter().map(|(name, value)| (&**name, &**value));
        let settings: Vec<_> = own.chain(settings.iter().copied()).collect();
        let listen = self.url.trim_start_matches("http://").to_owned();
        self.process = spawn(&self.place, &self.data, &listen, &settings, &self.guard)?;
        self.wait_until_it_listens()
    }
}

fn spawn(
    place: &Place,
    data: &Path,
    listen: &str,
    settings: &[(&str, &str)],
    guard: &Guard,
) -> anyhow::Result<Child> {
    let log = fs::OpenOptions::new().append(true).create(true).open(data.join("log"))?;
    let mut command = place.command(&built("meoww-server")?);
    guard.mark(&mut command);
    command.args(["serve", "--listen", listen, "--data-dir"]).arg(data);
    for limit in NO_LIMITS {
        command.env(format!("MEOWW_LIMIT_{limit}"), "off");
    }
    command.env("JWT_ACCESS_SECRET", ACCESS_SECRET).env("MEOWW_STUN_URL", "");
    command.env("MEOWW_LOG", "warn").envs(settings.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    command.spawn().context("meoww-server")
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
