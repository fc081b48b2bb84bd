//! One stream to a relay, from one socket.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, split},
    net::TcpStream,
    sync::mpsc,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::{Arrived, StreamRelay, frames};

/// A call over UDP stands by then, where UDP passes.
const SECOND_AFTER: Duration = Duration::from_millis(1_500);
/// TCP and TLS together.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Carries packets to a relay and from it, until either end is gone.
pub(super) async fn run(
    relay: StreamRelay,
    at: SocketAddr,
    is_needed: impl Fn() -> bool + Send,
    mut outgoing: mpsc::Receiver<Vec<u8>>,
    arrived: mpsc::Sender<Arrived>,
) {
    if relay.is_second {
        sleep(SECOND_AFTER).await;
        if !is_needed() {
            return;
        }
    }
    let stream = match timeout(CONNECT_WITHIN, connect(&relay)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(kind = %error.kind(), "no stream to the relay"),
        Err(_) => return tracing::debug!("no stream to the relay within its time"),
    };
    let (mut reader, mut writer) = split(stream);
    let write = async {
        while let Some(packet) = outgoing.recv().await {
            writer.write_all(&frames::written(&packet)).await?;
            writer.flush().await?;
        }
        io::Result::Ok(())
    };
    let read = async {
        loop {
            // Lost where the connection does not keep up, as in a full buffer of a socket.
            let _ = arrived.try_send((at, frames::read(&mut reader).await?));
        }
    };
    let ended: io::Result<()> = tokio::select! {
        ended = write => ended,
        ended = read => ended,
    };
    tracing::debug!(error = ?ended.err().map(|error| error.kind()), "stream to the relay ended");
}

async fn connect(relay: &StreamRelay) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect((relay.host.as_str(), relay.port)).await?;
    stream.set_nodelay(true)?;
    if !relay.tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(relay.host.clone()).map_err(io::Error::other)?;
    let config = spawn_blocking(tls).await?.map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
}

/// Trusts what this machine trusts. Reads files.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
