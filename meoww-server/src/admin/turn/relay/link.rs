//! How messages get to a TURN server and back: one a datagram, or one after another in a stream
//! (RFC 8489, 6.2), which may be TLS.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::BytesMut;
use rtc_shared::TransportProtocol;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Transport, TurnUrl};
use crate::tls;

/// Of a STUN message; what follows has the length it says.
const HEADER: usize = 20;

/// An open one.
pub(super) enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Link {
    /// To one of the addresses the place has.
    pub(super) async fn open(url: &TurnUrl, server: SocketAddr) -> io::Result<Self> {
        match url.transport {
            Transport::Tcp => TcpStream::connect(server).await.map(Self::Tcp),
            Transport::Tls => {
                let name = ServerName::try_from(url.host.clone()).map_err(io::Error::other)?;
                let connector = TlsConnector::from(Arc::new(trusting()?));
                let stream = TcpStream::connect(server).await?;
                Ok(Self::Tls(Box::new(connector.connect(name, stream).await?)))
            }
            Transport::Udp => {
                let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any).await?;
                socket.connect(server).await?;
                Ok(Self::Udp(socket))
            }
        }
    }

    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(stream) => stream.local_addr(),
            Self::Tls(stream) => stream.get_ref().0.local_addr(),
        }
    }

    /// What the protocol over it has to know.
    pub(super) fn protocol(&self) -> TransportProtocol {
        match self {
            Self::Udp(_) => TransportProtocol::UDP,
            Self::Tcp(_) | Self::Tls(_) => TransportProtocol::TCP,
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(bytes).await.map(drop),
            Self::Tcp(stream) => write_whole(stream, bytes).await,
            Self::Tls(stream) => write_whole(stream, bytes).await,
        }
    }

    /// One message; what has arrived of it is in `half` when this is dropped.
    pub(super) async fn receive(&mut self, half: &mut BytesMut) -> io::Result<BytesMut> {
        match self {
            Self::Udp(socket) => {
                let mut datagram = BytesMut::zeroed(usize::from(u16::MAX));
                let length = socket.recv(&mut datagram).await?;
                datagram.truncate(length);
                Ok(datagram)
            }
            Self::Tcp(stream) => read_whole(stream, half).await,
            Self::Tls(stream) => read_whole(stream, half).await,
        }
    }
}

async fn write_whole(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    // TLS may hold on to what the socket did not take at once.
    stream.flush().await
}

async fn read_whole(
    stream: &mut (impl AsyncRead + Unpin),
    half: &mut BytesMut,
) -> io::Result<BytesMut> {
    loop {
        if let [_, _, high, low, ..] = half[..] {
            let whole = HEADER + usize::from(u16::from_be_bytes([high, low]));
            if half.len() >= whole {
                return Ok(half.split_to(whole));
            }
        }
        if stream.read_buf(half).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Trusts in the certificates this machine trusts in, as browsers on it do.
fn trusting() -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(io::Error::other("this machine trusts in no certificates (ca-certificates)"));
    }
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
