//! A real TURN relay of one's own: coturn on this machine.

use std::{
    io::{self, BufRead, BufReader},
    net::{TcpListener, UdpSocket},
    process::{Child, Command, Stdio},
    thread,
};

/// Ports to try: between a look at one and its use, somebody else may take it.
const TRIES: usize = 10;

/// A relay that answers; dropping it kills it.
pub struct Coturn {
    process: Child,
    /// For UDP and TCP.
    pub port: u16,
    /// For TLS.
    pub tls_port: u16,
}

impl Coturn {
    /// With settings of whom it serves, and by what.
    pub fn start(ip: &str, settings: &[&str]) -> Self {
        let ports = std::iter::repeat_with(|| [(); 2].map(|()| free_port(ip).expect("a port")));
        let relay = ports.take(TRIES).find_map(|ports| Self::at(ip, ports, settings));
        relay.expect("coturn finds no free port")
    }

    /// `None` where one of its ports is not free. It would wait for it, and answer nobody.
    fn at(ip: &str, [port, tls_port]: [u16; 2], settings: &[&str]) -> Option<Self> {
        let process = Command::new("turnserver")
            .args(["-n", "--realm=meoww", "--no-cli", "--no-dtls", "--allow-loopback-peers"])
            .args(["--verbose", "--log-file=stdout", "--pidfile=/dev/null"])
            .args([format!("--listening-ip={ip}"), format!("--relay-ip={ip}")])
            .args([format!("--listening-port={port}"), format!("--tls-listening-port={tls_port}")])
            .args(settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let process = process.expect("coturn (scripts/setup test installs it)");
        let mut relay = Self { process, port, tls_port };
        let out = relay.process.stdout.take().expect("piped");
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        // The last is said when all listens, and those who know the users are there.
        let said = lines
            .find(|line| line.contains("Cannot bind") || line.contains("DB connection success"));
        if said.expect("coturn goes on").contains("Cannot bind") {
            return None;
        }
        // It would stop where no one reads what it says.
        thread::spawn(move || lines.count());
        Some(relay)
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that is free for TCP and for UDP. Of TCP, also one counts as taken whose connection ended a
/// minute ago.
fn free_port(ip: &str) -> io::Result<u16> {
    loop {
        let listener = TcpListener::bind((ip, 0))?;
        let port = listener.local_addr()?.port();
        if UdpSocket::bind((ip, port)).is_ok() {
            return Ok(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_by_tcp_alone_is_not_waited_for() {
        let ip = "127.0.0.1";
        let taken = TcpListener::bind((ip, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let tls_port = free_port(ip).unwrap();
        assert!(Coturn::at(ip, [port, tls_port], &["--no-auth"]).is_none());
        drop(taken);
        assert!(Coturn::at(ip, [port, tls_port], &["--no-auth"]).is_some());
    }
}
