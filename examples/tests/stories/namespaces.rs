//! Two strangers in networks of their own, each behind a NAT: what reaches one of the other's addresses.
//!
//! The test runs itself once more in a network namespace (`unshare -n`), which is the internet: the
//! server and the relay are in it. Two namespaces below it are the NATs, and two below those the hosts.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
};

use meoww_examples::coturn::Coturn;
use tempfile::TempDir;

use crate::{
    headless::Script,
    relay::{SECRET, relay_at},
    server::Server,
    user::User,
};

/// Set in the namespace.
const INSIDE: &str = "MEOWW_TEST_IN_NAMESPACE";
/// Of the server and the relay.
const INTERNET: &str = "192.0.2.1";

/// Runs the test of this name in a namespace; false where it is to go on, as it is in one.
#[expect(clippy::print_stderr, reason = "a test that cannot run here says so")]
fn elsewhere(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let unshare = |more: &[&str], program: &Path, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(more).arg("--net").arg(program).args(arguments).env(INSIDE, "1");
        command.output().expect("unshare (util-linux)")
    };
    let can = |more: &[&str]| unshare(more, Path::new("true"), &[]).status.success();
    let Some(how) = [&[][..], &["--map-root-user"][..]].into_iter().find(|more| can(more)) else {
        eprintln!("NOT RUN: this machine has no network namespaces");
        return true;
    };
    let tests = std::env::current_exe().expect("a path");
    let ended = unshare(how, &tests, &["--exact", name, "--nocapture"]);
    let text = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && text.contains("1 passed"), "{text}");
    true
}

