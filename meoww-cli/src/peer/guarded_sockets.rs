//! The sockets of a connection, which keep to the bounds on [checks](super::checks), and as long as media
//! is to be relayed send to servers alone, whatever the library has in mind.

mod rounds;
mod senders;

use std::{
    collections::HashSet,
    fmt::Debug,
    future::Future,
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

use self::{rounds::Rounds, senders::Senders};
use super::{
    checks::{Checks, Verdict, is_stun},
    stream_relays::StreamRelays,
};
use crate::clock;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Tokio, with sockets of one connection.
#[derive(Debug)]
pub(super) struct GuardedRuntime {
    tokio: TokioRuntime,
    guard: Guard,
    relays: StreamRelays,
    senders: OnceLock<Senders>,
    rounds: Rounds,
}

/// Through a relay, packets go more often than that.
const RELAYS_WITHIN: Duration = Duration::from_secs(2);

impl GuardedRuntime {
    pub(super) fn new(guard: Guard, relays: StreamRelays) -> Self {
        Self {
            tokio: TokioRuntime,
            guard,
            relays,
            senders: OnceLock::new(),
            rounds: Rounds::default(),
        }
    }
}

/// The rules that all sockets of a connection keep.
#[derive(Debug, Clone)]
pub(super) struct Guard(Arc<Mutex<Rules>>);

#[derive(Debug)]
struct Rules {
    checks: Checks,
    /// Addresses of the STUN and TURN servers.
    servers: HashSet<SocketAddr>,
    /// Whether nothing else is sent anything: not a check, not a name of the local network.
    servers_only: bool,
    /// The address of this side that media goes out from.
    in_use: Option<IpAddr>,
    /// When the last packet went to a server.
    served: Option<Instant>,
}

impl Guard {
    pub(super) fn new(servers_only: bool) -> Self {
        let (checks, servers) = (Checks::default(), HashSet::new());
        Self(Arc::new(Mutex::new(Rules {
            checks,
            servers,
            servers_only,
            in_use: None,
            served: None,
        })))
    }

    /// The address of this side that media goes out from; `None` before there is one.
    pub(super) fn in_use(&self) -> Option<IpAddr> {
        self.rules().in_use
    }

    /// Others than servers may be sent to.
    pub(super) fn allow_direct(&self) {
        self.rules().servers_only = false;
    }

    /// ICE begins anew.
    pub(super) fn restarted(&self, now: Instant) {
        let mut rules = self.rules();
        let is_direct_first = !rules.servers_only;
        rules.checks.restarted(now, is_direct_first);
    }

    /// Whether packets go through a relay.
    fn is_relaying(&self) -> bool {
        self.rules().served.is_some_and(|last| clock::now() - last < RELAYS_WITHIN)
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_send(&self, local: SocketAddr, remote: SocketAddr, packet: &[u8]) -> Verdict {
        let (mut rules, now) = (self.rules(), clock::now());
        let is_server = rules.servers.contains(&remote);
        if rules.servers_only && !is_server {
            return Verdict::Never;
        }
        if is_server {
            rules.served = Some(now);
        }
        if !is_stun(packet) {
            rules.in_use = Some(local.ip());
        }
        rules.checks.may_send(now, (local, remote), packet)
    }
}

impl Runtime for GuardedRuntime {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let local = socket.local_addr()?;
        let socket = self.relays.reached_by(self.tokio.wrap_udp_socket(socket)?, &self.guard);
        let senders = self.senders.get_or_init(|| Senders::spawn(&self.tokio));
        let (guard, senders) = (self.guard.clone(), senders.clone());
        Ok(Arc::new(GuardedSocket { socket, local, guard, senders }))
    }

    fn wrap_tcp_listener(
        &self,
        listener: std::net::TcpListener,
    ) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.tokio.connect_tcp(remote)
    }

    /// Only servers are looked up: a partner's names are left to multicast DNS.
    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let found = match self.relays.resolve(host) {
                Some(stand_ins) => stand_ins,
                None => self.tokio.resolve_host(host).await?,
            };
            self.guard.rules().servers.extend(&found);
            Ok(found)
        })
    }

    fn now(&self) -> Instant {
        self.tokio.now()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        let sleep = self.tokio.sleep(duration);
        if self.guard.is_relaying() { Box::pin(self.rounds.sleep(sleep)) } else { sleep }
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        self.tokio.name()
    }
}

#[derive(Debug)]
struct GuardedSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    local: SocketAddr,
    guard: Guard,
    senders: Senders,
}

impl AsyncUdpSocket for GuardedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// A packet that may not be sent is lost, as on the network.
    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        // Packets of one size come together. Those that are not media are looked at one by one.
        let size = transmit.segment_size.filter(|_| is_stun(transmit.contents));
        for packet in transmit.contents.chunks(size.unwrap_or(usize::MAX)) {
            match self.guard.may_send(self.local, transmit.destination, packet) {
                Verdict::Now if size.is_none() => {
                    let sent = self.socket.poll_send(cx, transmit);
                    if matches!(sent, Poll::Ready(Ok(_))) {
                        self.senders.sent(&self.socket, transmit);
                    }
                    return sent;
                }
                Verdict::Now | Verdict::Paced => {
                    self.senders.send_paced(&self.socket, transmit.destination, packet);
                }
                Verdict::Never => {}
            }
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.socket.poll_recv(cx, buffers, meta);
        if let Poll::Ready(Ok(count)) = received {
            let checks = &mut self.guard.rules().checks;
            for (buffer, meta) in buffers.iter().zip(meta.iter()).take(count) {
                let packets = &buffer[..meta.len.min(buffer.len())];
                for packet in packets.chunks(meta.stride.max(1)) {
                    checks.received((self.local, meta.addr), packet);
                    self.senders.received(packet);
                }
            }
        }
        received
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_gro_segments()
    }
}
