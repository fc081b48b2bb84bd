//! The connection to NATS. Nothing here waits for it: what cannot leave at once is dropped and
//! counted, as the links between nodes resend what does not arrive.

use std::time::Duration;

use async_nats::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerAddr, Subscriber,
    connection::State,
};
use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    stream::{self, SelectAll},
};
use percent_encoding::percent_decode_str;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use rand::RngExt;
use tokio::task::coop::unconstrained;

use super::{
    envelope::{BusKey, Forged},
    gathered::MAX_BODY_BYTES,
};
use crate::{config::Secret, core::fleet::NodeId, metrics::BusMetrics};

/// Messages that may wait to be written.
const OUTGOING: usize = 2048;
/// Messages that may wait to be read; NATS drops the next ones.
const INCOMING: usize = 4096;
/// Bytes that a NATS server must take in one message: packets and their proof.
const MIN_PAYLOAD: usize = MAX_BODY_BYTES + 1024;
/// How long a server may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the connection is tried; two answers missing end it.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait before the next server is tried.
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Why a node could not join its fleet.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The setting names no servers.
    #[error("MEOWW_NATS_URL: {0}; it is like nats://USER:PASSWORD@HOST:4222, several with commas")]
    Url(String),
    /// Nothing answers there, or not as a NATS server does.
    #[error("MEOWW_NATS_URL: cannot use a NATS server at {servers}: {reason}")]
    Unreachable {
        /// Without passwords.
        servers: String,
        /// By the system or the library.
        reason: String,
    },
    /// It has no TLS, or a certificate that is not trusted here.
    #[error(
        "no TLS with the NATS server at {servers} ({reason}): set it up there, with a certificate for the \
         host in MEOWW_NATS_URL by an authority that this machine trusts, or that is in the file that \
         SSL_CERT_FILE names; a URL with nats:// goes without TLS"
    )]
    Tls {
        /// Without passwords.
        servers: String,
        /// By the library.
        reason: String,
    },
    /// The server refuses our user or password.
    #[error("MEOWW_NATS_URL: the NATS server at {0} does not take this user and password")]
    Refused(String),
    /// It would refuse the longest of our messages.
    #[error(
        "the NATS server takes messages of {0} bytes at most, and nodes send longer ones: set \
         max_payload in its configuration to 1MB"
    )]
    SmallPayload(usize),
}

/// One node's way to the others. It calls the client of NATS without a task between: to wake one more
/// thread for each relay costs more than all that is done to it here.
#[derive(Clone, Debug)]
pub(crate) struct Bus {
    key: BusKey,
    client: Client,
    pub(crate) metrics: BusMetrics,
}

impl Bus {
    /// Connects a node. Returns its way to the others and what they send, each message once or not
    /// at all, in no order that counts.
    pub(crate) async fn connect(
        url: &Secret,
        key: BusKey,
        node: NodeId,
    ) -> Result<(Self, Incoming), BusError> {
        let servers = servers(url)?;
        let metrics = BusMetrics::default();
        let name = format!("meoww-server {}", node.get());
        let client = client(&servers, name, metrics.connected.clone()).await?;
        let mut subscriptions = Vec::new();
        for subject in [key.subject(Some(node)), key.subject(None)] {
            let subscribed = client.subscribe(subject).await;
            subscriptions.push(subscribed.map_err(|error| unreachable(&servers, &error))?);
        }
        let (key_of_others, rejected) = (key.clone(), metrics.rejected.clone());
        let subscriptions = stream::select_all(subscriptions);
        let incoming = Incoming { subscriptions, key: key_of_others, rejected };
        Ok((Self { key, client, metrics }, incoming))
    }

    /// Tries whether a node could be connected.
    pub(crate) async fn try_out(url: &Secret) -> Result<(), BusError> {
        let name = "meoww-server config check".into();
        client(&servers(url)?, name, Gauge::default()).await.map(drop)
    }

    /// Sends to a node, or to all but this one, if that is possible at once. Later it would be old: its
    /// link has sent it again by then.
    pub(crate) fn send(&self, to: Option<NodeId>, body: &[u8]) {
        let publish = self.client.publish(self.key.subject(to), self.key.seal(body));
        let is_sent = self.client.connection_state() == State::Connected
            // Only a full queue makes it wait, and no turn of the scheduler.
            && matches!(unconstrained(publish).now_or_never(), Some(Ok(())));
        if !is_sent {
            self.metrics.unsent.inc();
        }
    }
}

/// Messages of other nodes to this one; its subscriptions end with it.
#[derive(Debug)]
pub(crate) struct Incoming {
    subscriptions: SelectAll<Subscriber>,
    key: BusKey,
    rejected: Counter,
}

