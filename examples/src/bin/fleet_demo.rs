//! A fleet that loses the node that matches, in the middle of a call: `scripts/demo-fleet`.
//!
//! Two cats meet across two nodes. The node that matches, at which one of them is, is killed. Their
//! call goes on, the cat goes on at another node with its chat, and the next match is made by another
//! matcher.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use meoww_examples::fleet::{Fleet, Layout};
use serde_json::Value;

const NODES: usize = 3;
/// How long the call is.
const CALL: &str = "12s";
/// Nothing takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet_demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    println!("Starting PostgreSQL, {NODES} servers of NATS and {NODES} nodes.");
    let mut fleet = Fleet::start(&Layout::here(NODES, NODES, 1), &[])?;
    for (number, node) in fleet.nodes.iter().enumerate() {
        let role = if number == 0 { ", matches for all" } else { "" };
        println!("  node {number}: {} (process {}{role})", node.url, node.id());
    }
    println!("Amber begins at node 0, Bert at node 1. Each knows all three.");
    let mut bert = Cat::start("bert", &fleet, 1, &[])?;
    let mut amber = Cat::start("amber", &fleet, 0, &["--duration", CALL, "--snapshot"])?;
    bert.wait_for("connected")?;
    amber.wait_for("connected")?;
    bert.wait_for_chat()?;
    println!("They are in a call.");

    let matcher = fleet.nodes[0].id();
    println!("\nkill -9 {matcher}: node 0 is gone, with the matcher and Amber's connection.");
    let killed = now();
    fleet.nodes[0].kill();
    amber.wait_for("server-lost")?;
    amber.wait_for("server-back")?;
    println!("Amber is at another node after {:.1} s.", killed.elapsed().as_secs_f64());
    amber.drain();
    bert.drain();
    bert.wait_for_chat()?;
    amber.wait_for_chat()?;
    println!("Both hear each other. The call goes on to its end.\n");

    for (cat, reason) in [(&mut amber, "left"), (&mut bert, "peer-left")] {
        let over = cat.wait_for("call-over")?;
        let name = cat.name;
        ensure!(over["reason"] == reason, "{name}'s call ended too early: {over}");
        ensure!(over["framesDrawn"] != 0, "{name} saw nothing");
        println!("{name}: the call ended as planned; {} pictures drawn.", over["framesDrawn"]);
    }
    for cat in [&mut amber, &mut bert] {
        cat.wait_for("connected")?;
    }
    println!("And they are matched again, by another node.");
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the demo's own clock")]
fn now() -> Instant {
    Instant::now()
}

/// A bot; it is killed with this.
struct Cat {
    name: &'static str,
    process: Child,
    events: Receiver<Value>,
}

impl Cat {
    /// Begins at one node and knows all.
    fn start(
        name: &'static str,
        fleet: &Fleet,
        first: usize,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let mut servers: Vec<_> = fleet.nodes.iter().map(|node| node.url.clone()).collect();
        servers.rotate_left(first);
        let mut command = Command::new(std::env::current_exe()?.with_file_name("bot"));
        command.args(["--server", &servers.join(","), "--outbox"]).arg(fleet.mail()).args(more);
        // Nothing of the user's is read or changed.
        command.env("XDG_CONFIG_HOME", fleet.folder()).env("XDG_STATE_HOME", fleet.folder());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().context("bot")?;
        let stdout = process.stdout.take().context("piped")?;
        // The longest call has fewer events; were there more, the bot would wait.
        let (sender, events) = sync_channel(4096);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                match serde_json::from_str(&line) {
                    Ok(event) => drop(sender.send(event)),
                    Err(_) => println!("{line}"),
                }
            }
        });
        Ok(Self { name, process, events })
    }

    /// The next line of the partner.
    fn wait_for_chat(&self) -> anyhow::Result<()> {
        self.wait_for("message").map(drop)
    }

    /// The next event of this name; chat is shown meanwhile.
    fn wait_for(&self, name: &str) -> anyhow::Result<Value> {
        let deadline = now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(now());
            let Ok(event) = self.events.recv_timeout(left) else {
                bail!("{} waits for {name} in vain", self.name);
            };
            self.show(&event);
            if event["event"] == name {
                return Ok(event);
            }
        }
    }

    /// Passes over what was before.
    fn drain(&self) {
        self.events.try_iter().for_each(|event| self.show(&event));
    }

    fn show(&self, event: &Value) {
        if let Some(text) = event["text"].as_str() {
            println!("  {} hears: {text}", self.name);
        }
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
