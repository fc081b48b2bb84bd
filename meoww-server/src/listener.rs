//! TCP to HTTP/1.1, with or without TLS. axum's own accept loop has no bounds, and a client that
//! never ends its headers, or its handshake, must not hold a connection for good.

mod limiter;
mod stream;

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tower::ServiceExt;

pub(crate) use self::limiter::Bounds;
use self::{
    limiter::{ConnectionLimiter, ConnectionPermit},
    stream::{Io, Stream},
};

/// Longest a client may take over its headers, or stay idle between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest a client may take over its TLS handshake, waiting for its turn included.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// TLS handshakes at once: each may make us sign.
const MAX_HANDSHAKES: usize = 1024;
/// What the system may hold for a client that does not read. Left alone it takes in megabytes for
/// each, and its memory is everybody's.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes of a request that are read ahead, headers included. hyper's own 400 KB, which it keeps for
/// the next request, are too much for each of many thousand clients that send large bodies.
const READ_BUFFER_BYTES: usize = 32 * 1024;
/// Pause after the system could not give us a connection (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What is served to whom.
pub(crate) struct Service {
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) bounds: Bounds,
}

/// [`run`] in a task of its own. What `main` itself awaits has its own thread, which would be woken
/// for every connection only to wake another one.
#[expect(clippy::disallowed_methods, reason = "it ends with its handle")]
pub(crate) fn start(
    listener: TcpListener,
    service: Service,
    closing: CancellationToken,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(run(listener, service, closing)))
}

/// Accepts until `closing`, then returns when requests under way have finished.
pub(crate) async fn run(listener: TcpListener, service: Service, closing: CancellationToken) {
    let Service { router, tls, bounds } = service;
    let limiter = ConnectionLimiter::new(bounds);
    let front = Arc::new(Front { router, tls, handshakes: Semaphore::new(MAX_HANDSHAKES) });
    // Inherited by what is accepted.
    if let Err(error) = SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER_BYTES) {
        tracing::warn!(%error, "send buffers keep the system's size");
    }
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = closing.cancelled() => break,
            accepted = accept(&listener, &limiter) => accepted,
        };
        match accepted {
            Ok((stream, peer, Some(permit))) => {
                let connection = front.clone().serve(stream, peer, permit, closing.clone());
                spawn(connections.track_future(connection));
            }
            Ok((_, peer, None)) => {
                tracing::debug!(%peer, "listener refused a connection over the bound of its address");
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Accepts once there is room for one more; without a place if its address has its share already.
async fn accept(
    listener: &TcpListener,
    limiter: &Arc<ConnectionLimiter>,
) -> io::Result<(TcpStream, SocketAddr, Option<ConnectionPermit>)> {
    let permit = limiter.permit().await;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, limiter.take(peer.ip(), permit)))
}

#[expect(clippy::disallowed_methods, reason = "a task a connection; `run` waits for them all")]
fn spawn(connection: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(connection);
}

/// What every connection shares.
struct Front {
    router: Router,
    tls: Option<TlsAcceptor>,
    handshakes: Semaphore,
}

impl Front {
    async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        permit: ConnectionPermit,
        closing: CancellationToken,
    ) {
        // Signalling is small and urgent; Nagle's algorithm would hold it back.
        let _ = stream.set_nodelay(true);
        let io = match self.shake_hands(stream).await {
            Ok(io) => io,
            Err(error) => {
                tracing::debug!(%error, %peer, "TLS handshake failed");
                return;
            }
        };
        speak_http(Stream::new(io, permit), peer, self.router.clone(), closing).await;
    }

    async fn shake_hands(&self, stream: TcpStream) -> io::Result<Io> {
        let Some(tls) = &self.tls else { return Ok(Io::Plain(stream)) };
        let handshake = async {
            let _turn = self.handshakes.acquire().await.map_err(io::Error::other)?;
            tls.accept(stream).await
        };
        let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await;
        Ok(Io::Tls(Box::new(stream.map_err(|_| io::ErrorKind::TimedOut)??)))
    }
}

/// Answers a client until it goes or, once it is `closing`, what it has asked.
pub(crate) async fn speak_http(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    closing: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|e| match e {})) }
    });
    // Not hyper-util's `auto`: for connections with upgrades it waits without a bound for the
    // first bytes to tell the version, and speaks HTTP/2 even when told not to.
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(READ_BUFFER_BYTES);
    let mut connection = pin!(http.serve_connection(TokioIo::new(io), service).with_upgrades());
    let outcome = tokio::select! {
        outcome = &mut connection => outcome,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection ended");
    }
}

#[cfg(test)]
mod tests;
