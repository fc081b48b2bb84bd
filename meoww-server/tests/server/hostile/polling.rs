//! What clients that post and never poll cost in memory, all together, seen from outside.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};

use crate::{
    harness::patiently,
    operator::Operator,
    process::{Process, command},
};

/// Connections that one account may have.
const EACH: usize = 8;
/// Bytes of the longest body.
const BODY: usize = 256 * 1024;
/// Bytes that all bodies share, and as many again that the allocator keeps of those that were freed.
const SHARED: usize = 2 * 64 * 1024 * 1024;
/// Bytes that each client may cost beyond that: its connection, what was read ahead of it, the part of
/// a body that is free, and the answers it does not fetch.
const MOST_EACH: usize = 96 * 1024;

fn clients() -> usize {
    std::env::var("MEOWW_POLLING_CLIENTS").map_or(400, |n| n.parse().expect("a number"))
}

/// Resident bytes of a process.
fn resident(process: &Process) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim_end_matches("kB").trim().parse::<usize>().expect("a number") * 1024
}

/// One client on one connection.
struct Client {
    stream: TcpStream,
    head: String,
    sid: String,
}

impl Client {
    async fn open(address: &str, token: &str) -> Self {
        let stream = patiently(TcpStream::connect(address)).await.expect("connected");
        let head = format!("Host: {address}\r\nCookie: {token}\r\n");
        let mut client = Self { stream, head, sid: String::new() };
        let open = client.ask("GET", b"").await;
        let open: Value = serde_json::from_str(open.split_once("\r\n\r\n0").expect("a body").1)
            .expect("an open packet");
        client.sid = format!("&sid={}", open["sid"].as_str().expect("an id"));
        assert!(client.ask("POST", b"40").await.ends_with("ok"));
        client
    }

    /// Sends a request and returns what comes back at once.
    async fn ask(&mut self, method: &str, body: &[u8]) -> String {
        self.send(method, body).await.expect("sent");
        let mut answer = vec![0; 4096];
        let length = patiently(self.stream.read(&mut answer)).await.expect("an answer");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    async fn send(&mut self, method: &str, body: &[u8]) -> std::io::Result<()> {
        let (head, sid, length) = (&self.head, &self.sid, body.len());
        let path = format!("/socket.io/?EIO=4&transport=polling{sid}");
        let head = format!("{method} {path} HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body).await
    }
}

/// A body as full of a packet as it can be.
fn body_of(packet: &str) -> Vec<u8> {
    let mut body = packet.to_owned();
    while body.len() + packet.len() < BODY {
        body.push('\u{1e}');
        body.push_str(packet);
    }
    body.into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_post_and_never_poll_take_bounded_memory_together() {
    let count = clients();
    let operator = Operator::new();
    let accounts = count.div_ceil(EACH).to_string();
    let created =
        operator.types(&["user", "create", "--count", &accounts, "--verified", "--tokens"]).await;
    let tokens: Vec<_> = created.out.lines().map(str::to_owned).collect();
    let mut server = command(&operator.data());
    server.env("MEOWW_LIMIT_CONNECT", "off").stderr(std::process::Stdio::null());
    server.env("MEOWW_MAX_CONNECTIONS_PER_ADDRESS", "20000");
    let server = Process::spawn(&mut server).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let before = resident(&server);
    // The smallest packets, and events that are answered each.
    let bodies = Arc::new(["3", "421[]"].map(body_of));
    let opening = Arc::new(Semaphore::new(64));
    let mut attackers = JoinSet::new();
    for n in 0..count {
        let (address, token) = (address.clone(), tokens[n / EACH].clone());
        let (bodies, opening) = (bodies.clone(), opening.clone());
        attackers.spawn(async move {
            let mut client = {
                let _turn = opening.acquire().await.expect("open");
                Client::open(&address, &token).await
            };
            // What is refused, and a client that is given up, are fine.
            for body in [&bodies[0], &bodies[1]] {
                if client.send("POST", body).await.is_err() {
                    break;
                }
            }
            client
        });
    }
    let mut peak = before;
    let mut held = Vec::new();
    while held.len() < count {
        tokio::select! {
            client = attackers.join_next() => held.push(client.expect("one each").expect("no panic")),
            () = sleep(Duration::from_millis(20)) => peak = peak.max(resident(&server)),
        }
    }
    for _ in 0..100 {
        peak = peak.max(resident(&server));
        sleep(Duration::from_millis(20)).await;
    }
    let took = peak - before;
    println!("{count} clients: {} MB, {} KB each", took >> 20, (took / count) >> 10);
    assert!(took < SHARED + count * MOST_EACH, "{took}");
    server.stop().await;
}
