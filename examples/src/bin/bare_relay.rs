//! The least a relay can cost on this machine: what `meoww-server` does on `/ws` and nothing of why.
//!
//! One thread and one `epoll`; a frame is unmasked, looked at for a word and sent on as it is. No
//! account, no limit, no bound, no care for who is slow: for measurements beside a real server only,
//! whose cost above this one's is its own, and below it the system's.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
};

use anyhow::{Context, Result};
use clap::Parser;
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::tungstenite;

const LISTENER: Token = Token(usize::MAX);
/// Shorter than any handshake or relayed line of a load client.
const SCRATCH_BYTES: usize = 64 * 1024;

/// Relays between whoever connects, in pairs, as cheaply as can be.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:7002")]
    listen: SocketAddr,
}

fn main() -> Result<()> {
    let mut relay = Relay::listen(Arguments::parse().listen)?;
    let mut events = Events::with_capacity(1024);
    loop {
        relay.poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                relay.accept()?;
            } else if relay.serve(event.token()).is_err() {
                relay.forget(event.token());
            }
        }
    }
}

struct Relay {
    poll: Poll,
    listener: TcpListener,
    clients: HashMap<Token, Client>,
    waiting: Option<Token>,
    next: usize,
    scratch: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    partner: Option<Token>,
    /// The beginning of a frame whose end has not come yet.
    rest: Vec<u8>,
}

impl Relay {
    fn listen(address: SocketAddr) -> Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address).context("cannot listen")?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (clients, scratch) = (HashMap::new(), vec![0; SCRATCH_BYTES]);
        Ok(Self { poll, listener, clients, waiting: None, next: 0, scratch })
    }

    fn accept(&mut self) -> Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nodelay(true)?;
            let blocking = std::net::TcpStream::from(stream);
            blocking.set_nonblocking(false)?;
            let Ok(socket) = tungstenite::accept(blocking) else { continue };
            let blocking = socket.into_inner();
            blocking.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(blocking);
            let token = Token(self.next);
            self.next += 1;
            self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
            self.clients.insert(token, Client { stream, partner: None, rest: Vec::new() });
            self.say(token, r#"{"event":"welcome","data":{}}"#);
        }
        Ok(())
    }

    fn serve(&mut self, token: Token) -> Result<()> {
        loop {
            let client = self.clients.get_mut(&token).context("gone")?;
            let count = match client.stream.read(&mut self.scratch) {
                Ok(0) => anyhow::bail!("hung up"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let mut bytes = std::mem::take(&mut client.rest);
            bytes.extend_from_slice(&self.scratch[..count]);
            let mut used = 0;
            while let Some((payload, end)) = unmask(&mut bytes[used..]) {
                self.hear(token, &bytes[used + payload..used + end]);
                used += end;
            }
            self.clients.get_mut(&token).context("gone")?.rest.extend_from_slice(&bytes[used..]);
            // A read that does not fill the buffer was the last (epoll(7)).
            if count < SCRATCH_BYTES {
                return Ok(());
            }
        }
    }

    fn hear(&mut self, token: Token, payload: &[u8]) {
        if payload.starts_with(br#"{"event":"ice-candidate""#) {
            if let Some(partner) = self.clients[&token].partner {
                self.send(partner, payload);
            }
        } else if payload.starts_with(br#"{"event":"search""#) {
            self.search(token);
        } else if payload.starts_with(br#"{"event":"skip""#) {
            self.part(token);
            self.search(token);
        }
    }

    fn search(&mut self, token: Token) {
        let Some(other) = self.waiting.take().filter(|other| *other != token) else {
            self.waiting = Some(token);
            return self.say(token, r#"{"event":"searching","data":{}}"#);
        };
        for (me, partner, is_initiator) in [(token, other, false), (other, token, true)] {
            if let Some(client) = self.clients.get_mut(&me) {
                client.partner = Some(partner);
            }
            let room = token.0.min(other.0);
            self.say(
                me,
                &format!(
                    r#"{{"event":"matched","data":{{"roomId":"{room:032x}","isInitiator":{is_initiator}}}}}"#
                ),
            );
        }
    }

    fn part(&mut self, token: Token) {
        let Some(partner) = self.clients.get_mut(&token).and_then(|me| me.partner.take()) else {
            return;
        };
        if let Some(client) = self.clients.get_mut(&partner) {
            client.partner = None;
            self.say(partner, r#"{"event":"peer-disconnected","data":{}}"#);
        }
    }

    fn forget(&mut self, token: Token) {
        self.waiting = self.waiting.filter(|waiting| *waiting != token);
        self.part(token);
        self.clients.remove(&token);
    }

    fn say(&mut self, token: Token, text: &str) {
        self.send(token, text.as_bytes());
    }

    /// An unmasked text frame (RFC 6455, 5.2). Whoever has no room for it misses it.
    fn send(&mut self, token: Token, payload: &[u8]) {
        let mut frame = Vec::with_capacity(payload.len() + 4);
        match u8::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.extend([0x81, length]),
            _ => {
                frame.extend([0x81, 126]);
                frame.extend((payload.len() as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        if let Some(client) = self.clients.get_mut(&token) {
            let _ = client.stream.write(&frame);
        }
    }
}

/// Unmasks the first frame in place, if it is whole; gives where its payload begins and ends.
fn unmask(bytes: &mut [u8]) -> Option<(usize, usize)> {
    let short = usize::from(bytes.get(1)? & 0x7f);
    let (length, head) = match short {
        126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
        length => (length, 2),
    };
    let (begin, end) = (head + 4, head + 4 + length);
    if bytes.len() < end {
        return None;
    }
    let mask: [u8; 4] = bytes[head..begin].try_into().ok()?;
    for (byte, key) in bytes[begin..end].iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    Some((begin, end))
}
