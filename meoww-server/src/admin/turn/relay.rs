//! One binding and one allocation (RFC 8489, RFC 8656) over a real socket.

use std::{io, net::SocketAddr, time::Duration};

use bytes::BytesMut;
use rtc_shared::{TransportContext, TransportMessage, TransportProtocol};
use rtc_turn::client::{Client, ClientConfig, Event};
use sansio::Protocol;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket, lookup_host},
    time::timeout,
};

use crate::clock;

/// Longest the whole conversation may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
const DEFAULT_PORT: u16 = 3478;
/// Of a STUN message; what follows has the length it says.
const HEADER: usize = 20;

/// Where a `turn:` URL (RFC 7065) leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    host: String,
    port: u16,
    pub(super) transport: Transport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// What the server gave.
pub(super) struct Found {
    pub(super) reflexive: SocketAddr,
    pub(super) relayed: SocketAddr,
}

impl Place {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("turn:").ok_or("only turn: URLs can be checked")?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let transport = match query {
            "" | "transport=udp" => Transport::Udp,
            "transport=tcp" => Transport::Tcp,
            _ => return Err("has an unknown transport".into()),
        };
        let is_v6_without_port = authority.starts_with('[') && authority.ends_with(']');
        let (host, port) = match authority.rsplit_once(':').filter(|_| !is_v6_without_port) {
            Some((host, port)) => (host, port.parse().map_err(|_| "has no good port")?),
            None => (authority, DEFAULT_PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("has no host".into());
        }
        Ok(Self { host: host.to_owned(), port, transport })
    }
}

/// Binds, allocates and gives the relay back; the text says what went wrong.
pub(super) async fn allocate(
    place: &Place,
    username: String,
    password: String,
) -> Result<Found, String> {
    let conversation = async {
        let said = |error: io::Error| error.to_string();
        let mut addresses = lookup_host((place.host.as_str(), place.port)).await.map_err(said)?;
        let server = addresses.next().ok_or("has no address")?;
        let link = Link::open(place.transport, server).await.map_err(said)?;
        let mut conversation = Conversation::new(link, server, username, password)?;
        conversation.hold().await
    };
    match timeout(PATIENCE, conversation).await {
        Ok(outcome) => outcome,
        Err(_) => Err("does not answer".into()),
    }
}

enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Link {
    async fn open(transport: Transport, server: SocketAddr) -> io::Result<Self> {
        match transport {
            Transport::Tcp => TcpStream::connect(server).await.map(Self::Tcp),
            Transport::Udp => {
                let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any).await?;
                socket.connect(server).await?;
                Ok(Self::Udp(socket))
            }
        }
    }

    fn local(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(stream) => stream.local_addr(),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(bytes).await.map(drop),
            Self::Tcp(stream) => stream.write_all(bytes).await,
        }
    }

    /// One message; what has arrived of it is in `half` when this is dropped.
    async fn receive(&mut self, half: &mut BytesMut) -> io::Result<BytesMut> {
        match self {
            Self::Udp(socket) => {
                let mut datagram = BytesMut::zeroed(usize::from(u16::MAX));
                let length = socket.recv(&mut datagram).await?;
                datagram.truncate(length);
                Ok(datagram)
            }
            Self::Tcp(stream) => loop {
                if let [_, _, high, low, ..] = half[..] {
                    let whole = HEADER + usize::from(u16::from_be_bytes([high, low]));
                    if half.len() >= whole {
                        return Ok(half.split_to(whole));
                    }
                }
                if stream.read_buf(half).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            },
        }
    }
}

struct Conversation {
    link: Link,
    client: Client,
    context: TransportContext,
    half: BytesMut,
}

impl Conversation {
    fn new(
        link: Link,
        server: SocketAddr,
        username: String,
        password: String,
    ) -> Result<Self, String> {
        let local_addr = link.local().map_err(|error| error.to_string())?;
        let transport_protocol = match link {
            Link::Udp(_) => TransportProtocol::UDP,
            Link::Tcp(_) => TransportProtocol::TCP,
        };
        let config = ClientConfig {
            stun_serv_addr: server.to_string(),
            turn_serv_addr: server.to_string(),
            local_addr,
            transport_protocol,
            username,
            password,
            ..ClientConfig::default()
        };
        let crypto = rtc_crypto::default_provider().map_err(|error| error.to_string())?;
        let client = Client::new(config, crypto).map_err(|error| error.to_string())?;
        let context =
            TransportContext { local_addr, peer_addr: server, transport_protocol, ecn: None };
        Ok(Self { link, client, context, half: BytesMut::new() })
    }

    async fn hold(&mut self) -> Result<Found, String> {
        let said = |error: rtc_shared::error::Error| error.to_string();
        self.client.send_binding_request(clock::instant()).map_err(said)?;
        self.client.allocate(clock::instant()).map_err(said)?;
        let (mut reflexive, mut relayed) = (None, None);
        loop {
            self.flush().await?;
            while let Some(event) = self.client.poll_event() {
                match event {
                    Event::BindingResponse(_, address) => reflexive = Some(address),
                    Event::AllocateResponse(_, address) => relayed = Some(address),
                    Event::BindingError(_, error) => return Err(format!("no binding: {error}")),
                    Event::AllocateError(_, error) => return Err(format!("no relay: {error}")),
                    Event::TransactionTimeout(_) => return Err("does not answer".into()),
                    _ => {}
                }
            }
            if let (Some(reflexive), Some(relayed)) = (reflexive, relayed) {
                // A relay that was not given back is freed by the server before long.
                let _ = timeout(GOODBYE, self.give_back(relayed)).await;
                return Ok(Found { reflexive, relayed });
            }
            self.step().await?;
        }
    }

    /// Waits for the next message, or for the moment to ask again.
    async fn step(&mut self) -> Result<(), String> {
        let again = self.client.poll_timeout().map(tokio::time::Instant::from_std);
        let again = async {
            match again {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let handled = tokio::select! {
            received = self.link.receive(&mut self.half) => {
                let message = received.map_err(|error| error.to_string())?;
                let (now, transport) = (clock::instant(), self.context);
                self.client.handle_read(TransportMessage { now, transport, message })
            }
            () = again => self.client.handle_timeout(clock::instant()),
        };
        handled.map_err(|error| error.to_string())
    }

    async fn flush(&mut self) -> Result<(), String> {
        while let Some(transmit) = self.client.poll_write() {
            self.link.send(&transmit.message).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn give_back(&mut self, relayed: SocketAddr) -> Result<(), String> {
        let mut relay = self.client.relay(relayed).map_err(|error| error.to_string())?;
        relay.close(clock::instant()).map_err(|error| error.to_string())?;
        self.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_somewhere_or_are_refused() {
        let place = |host: &str, port, transport| Ok(Place { host: host.into(), port, transport });
        let parse = Place::parse;
        assert_eq!(parse("turn:relay.example"), place("relay.example", 3478, Transport::Udp));
        assert_eq!(
            parse("turn:relay.example:1?transport=tcp"),
            place("relay.example", 1, Transport::Tcp)
        );
        assert_eq!(parse("turn:[::1]:5?transport=udp"), place("::1", 5, Transport::Udp));
        assert_eq!(parse("turn:[::1]"), place("::1", 3478, Transport::Udp));
        for bad in ["turns:relay.example", "turn:", "turn:a:b", "turn:a?transport=sctp"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
