//! A PostgreSQL of Debian's, as a primary or a synchronous standby.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;

use super::{
    guard::{Guard, signal},
    place::Place,
};

/// Between two looks at a standby that is not there yet.
const LOOK: Duration = Duration::from_millis(20);
/// How often.
const LOOKS: usize = 1000;

/// One server with the database `meoww`; it is killed with this.
pub struct Postgres {
    place: Place,
    port: u16,
    folder: PathBuf,
    process: u32,
    is_stopped: AtomicBool,
}

/// The newest that is installed.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let found = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = found.map(|entry| entry.path().join("bin")).max();
    let newest = newest.context("PostgreSQL is missing: run `scripts/setup fleet`")?;
    Ok(newest.join(name))
}

/// A command in a place that is not root's, as PostgreSQL demands.
fn unprivileged(place: &Place, program: &Path) -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = place.command(Path::new("setpriv"));
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
        command.arg(program);
        command
    } else {
        place.command(program)
    };
    command.current_dir("/");
    command
}

/// Runs it to its end, and returns what it printed.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let ended = command.stdin(Stdio::null()).output()?;
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    if !ended.status.success() {
        bail!("{command:?}: {} {}", text(&ended.stdout), text(&ended.stderr));
    }
    Ok(text(&ended.stdout))
}

impl Postgres {
    /// Starts a primary.
    pub(super) fn start(place: &Place, guard: &Guard) -> anyhow::Result<Self> {
        let mut postgres = Self::prepare(place, guard)?;
        let mut initdb = unprivileged(place, &program("initdb")?);
        initdb.args(["--auth=trust", "--username=postgres", "--no-sync", "--no-instructions"]);
        run(initdb.args(["--encoding=UTF8", "-D"]).arg(postgres.data()))?;
        // In a namespace, others come from other addresses.
        postgres.append("pg_hba.conf", "host all all 10.0.0.0/8 trust\n")?;
        postgres.append("pg_hba.conf", "host replication all 10.0.0.0/8 trust\n")?;
        postgres.append("postgresql.conf", "max_connections = 200\nfsync = off\n")?;
        postgres.serve()?;
        postgres.sql_in("postgres", "CREATE DATABASE meoww")?;
        Ok(postgres)
    }

    /// Starts a standby of this one, which from then on acknowledges no commit without it.
    pub(super) fn followed_by(&self, place: &Place, guard: &Guard) -> anyhow::Result<Self> {
        let mut standby = Self::prepare(place, guard)?;
        let mut copy = unprivileged(place, &program("pg_basebackup")?);
        copy.args(["--checkpoint=fast", "--no-sync", "-R", "-U", "postgres"]);
        copy.args(["-h", &self.place.address.to_string(), "-p", &self.port.to_string(), "-D"]);
        run(copy.arg(standby.data()))?;
        standby.serve()?;
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")?;
        self.sql("SELECT pg_reload_conf()")?;
        let is_there = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        for _ in 0..LOOKS {
            if self.sql(is_there)? == "1" {
                return Ok(standby);
            }
            std::thread::sleep(LOOK);
        }
        bail!("the standby does not follow")
    }

    fn prepare(place: &Place, guard: &Guard) -> anyhow::Result<Self> {
        let mut make = unprivileged(place, Path::new("mktemp"));
        let folder: PathBuf = run(make.args(["-d", "--tmpdir", "postgres-XXXXXXXX"]))?.into();
        guard.remove(&folder)?;
        let (place, port) = (place.clone(), place.port(5432)?);
        Ok(Self { place, port, folder, process: 0, is_stopped: AtomicBool::new(false) })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn append(&self, file: &str, text: &str) -> anyhow::Result<()> {
        let mut tee = unprivileged(&self.place, Path::new("tee"));
        tee.arg("-a").arg(self.data().join(file)).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut tee = tee.spawn()?;
        tee.stdin.take().context("piped")?.write_all(text.as_bytes())?;
        ensure!(tee.wait()?.success(), "cannot write {file}");
        Ok(())
    }

    fn serve(&mut self) -> anyhow::Result<()> {
        let (address, port) = (self.place.address, self.port);
        let own = format!(
            "listen_addresses = '{address}'\nport = {port}\nunix_socket_directories = ''\n"
        );
        self.append("postgresql.conf", &own)?;
        self.restart()
    }

    /// Starts it again after it was killed.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        run(self.control("start").arg("-l").arg(self.folder.join("log")))?;
        let pid = fs::read_to_string(self.data().join("postmaster.pid"))?;
        self.process = pid.lines().next().unwrap_or_default().trim().parse()?;
        Ok(())
    }

    fn control(&self, what: &str) -> Command {
        let program = program("pg_ctl").unwrap_or_default();
        let mut control = unprivileged(&self.place, &program);
        control.args([what, "-w", "-s", "-D"]).arg(self.data());
        control
    }

    /// Host and port, as in a URL.
    pub fn host(&self) -> String {
        format!("{}:{}", self.place.address, self.port)
    }

    /// Runs a statement past the nodes, and returns its rows as text, one a line.
    ///
    /// # Errors
    /// PostgreSQL says no, or nothing.
    pub fn sql(&self, statement: &str) -> anyhow::Result<String> {
        self.sql_in("meoww", statement)
    }

    fn sql_in(&self, database: &str, statement: &str) -> anyhow::Result<String> {
        let mut psql = self.place.command(&program("psql")?);
        psql.args(["-h", &self.place.address.to_string(), "-p", &self.port.to_string()]);
        run(psql.args(["-XAtq", "-U", "postgres", "-d", database, "-c", statement]))
    }

    /// Kills it with everything it has started.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.process = 0;
    }

    /// Has all of it stand still, or go on.
    pub fn set_stopped(&self, stopped: bool) {
        self.is_stopped.store(stopped, Ordering::Relaxed);
        self.signal(if stopped { Signal::STOP } else { Signal::CONT });
    }

    /// Whether it runs and accepts writes.
    pub(super) fn is_primary(&self) -> bool {
        let is_at_work = self.process != 0 && !self.is_stopped.load(Ordering::Relaxed);
        is_at_work
            && self.sql("SELECT pg_is_in_recovery()").is_ok_and(|is_standby| is_standby == "f")
    }

    fn signal(&self, what: Signal) {
        let children = format!("/proc/{0}/task/{0}/children", self.process);
        let children = fs::read_to_string(children).unwrap_or_default();
        signal(self.process, what);
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            signal(child, what);
        }
    }

    /// Makes the standby the primary.
    ///
    /// # Errors
    /// It is none, or is gone.
    pub fn promote(&self) -> anyhow::Result<()> {
        run(&mut self.control("promote")).map(drop)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}