/// Runs a command; words are split at spaces.
fn run(command: &str) {
    let mut words = command.split(' ');
    let mut process = Command::new(words.next().expect("a program"));
    let ended = process.args(words).output().expect("scripts/setup test installs it");
    assert!(ended.status.success(), "{command}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// A network namespace; dropping it ends it.
struct Namespace(Child);

impl Namespace {
    fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"]);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("read");
        assert_eq!(line, "ready\n");
        Self(process)
    }

    /// Returns the words that run a command in it.
    fn prefix(&self) -> String {
        format!("nsenter --net=/proc/{}/ns/net", self.0.id())
    }

    fn run(&self, command: &str) {
        run(&format!("{} {command}", self.prefix()));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kinds of NAT, by what they make of the host's ports (RFC 3489, section 5).
#[derive(Clone, Copy, PartialEq)]
enum Nat {
    /// One port for each of the host's, where everybody reaches it.
    FullCone,
    /// One port for each of the host's, where those reach it who were sent something from it.
    PortRestricted,
    /// Another port for each partner.
    Symmetric,
}

/// Somebody's network at home.
struct Home {
    host: Namespace,
    _nat: Namespace,
    /// Of the host, and of the NAT towards the internet.
    addresses: [Ipv4Addr; 2],
    capture: Child,
    folder: TempDir,
}

impl Home {
    /// The `n`th.
    fn new(n: u8, kind: Nat) -> Self {
        let (nat, host) = (Namespace::new(), Namespace::new());
        let (outside, inside) = (format!("198.51.{n}"), format!("10.{n}.0"));
        run(&format!("ip link add up{n} type veth peer name out netns {}", nat.0.id()));
        run(&format!("ip addr add {outside}.1/30 dev up{n}"));
        run(&format!("ip link set up{n} up"));
        nat.run(&format!("ip addr add {outside}.2/30 dev out"));
        nat.run("ip link set out up");
        nat.run(&format!("ip route add default via {outside}.1"));
        nat.run(&format!("ip link add in type veth peer name eth0 netns {}", host.0.id()));
        nat.run(&format!("ip addr add {inside}.1/24 dev in"));
        nat.run("ip link set in up");
        nat.run("sysctl -qw net.ipv4.ip_forward=1");
        nat.run("nft add table ip nat");
        nat.run("nft add chain ip nat out { type nat hook postrouting priority 100 ; }");
        let is_symmetric = kind == Nat::Symmetric;
        let ports = if is_symmetric { "masquerade random,fully-random" } else { "masquerade" };
        nat.run(&format!("nft add rule ip nat out oifname out {ports}"));
        if kind == Nat::FullCone {
            nat.run("nft add chain ip nat come { type nat hook prerouting priority -100 ; }");
            let host = format!("udp dport 1024-65535 dnat to {inside}.2");
            nat.run(&format!("nft add rule ip nat come iifname out {host}"));
        }
        // As any router at home: what nobody inside asked for is dropped.
        nat.run("nft add table ip filter");
        nat.run("nft add chain ip filter in { type filter hook input priority 0 ; }");
        nat.run("nft add rule ip filter in iifname out ct state new drop");
        host.run(&format!("ip addr add {inside}.2/24 dev eth0"));
        host.run("ip link set eth0 up");
        host.run(&format!("ip route add default via {inside}.1"));
        let folder = tempfile::tempdir().expect("a folder");
        let capture = capture(&host, &folder.path().join("pcap"));
        let addresses = [inside + ".2", outside + ".2"].map(|text| text.parse().expect("one"));
        Self { host, _nat: nat, addresses, capture, folder }
    }

    /// All that was sent and received by the host until now.
    fn captured(&mut self) -> Vec<u8> {
        let _ = Command::new("kill").args(["-INT", &self.capture.id().to_string()]).status();
        self.capture.wait().expect("ended");
        fs::read(self.folder.path().join("pcap")).expect("a capture")
    }
}

/// Returns once it captures.
fn capture(host: &Namespace, file: &Path) -> Child {
    let prefix = host.prefix();
    let mut words = prefix.split(' ');
    let mut command = Command::new(words.next().expect("nsenter"));
    command
        .args(words)
        .args(["tcpdump", "-i", "eth0", "--immediate-mode", "-U", "-Z", "root", "-w"])
        .arg(file);
    let mut process = command.stderr(Stdio::piped()).spawn().expect("tcpdump");
    let mut lines = std::io::BufReader::new(process.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        let read = std::io::BufRead::read_line(&mut lines, &mut line).expect("read");
        assert!(read > 0, "tcpdump (scripts/setup test installs it) ended");
    }
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    process
}

/// Whether an address is in a text or packet: in digits, in bytes, or as STUN masks it (RFC 8489,
/// section 14.2).
fn names(captured: &[u8], address: Ipv4Addr) -> bool {
    let bytes = address.octets();
    let cookie = [0x21, 0x12, 0xa4, 0x42];
    let masked: [u8; 4] = std::array::from_fn(|n| bytes[n] ^ cookie[n]);
    let digits = address.to_string();
    [digits.as_bytes(), &bytes, &masked]
        .iter()
        .any(|wanted| captured.windows(wanted.len()).any(|found| found == *wanted))
}

/// A call in which each side is behind a NAT, through the relay.
fn call(nats: [Nat; 2]) -> ([Home; 2], [Script; 2], Coturn, Server) {
    run("ip link set lo up");
    run(&format!("ip addr add {INTERNET}/32 dev lo"));
    run("sysctl -qw net.ipv4.ip_forward=1");
    let relay = relay_at(INTERNET, &["--no-tls"]);
    let [turn, stun] = ["turn", "stun"].map(|kind| format!("{kind}:{INTERNET}:{}", relay.port));
    let turn = turn + "?transport=udp";
    let env = [("TURN_SECRET", SECRET), ("TURN_SERVER_URL", &turn), ("MEOWW_STUN_URL", &stun)];
    let server = Server::start_at(&format!("{INTERNET}:0"), &env);
    let homes = [Home::new(1, nats[0]), Home::new(2, nats[1])];
    let [anna, bert] = ["anna", "bert"].map(|name| User::with_account(name, &server));
    let arguments = ["--camera", "pattern"];
    let anna = Script::start_in(&homes[0].host.prefix(), &anna, &arguments);
    anna.wait_for("searching");
    let bert = Script::start_in(&homes[1].host.prefix(), &bert, &arguments);
    let scripts = [anna, bert];
    for script in &scripts {
        assert_eq!(script.wait_for("connected")["relayed"], true);
        script.wait_for("first-frame");
    }
    (homes, scripts, relay, server)
}

/// Lets the call go on until all that was sent before has been captured.
fn talk(scripts: &[Script; 2]) {
    for script in scripts {
        for _ in 0..3 {
            script.wait_for("stats");
        }
    }
}

/// Both ask to go direct.
fn agree([anna, bert]: &mut [Script; 2]) {
    anna.say(r#"{"command":"direct"}"#);
    assert_eq!(bert.wait_for("go-direct")["state"], "asked");
    bert.say(r#"{"command":"direct"}"#);
    for script in [anna, bert] {
        while script.wait_for("go-direct")["state"] != "agreed" {}
    }
}

#[test]
fn through_the_relay_no_address_of_the_other_is_seen() {
    if elsewhere("namespaces::through_the_relay_no_address_of_the_other_is_seen") {
        return;
    }
    let (mut homes, scripts, _relay, _server) = call([Nat::PortRestricted; 2]);
    talk(&scripts);
    drop(scripts);
    let [of_anna, of_bert] = [0, 1].map(|n| homes[n].captured());
    for (captured, own, other) in [(of_anna, &homes[0], &homes[1]), (of_bert, &homes[1], &homes[0])]
    {
        assert!(names(&captured, own.addresses[0]), "nothing was captured");
        for address in other.addresses {
            assert!(!names(&captured, address), "{address} was seen");
        }
    }
}

/// Each sees the other's NAT then, and nothing of what is behind it.
#[test]
fn both_go_direct_through_their_nats() {
    if elsewhere("namespaces::both_go_direct_through_their_nats") {
        return;
    }
    let (mut homes, mut scripts, _relay, _server) = call([Nat::PortRestricted; 2]);
    agree(&mut scripts);
    for script in &scripts {
        assert_eq!(script.wait_for("route")["relayed"], false);
    }
    talk(&scripts);
    drop(scripts);
    let captured = homes[0].captured();
    assert!(names(&captured, homes[1].addresses[1]), "the way to the other");
    assert!(!names(&captured, homes[1].addresses[0]), "what is behind the other's NAT");
}

/// Where one NAT lets in whoever knows the port, the other may be of any kind.
#[test]
fn a_full_cone_nat_is_reached_directly_through_a_symmetric_one() {
    if elsewhere("namespaces::a_full_cone_nat_is_reached_directly_through_a_symmetric_one") {
        return;
    }
    let (_homes, mut scripts, _relay, _server) = call([Nat::FullCone, Nat::Symmetric]);
    agree(&mut scripts);
    for script in &scripts {
        assert_eq!(script.wait_for("route")["relayed"], false);
    }
    talk(&scripts);
}

/// Through two symmetric NATs there is no direct path.
#[test]
fn where_no_direct_path_is_found_the_call_goes_on_through_the_relay() {
    if elsewhere("namespaces::where_no_direct_path_is_found_the_call_goes_on_through_the_relay") {
        return;
    }
    let (_homes, mut scripts, _relay, _server) = call([Nat::Symmetric; 2]);
    agree(&mut scripts);
    for script in &scripts {
        let decoded = || script.wait_for("stats")["framesDecoded"].as_u64().expect("a number");
        // Whatever was on its way when the path changed has come by then.
        for _ in 0..2 {
            decoded();
        }
        let begun = decoded();
        while decoded() < begun + 30 {}
        assert_eq!(script.wait_for("stats")["relayed"], true);
    }
}
