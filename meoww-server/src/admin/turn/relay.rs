//! One binding and one allocation (RFC 8489, RFC 8656) over a real socket.

mod link;

use std::{io, net::SocketAddr, time::Duration};

use bytes::BytesMut;
use rtc_shared::{TransportContext, TransportMessage};
use rtc_turn::client::{Client, ClientConfig, Event};
use sansio::Protocol;
use tokio::{net::lookup_host, time::timeout};

use self::link::Link;
use crate::clock;

/// Longest the whole conversation may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// Where a server listens whose URL does not say so (RFC 7065, 3.2).
const PORT: u16 = 3478;
const TLS_PORT: u16 = 5349;

/// Where a `turn:` or `turns:` URL (RFC 7065) leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TurnUrl {
    host: String,
    port: u16,
    pub(super) transport: Transport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
    /// Over TCP.
    Tls,
}

/// What the server gave.
pub(super) struct Found {
    pub(super) reflexive: SocketAddr,
    pub(super) relayed: SocketAddr,
}

impl TurnUrl {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once(':').ok_or("is no URL")?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (transport, default_port) = match (scheme, query) {
            ("turn", "" | "transport=udp") => (Transport::Udp, PORT),
            ("turn", "transport=tcp") => (Transport::Tcp, PORT),
            ("turns", "" | "transport=tcp") => (Transport::Tls, TLS_PORT),
            ("turns", "transport=udp") => return Err("is of DTLS, which cannot be checked".into()),
            ("turn" | "turns", _) => return Err("has an unknown transport".into()),
            _ => return Err("is no turn: or turns: URL".into()),
        };
        let is_v6_without_port = authority.starts_with('[') && authority.ends_with(']');
        let (host, port) = match authority.rsplit_once(':').filter(|_| !is_v6_without_port) {
            Some((host, port)) => (host, port.parse().map_err(|_| "has no good port")?),
            None => (authority, default_port),
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
    url: &TurnUrl,
    username: String,
    password: String,
) -> Result<Found, String> {
    let conversation = async {
        let said = |error: io::Error| error.to_string();
        let addresses = lookup_host((url.host.as_str(), url.port)).await.map_err(said)?;
        let (link, server) = first_to_open(url, addresses).await?;
        let mut conversation = Conversation::new(link, server, username, password)?;
        conversation.hold().await
    };
    match timeout(PATIENCE, conversation).await {
        Ok(outcome) => outcome,
        Err(_) => Err("does not answer".into()),
    }
}

/// A name may have addresses that lead nowhere from here, such as those of IPv6.
async fn first_to_open(
    url: &TurnUrl,
    addresses: impl Iterator<Item = SocketAddr>,
) -> Result<(Link, SocketAddr), String> {
    let mut failure = "has no address".to_owned();
    for server in addresses {
        match Link::open(url, server).await {
            Ok(link) => return Ok((link, server)),
            Err(error) => failure = error.to_string(),
        }
    }
    Err(failure)
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
        let transport_protocol = link.protocol();
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
        let url = |host: &str, port, transport| Ok(TurnUrl { host: host.into(), port, transport });
        let parse = TurnUrl::parse;
        assert_eq!(parse("turn:relay.example"), url("relay.example", 3478, Transport::Udp));
        assert_eq!(
            parse("turn:relay.example:1?transport=tcp"),
            url("relay.example", 1, Transport::Tcp)
        );
        assert_eq!(parse("turn:[::1]:5?transport=udp"), url("::1", 5, Transport::Udp));
        assert_eq!(parse("turn:[::1]"), url("::1", 3478, Transport::Udp));
        assert_eq!(parse("turns:relay.example"), url("relay.example", 5349, Transport::Tls));
        assert_eq!(
            parse("turns:relay.example:443?transport=tcp"),
            url("relay.example", 443, Transport::Tls)
        );
        for bad in [
            "turns:relay.example?transport=udp",
            "stun:relay.example",
            "relay.example",
            "turn:",
            "turn:a:b",
            "turn:a?transport=sctp",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
