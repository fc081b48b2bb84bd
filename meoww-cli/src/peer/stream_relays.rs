//! Relays that are reached over TCP, with TLS or without, where UDP is blocked (RFC 8656, section 3.1).
//!
//! The `rtc` crate speaks TURN over UDP alone. Such a relay has a name and an address in its stead that are
//! nobody's, and [`StreamSocket`] carries what goes there over a stream, and what the stream brings as if it
//! came from there. Each socket has a stream of its own, as each allocates for itself. A stream that
//! ends is not opened again: the relay's allocation is gone with it, and ICE restarts with new sockets.

pub(crate) mod frames;
mod stream;

use std::{
    collections::HashMap,
    fmt::Debug,
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use meoww_proto::account::IceServer;
use rtc::ice::url::{ProtoType, SchemeType, Url};
use tokio::sync::mpsc;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Runtime, TokioRuntime, Transmit};

use super::guarded_sockets::Guard;

/// The dummy address of IPv4 (RFC 7600), and one of the prefix of IPv6 that is discarded (RFC 6666).
const STAND_INS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 8)),
    IpAddr::V6(Ipv6Addr::new(0x0100, 0, 0, 0, 0, 0, 0, 8)),
];
/// A name that no one has (RFC 6761, section 6.4).
const STAND_IN_NAME: &str = "relay.invalid";
/// Packets that wait to be written to a stream, and to be read; more are lost.
const MAX_WAITING: usize = 256;

/// A relay at the other end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StreamRelay {
    host: String,
    port: u16,
    tls: bool,
    /// There is a relay over UDP as well, which is to be tried first.
    is_second: bool,
}

/// Those of a connection; the `n`th stands at port `n + 1`.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamRelays(Arc<Vec<StreamRelay>>);

impl StreamRelays {
    /// Servers as the `rtc` crate can take them, and those of them that are not what they seem.
    ///
    /// A relay over UDP is taken to listen for TCP at the same port, as coturn does, unless its URL
    /// names the transport.
    pub(super) fn of(servers: &[IceServer]) -> (Vec<IceServer>, Self) {
        let mut relays = Vec::new();
        let mut known = Vec::new();
        let is_udp = |server: &IceServer| {
            Url::parse_url(&server.urls).is_ok_and(|url| is_relay(&url) && !is_stream(&url))
        };
        let is_second = servers.iter().any(is_udp);
        for server in servers {
            let Ok(url) = Url::parse_url(&server.urls) else {
                known.push(server.clone());
                continue;
            };
            let names_transport = server.urls.contains('?');
            if !is_stream(&url) {
                known.push(server.clone());
            }
            if is_stream(&url) || is_relay(&url) && !names_transport {
                relays.push(StreamRelay {
                    host: url.host.clone(),
                    port: url.port,
                    tls: url.is_secure(),
                    is_second,
                });
                let urls = format!("turn:{STAND_IN_NAME}:{}?transport=udp", relays.len());
                known.push(IceServer { urls, ..server.clone() });
            }
        }
        (known, Self(Arc::new(relays)))
    }

    /// The addresses that stand for a name with a port; `None` for names of others.
    pub(super) fn resolve(&self, name: &str) -> Option<Vec<SocketAddr>> {
        let port = name.strip_prefix(STAND_IN_NAME)?.strip_prefix(':')?.parse().ok()?;
        Some(STAND_INS.map(|ip| SocketAddr::new(ip, port)).to_vec())
    }

    fn at(&self, address: SocketAddr) -> Option<&StreamRelay> {
        let is_stand_in = STAND_INS.contains(&address.ip());
        self.0.get(usize::from(address.port()).checked_sub(1)?).filter(|_| is_stand_in)
    }

    /// A socket that reaches these relays as well.
    pub(super) fn reached_by(
        &self,
        socket: Arc<dyn AsyncUdpSocket>,
        guard: &Guard,
    ) -> Arc<dyn AsyncUdpSocket> {
        if self.0.is_empty() {
            return socket;
        }
        let (arrived, arriving) = mpsc::channel(MAX_WAITING);
        Arc::new(StreamSocket {
            socket,
            relays: self.clone(),
            guard: guard.clone(),
            streams: Mutex::default(),
            arrived,
            arriving: Mutex::new(arriving),
        })
    }
}

fn is_relay(url: &Url) -> bool {
    matches!(url.scheme, SchemeType::Turn | SchemeType::Turns)
}

fn is_stream(url: &Url) -> bool {
    is_relay(url) && url.proto == ProtoType::Tcp
}

/// A packet that came over a stream, and the address that stands for its relay.
type Arrived = (SocketAddr, Vec<u8>);

