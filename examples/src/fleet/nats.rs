//! A `nats-server`, which `scripts/setup` installs beside what is built.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Stdio},
    sync::Arc,
};

use anyhow::Context;
use rustix::process::Signal;

use super::{
    guard::{Guard, signal},
    place::Place,
};

/// One server of a cluster; it is killed with this.
pub struct Nats {
    place: Place,
    /// Where clients connect, and where other servers do.
    ports: [u16; 2],
    routes: Vec<String>,
    process: Child,
    guard: Arc<Guard>,
}

fn program() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let target = this.ancestors().find(|folder| folder.join("nats").is_dir());
    let target = target.context("nats-server is missing: run `scripts/setup fleet`")?;
    Ok(target.join("nats/bin/nats-server"))
}

impl Nats {
    pub(super) fn start(
        place: &Place,
        routes: &[String],
        guard: &Arc<Guard>,
    ) -> anyhow::Result<Self> {
        let ports = [place.port(4222)?, place.port(6222)?];
        let process = run(place, ports, routes, guard)?;
        let guard = guard.clone();
        Ok(Self { place: place.clone(), ports, routes: routes.to_vec(), process, guard })
    }

    /// Where nodes connect.
    pub fn url(&self) -> String {
        format!("nats://{}:{}", self.place.address, self.ports[0])
    }

    pub(super) fn route(&self) -> String {
        format!("nats://{}:{}", self.place.address, self.ports[1])
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it, if it still runs.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Has it stand still, or go on.
    pub fn set_stopped(&self, stopped: bool) {
        signal(self.id(), if stopped { Signal::STOP } else { Signal::CONT });
    }

    /// Starts another in its place.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        self.process = run(&self.place, self.ports, &self.routes, &self.guard)?;
        Ok(())
    }
}

/// Returns when it listens.
fn run(
    place: &Place,
    [port, route]: [u16; 2],
    routes: &[String],
    guard: &Guard,
) -> anyhow::Result<Child> {
    let mut command = place.command(&program()?);
    guard.mark(&mut command);
    let address = place.address.to_string();
    command.args(["--addr", &address, "--port", &port.to_string(), "--cluster_name", "meoww"]);
    command.args(["--cluster", &format!("nats://{address}:{route}")]);
    if !routes.is_empty() {
        command.args(["--routes", &routes.join(",")]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().context("nats-server")?;
    let mut said = BufReader::new(process.stderr.take().context("piped")?).lines();
    let (mut is_ready, mut is_reached) = (false, false);
    while !(is_ready && is_reached) {
        let line = said.next().context("nats-server ended")??;
        is_ready |= line.contains("Server is ready");
        is_reached |= line.contains("Listening for route connections on ");
        if line.contains("[FTL]") {
            anyhow::bail!("nats-server: {line}");
        }
    }
    // Unread, the pipe would fill and stop the server.
    std::thread::spawn(move || said.for_each(drop));
    Ok(process)
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}
