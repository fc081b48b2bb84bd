//! The sockets of a connection, which keep to the bounds on [checks](super::checks).

use std::{
    fmt::Debug,
    future::Future,
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

use super::checks::{Checks, is_stun};
use crate::clock;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Tokio, with sockets of one connection.
#[derive(Debug)]
pub(super) struct GuardedRuntime {
    tokio: TokioRuntime,
    checks: Arc<Mutex<Checks>>,
    path: PathInUse,
}

/// The address of this side that media goes out from.
#[derive(Debug, Clone, Default)]
pub(super) struct PathInUse(Arc<Mutex<Option<IpAddr>>>);

impl PathInUse {
    /// `None` before there is one.
    pub(super) fn local(&self) -> Option<IpAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, local: IpAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(local);
    }
}

impl GuardedRuntime {
    pub(super) fn new() -> Self {
        let checks = Arc::new(Mutex::new(Checks::new()));
        Self { tokio: TokioRuntime, checks, path: PathInUse::default() }
    }

    pub(super) fn path(&self) -> PathInUse {
        self.path.clone()
    }
}

impl Runtime for GuardedRuntime {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let local = socket.local_addr()?;
        let socket = self.tokio.wrap_udp_socket(socket)?;
        let (checks, path) = (self.checks.clone(), self.path.clone());
        Ok(Arc::new(GuardedSocket { socket, local, checks, path }))
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

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        self.tokio.resolve_host(host)
    }

    fn now(&self) -> Instant {
        self.tokio.now()
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        self.tokio.sleep(duration)
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
    checks: Arc<Mutex<Checks>>,
    path: PathInUse,
}

impl GuardedSocket {
    fn checks(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncUdpSocket for GuardedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// A check too many is lost, as on the network.
    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let pair = (self.local, transmit.destination);
        if !is_stun(transmit.contents) {
            self.path.set(self.local.ip());
        }
        if self.checks().may_send(clock::now(), pair, transmit.contents) {
            self.socket.poll_send(cx, transmit)
        } else {
            Poll::Ready(Ok(transmit.contents.len()))
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.socket.poll_recv(cx, buffers, meta);
        if let Poll::Ready(Ok(count)) = received {
            let mut checks = self.checks();
            for (buffer, meta) in buffers.iter().zip(meta.iter()).take(count) {
                let packets = &buffer[..meta.len.min(buffer.len())];
                for packet in packets.chunks(meta.stride.max(1)) {
                    checks.received((self.local, meta.addr), packet);
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
