//! The connection to NATS. Nothing here waits for it: what cannot leave at once is dropped and
//! counted, as the links between nodes resend what does not arrive.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr, Subscriber, connection::State,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use percent_encoding::percent_decode_str;
use rand::RngExt;
use tokio::sync::mpsc;

use super::envelope::{BusKey, Forged};
use crate::{
    config::Secret,
    core::fleet::{MAX_PACKET_BYTES, NodeId},
};

/// Messages that may wait to be written, and as many again in the client's own queue.
const OUTGOING: usize = 1024;
/// Messages that may wait to be read; NATS drops the next ones.
const INCOMING: usize = 4096;
/// Bytes that a NATS server must take in one message: a packet and its proof.
const MIN_PAYLOAD: usize = MAX_PACKET_BYTES + 1024;
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
    /// The server knows us not.
    #[error("MEOWW_NATS_URL: the NATS server at {0} does not take this user and password")]
    Refused(String),
    /// It would refuse the longest of our messages.
    #[error(
        "the NATS server takes messages of {0} bytes at most, and nodes send longer ones: set \
         max_payload in its configuration to 1MB"
    )]
    SmallPayload(usize),
}

/// What was not carried, since the start.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Could not leave: no connection, or too much waits.
    pub(crate) unsent: AtomicU64,
    /// Came from outside the fleet.
    pub(crate) rejected: AtomicU64,
}

/// One node's way to the others. The tasks behind it end with it.
#[derive(Clone, Debug)]
pub(crate) struct Bus {
    key: BusKey,
    outgoing: mpsc::Sender<(String, Bytes)>,
    pub(crate) lost: Arc<Lost>,
}

impl Bus {
    /// Connects a node. Returns its way to the others and what they send, each message once or not
    /// at all, in no order that counts.
    pub(crate) async fn connect(
        url: &Secret,
        key: BusKey,
        node: NodeId,
    ) -> Result<(Self, mpsc::Receiver<Bytes>), BusError> {
        let servers = servers(url)?;
        let client = client(&servers, node).await?;
        let limit = client.server_info().max_payload;
        if limit < MIN_PAYLOAD {
            return Err(BusError::SmallPayload(limit));
        }
        let mut subscriptions = Vec::new();
        for subject in [key.subject(Some(node)), key.subject(None)] {
            let subscribed = client.subscribe(subject).await;
            subscriptions.push(subscribed.map_err(|error| unreachable(&servers, &error))?);
        }
        let lost = Arc::<Lost>::default();
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let (received, incoming) = mpsc::channel(INCOMING);
        spawn(send(client.clone(), queue, lost.clone()));
        spawn(receive(subscriptions, key.clone(), lost.clone(), received));
        Ok((Self { key, outgoing, lost }, incoming))
    }

    /// Sends to a node, or to all but this one, if that is possible at once.
    pub(crate) fn send(&self, to: Option<NodeId>, body: &[u8]) {
        if self.outgoing.try_send((self.key.subject(to), self.key.seal(body))).is_err() {
            self.lost.unsent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "ends with the bus")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Runs until the bus is gone.
async fn send(client: Client, mut queue: mpsc::Receiver<(String, Bytes)>, lost: Arc<Lost>) {
    while let Some((subject, message)) = queue.recv().await {
        // Later it would be old: its link has sent it again by then.
        let is_sent = client.connection_state() == State::Connected
            && client.publish(subject, message).await.is_ok();
        if !is_sent {
            lost.unsent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Runs until nobody reads what comes.
async fn receive(
    subscriptions: Vec<Subscriber>,
    key: BusKey,
    lost: Arc<Lost>,
    received: mpsc::Sender<Bytes>,
) {
    let mut messages = stream::select_all(subscriptions);
    loop {
        let message = tokio::select! {
            message = messages.next() => message,
            () = received.closed() => return,
        };
        let Some(message) = message else { return };
        match key.open(&message.payload) {
            Ok(body) => {
                if received.send(body).await.is_err() {
                    return;
                }
            }
            // The first is logged: one with another secret may send many.
            Err(Forged) => {
                if lost.rejected.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(
                        "message on the bus is of no node of this fleet; more are counted"
                    );
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

async fn client(servers: &[ServerAddr], node: NodeId) -> Result<Client, BusError> {
    let mut options = ConnectOptions::new();
    // Of a cluster, which knows the same users everywhere.
    if let Some((user, password)) = servers.iter().find_map(credentials) {
        options = options.user_and_password(user, password);
    }
    let options = options
        .name(format!("meoww-server {}", node.get()))
        .no_echo()
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .client_capacity(OUTGOING)
        .subscription_capacity(INCOMING)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(|event| async move { log(&event) });
    options.connect(servers).await.map_err(|error| match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            BusError::Refused(named(servers))
        }
        _ => unreachable(servers, &error),
    })
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

fn log(event: &Event) {
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
