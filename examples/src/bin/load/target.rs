//! Where the server is, and how its socket is asked for.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, ensure};
use meoww_cli::config::ServerUrl;
use reqwest::Url;

use crate::tokens::Cookie;

pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    host: String,
    path: String,
}

impl Target {
    pub(crate) fn of(server: &ServerUrl) -> anyhow::Result<Self> {
        let url = Url::parse(&server.socket())?;
        ensure!(url.scheme() == "ws", "{server}: only http:// is measured, without TLS");
        let (host, port) = (url.host_str(), url.port_or_known_default());
        let (host, port) = host.zip(port).with_context(|| format!("{server} names no host"))?;
        // An IPv6 address stands in brackets in a URL, and nowhere else.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses = (bare, port).to_socket_addrs().context("cannot find the server")?;
        let address = addresses.next().context("the server has no address")?;
        Ok(Self { address, host: format!("{host}:{port}"), path: url.path().to_owned() })
    }

    /// The request of an upgrade (RFC 6455). What the key is for, to know a cache from a server,
    /// needs no fresh one.
    pub(crate) fn upgrade(&self, cookie: &Cookie) -> Vec<u8> {
        let Self { host, path, .. } = self;
        let cookie = cookie.as_str();
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bWVvd3cgbWVvd3cgbWVvdw==\r\n\
             Cookie: {cookie}\r\n\r\n"
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_and_tls_is_not_spoken() {
        let of = |url: &str| Target::of(&url.parse().expect("a URL"));
        let target = of("http://[::1]:7000/chat/").expect("a target");
        assert_eq!((target.address.port(), target.path.as_str()), (7000, "/chat/ws"));
        assert!(target.address.is_ipv6());
        assert!(of("https://127.0.0.1").is_err());
    }
}
