//! Machines of one network, as network namespaces: so that what one hears of another can be cut.

use std::{
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use meoww_examples::fleet::{Layout, Place};

/// Set where this program has its own network.
const INSIDE: &str = "MEOWW_FLEET_INSIDE";

/// Starts this program again in a network of its own, unless it is in one; returns whether it is.
pub(crate) fn enter() -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let can = Command::new("unshare").args(["--net", "true"]).output();
    if !can.is_ok_and(|tried| tried.status.success()) {
        return false;
    }
    let Ok(this) = std::env::current_exe() else { return false };
    let mut again = Command::new("unshare");
    again.arg("--net").arg(this).args(std::env::args_os().skip(1)).env(INSIDE, "1");
    // Returns only where it fails.
    let _ = again.exec();
    false
}

/// Machines on one switch. The users are beside it.
pub(crate) struct Machines(Vec<Machine>);

struct Machine {
    namespace: Child,
    address: IpAddr,
}

/// Which way nothing goes between one machine and others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Both,
    /// The machine hears nothing.
    In,
    /// It is not heard.
    Out,
}

impl Machines {
    /// One for each node and its server of NATS, and two for databases.
    pub(crate) fn start(nodes: usize) -> anyhow::Result<Self> {
        run("ip link set lo up")?;
        run("ip link add switch type bridge")?;
        run("ip addr add 10.9.0.1/24 dev switch")?;
        run("ip link set switch up")?;
        (0..nodes + 2).map(Machine::start).collect::<anyhow::Result<_>>().map(Self)
    }

    pub(crate) fn layout(&self) -> Layout {
        let place = |machine: &Machine| Place::within(machine.namespace.id(), machine.address);
        let places: Vec<Place> = self.0.iter().map(place).collect();
        let (nodes, databases) = places.split_at(places.len() - 2);
        Layout { nodes: nodes.to_vec(), nats: nodes.to_vec(), databases: databases.to_vec() }
    }

    /// Cuts a node's machine off from those of the other nodes.
    pub(crate) fn cut(&self, node: usize, way: Way) -> anyhow::Result<()> {
        for (other, machine) in self.0[..self.0.len() - 2].iter().enumerate() {
            if other != node {
                if way != Way::Out {
                    self.0[node].drop_from(machine.address)?;
                }
                if way != Way::In {
                    machine.drop_from(self.0[node].address)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn heal(&self) -> anyhow::Result<()> {
        self.0.iter().try_for_each(|machine| machine.run("nft flush chain ip cut input"))
    }
}

impl Machine {
    fn start(number: usize) -> anyhow::Result<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"]);
        let mut namespace = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(namespace.stdout.take().context("piped")?).read_line(&mut line)?;
        ensure!(line == "ready\n", "no network namespace");
        let last = u8::try_from(10 + number)?;
        let machine = Self { namespace, address: Ipv4Addr::new(10, 9, 0, last).into() };
        let process = machine.namespace.id();
        run(&format!("ip link add m{number} type veth peer name eth0 netns {process}"))?;
        run(&format!("ip link set m{number} master switch up"))?;
        machine.run(&format!("ip addr add {}/24 dev eth0", machine.address))?;
        machine.run("ip link set eth0 up")?;
        machine.run("nft add table ip cut")?;
        machine.run("nft add chain ip cut input { type filter hook input priority 0 ; }")?;
        Ok(machine)
    }

    fn drop_from(&self, address: IpAddr) -> anyhow::Result<()> {
        self.run(&format!("nft add rule ip cut input ip saddr {address} drop"))
    }

    fn run(&self, command: &str) -> anyhow::Result<()> {
        run(&format!("nsenter --net=/proc/{}/ns/net {command}", self.namespace.id()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.namespace.kill();
        let _ = self.namespace.wait();
    }
}

/// Runs a command; words are split at spaces.
fn run(command: &str) -> anyhow::Result<()> {
    let mut words = command.split(' ');
    let ended = Command::new(words.next().context("a program")?).args(words).output()?;
    ensure!(ended.status.success(), "{command}: {}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}