impl Incoming {
    /// Returns the next that is of this fleet; `None` once the client has ended. Cancel safe.
    pub(crate) async fn recv(&mut self) -> Option<Bytes> {
        loop {
            let message = self.subscriptions.next().await?;
            match self.key.open(&message.payload) {
                Ok(body) => return Some(body),
                // The first is logged: one with another secret may send many.
                Err(Forged) => {
                    if self.rejected.inc() == 0 {
                        tracing::warn!(
                            "message on the bus is of no node of this fleet; more are counted"
                        );
                    }
                }
            }
        }
    }
}

fn servers(url: &Secret) -> Result<Vec<ServerAddr>, BusError> {
    let urls = url.expose().split(',').map(str::trim).filter(|url| !url.is_empty());
    // The error of the library may quote the password.
    let parsed: Result<Vec<ServerAddr>, _> = urls.map(str::parse).collect();
    match parsed {
        Ok(servers) if servers.is_empty() => Err(BusError::Url("it is empty".into())),
        Ok(servers) => Ok(servers),
        Err(_) => Err(BusError::Url("it is no URL of a NATS server".into())),
    }
}

/// Names servers without their passwords.
fn named(servers: &[ServerAddr]) -> String {
    let names: Vec<_> =
        servers.iter().map(|server| format!("{}:{}", server.host(), server.port())).collect();
    names.join(", ")
}

fn unreachable(servers: &[ServerAddr], error: &dyn std::fmt::Display) -> BusError {
    BusError::Unreachable { servers: named(servers), reason: error.to_string() }
}

async fn client(
    servers: &[ServerAddr],
    name: String,
    connected: Gauge,
) -> Result<Client, BusError> {
    let mut options = ConnectOptions::new();
    // Of a cluster, which knows the same users everywhere.
    if let Some((user, password)) = servers.iter().find_map(credentials) {
        options = options.user_and_password(user, password);
    }
    let servers: Vec<_> = servers.iter().cloned().map(without_credentials).collect();
    let options = options
        .name(name)
        .no_echo()
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .client_capacity(OUTGOING)
        .subscription_capacity(INCOMING)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback({
            let connected = connected.clone();
            move |event| {
                let connected = connected.clone();
                async move { note(&event, &connected) }
            }
        });
    let client = options.connect(&servers).await.map_err(|error| match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            BusError::Refused(named(&servers))
        }
        _ if is_of_tls(&error) => {
            BusError::Tls { servers: named(&servers), reason: error.to_string() }
        }
        _ => unreachable(&servers, &error),
    })?;
    match client.server_info().max_payload {
        limit if limit < MIN_PAYLOAD => Err(BusError::SmallPayload(limit)),
        _ => {
            connected.set(1);
            Ok(client)
        }
    }
}

/// Whether TLS failed, which the library reports as a fault of the connection.
fn is_of_tls(error: &ConnectError) -> bool {
    let cause = std::error::Error::source(error);
    let inner = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()?.get_ref());
    error.kind() == ConnectErrorKind::Tls || inner.is_some_and(|inner| inner.is::<rustls::Error>())
}

/// Returns the address alone: the library logs the URL of each server it tries, as it is.
fn without_credentials(server: ServerAddr) -> ServerAddr {
    let mut url = server.clone().into_inner();
    // Neither can fail for a URL with a host, which this is.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    ServerAddr::from_url(url).unwrap_or(server)
}

/// Returns the user and the password in the URL of a server.
fn credentials(server: &ServerAddr) -> Option<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = server.username().map(decoded)?;
    Some((user, server.password().map(decoded).unwrap_or_default()))
}

/// The first attempt is at once: with another server of a cluster, a lost one is not felt.
fn reconnect_delay(attempts: usize) -> Duration {
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
    let longest = (Duration::from_millis(20) * attempts.saturating_sub(1)).min(MAX_RECONNECT_DELAY);
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}

fn note(event: &Event, connected: &Gauge) {
    match event {
        Event::Connected => drop(connected.set(1)),
        Event::Disconnected | Event::Closed => drop(connected.set(0)),
        _ => {}
    }
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::SlowConsumer(_) => tracing::warn!("NATS dropped messages: this node is too slow"),
        Event::Draining | Event::Closed => tracing::debug!(%event, "NATS"),
        Event::Disconnected
        | Event::LameDuckMode
        | Event::ServerError(_)
        | Event::ClientError(_) => {
            tracing::warn!(%event, "NATS");
        }
    }
}

#[cfg(test)]
mod tests;