/// A UDP socket that has streams to relays beside it.
#[derive(Debug)]
struct StreamSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    relays: StreamRelays,
    guard: Guard,
    /// To the task of each stream that was opened; it ends with this socket.
    streams: Mutex<HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>>,
    arrived: mpsc::Sender<Arrived>,
    arriving: Mutex<mpsc::Receiver<Arrived>>,
}

impl StreamSocket {
    /// Opens the stream when the first packet goes there.
    fn stream(&self, relay: &StreamRelay, at: SocketAddr) -> mpsc::Sender<Vec<u8>> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || {
            let (packets, outgoing) = mpsc::channel(MAX_WAITING);
            let (relay, guard, arrived) = (relay.clone(), self.guard.clone(), self.arrived.clone());
            let is_needed = move || guard.in_use().is_none();
            TokioRuntime.spawn(Box::pin(stream::run(relay, at, is_needed, outgoing, arrived)));
            packets
        };
        streams.entry(at).or_insert_with(open).clone()
    }
}

impl AsyncUdpSocket for StreamSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let Some(relay) = self.relays.at(transmit.destination) else {
            return self.socket.poll_send(cx, transmit);
        };
        let stream = self.stream(relay, transmit.destination);
        let size = transmit.segment_size.unwrap_or(usize::MAX).max(1);
        for packet in transmit.contents.chunks(size) {
            // Lost where the stream is over, or slower than what is sent.
            let _ = stream.try_send(packet.to_vec());
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let arrived = self.arriving.lock().unwrap_or_else(PoisonError::into_inner).poll_recv(cx);
        let (Poll::Ready(Some((from, packet))), [buffer, ..], [meta, ..]) =
            (arrived, &mut *buffers, &mut *meta)
        else {
            let count = ready!(self.socket.poll_recv(cx, buffers, meta));
            return Poll::Ready(count);
        };
        let length = packet.len().min(buffer.len());
        buffer[..length].copy_from_slice(&packet[..length]);
        *meta = RecvMeta::default();
        (meta.addr, meta.len, meta.stride) = (from, length, length.max(1));
        Poll::Ready(Ok(1))
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(urls: &str) -> IceServer {
        IceServer { urls: urls.to_owned(), username: Some("user".to_owned()), credential: None }
    }

    /// What the `rtc` crate is told, and the relays over streams: host, port, TLS.
    fn of(urls: &[&str]) -> (Vec<String>, Vec<(String, u16, bool)>) {
        let servers: Vec<_> = urls.iter().map(|urls| server(urls)).collect();
        let (known, StreamRelays(relays)) = StreamRelays::of(&servers);
        assert!(known.iter().all(|server| server.username.as_deref() == Some("user")));
        let relays = relays.iter().map(|relay| (relay.host.clone(), relay.port, relay.tls));
        (known.into_iter().map(|server| server.urls).collect(), relays.collect())
    }

    #[test]
    fn relays_over_streams_get_a_stand_in() {
        let (known, relays) =
            of(&["stun:a.example", "turns:b.example", "turn:c.example?transport=tcp"]);
        let stand_ins = [1, 2].map(|port| format!("turn:relay.invalid:{port}?transport=udp"));
        assert_eq!(known[1..], stand_ins);
        let [b, c] = ["b.example", "c.example"].map(str::to_owned);
        assert_eq!(relays, [(b, 5349, true), (c, 3478, false)]);
    }

    #[test]
    fn a_relay_that_names_no_transport_is_reached_by_both() {
        let (known, relays) = of(&["turn:a.example:99"]);
        assert_eq!(known, ["turn:a.example:99", "turn:relay.invalid:1?transport=udp"]);
        assert_eq!(relays, [("a.example".to_owned(), 99, false)]);
        let (known, relays) = of(&["turn:a.example?transport=udp", "noise", "turns:"]);
        assert_eq!((known.len(), relays.len()), (3, 0));
    }

    #[test]
    fn only_the_stand_ins_are_taken_for_relays() {
        let (_, relays) = StreamRelays::of(&[server("turns:b.example")]);
        let addresses = relays.resolve("relay.invalid:1").unwrap();
        assert!(addresses.iter().any(SocketAddr::is_ipv4));
        assert!(addresses.iter().any(SocketAddr::is_ipv6));
        assert!(addresses.iter().all(|address| relays.at(*address).is_some()));
        let others =
            ["192.0.0.8:2", "192.0.0.8:0", "192.0.2.1:1"].map(|text| text.parse().unwrap());
        assert!(others.iter().all(|address| relays.at(*address).is_none()));
        assert_eq!(relays.resolve("b.example:5349"), None);
    }
}
