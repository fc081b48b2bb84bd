//! Where a request comes from: the address it is counted by, and what sent it.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Once},
};

use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts},
    http::{HeaderMap, header::USER_AGENT, request::Parts},
};
use ipnet::IpNet;

use super::error::Refusal;
use crate::{core::session::ClientName, services::Services};

/// De-facto standard; RFC 7239 is what few proxies write.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of who asks: our peer's, or what a trusted proxy says of its own peer.
pub(crate) struct Client(pub(crate) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Client
where
    Arc<Services>: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let services = Arc::<Services>::from_ref(state);
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, state).await;
        let ConnectInfo(peer) = peer.map_err(|_| Refusal::Internal)?;
        Ok(Self(client_of(peer.ip(), &parts.headers, &services.config.trusted_proxies)))
    }
}

/// Each proxy appends its own peer, so the hops are believed from the right for as long as a
/// trusted proxy wrote them; what stands before the first stranger is the stranger's own words.
pub(crate) fn client_of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let mut client = peer;
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        let Ok(value) = value.to_str() else { return unreadable(peer) };
        // Empty members of a list count for nothing (RFC 9110, 5.6.1).
        for hop in value.rsplit(',').map(str::trim).filter(|hop| !hop.is_empty()) {
            let Some(hop) = address(hop) else { return unreadable(peer) };
            client = hop.to_canonical();
            if !is_trusted(&client) {
                return client;
            }
        }
    }
    client
}

/// Some proxies write the port, too, and then an IPv6 address in brackets (RFC 3986, 3.2.2).
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    bare.parse().or_else(|_| hop.parse().map(|address: SocketAddr| address.ip())).ok()
}

/// Counts the request as the proxy's and warns the operator once.
fn unreadable(peer: IpAddr) -> IpAddr {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!(proxy = %peer, "cannot read X-Forwarded-For; clients count as the proxy");
    });
    peer
}

/// What a client calls itself.
pub(crate) struct Agent(pub(crate) ClientName);

impl<S: Send + Sync> FromRequestParts<S> for Agent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let agent = parts.headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
        Ok(Self(ClientName::sanitised(&String::from_utf8_lossy(agent))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const PROXY: &str = "10.0.0.1";

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(FORWARDED_FOR, value);
        }
        client_of(peer.parse().expect("an address"), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(seen("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(seen("::ffff:192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_names_the_client() {
        assert_eq!(seen(PROXY, &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen("::ffff:10.0.0.1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(seen(PROXY, &["198.51.100.7, 10.0.0.2", "fd00::3"]), "198.51.100.7");
        assert_eq!(seen(PROXY, &[]), PROXY);
        assert_eq!(seen(PROXY, &["10.0.0.9,10.0.0.2"]), "10.0.0.9", "a client of our own");
    }

    #[test]
    fn ports_brackets_and_empty_members_are_read() {
        for (forwarded, client) in [
            ("198.51.100.1:40001", "198.51.100.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("198.51.100.7,", "198.51.100.7"),
            ("198.51.100.7, , 10.0.0.2:8080 ,", "198.51.100.7"),
        ] {
            assert_eq!(seen(PROXY, &[forwarded]), client, "{forwarded}");
        }
    }

    #[test]
    fn what_the_client_forged_before_the_proxy_is_not_looked_at() {
        assert_eq!(seen(PROXY, &["203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen(PROXY, &["10.0.0.5", "203.0.113.9", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen(PROXY, &["nonsense, 198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn what_cannot_be_read_counts_as_the_proxy() {
        for forwarded in
            ["", ",", "nonsense", "unknown, 10.0.0.2", "\u{e9}", "1.2.3", "[::1", "::1]:4"]
        {
            assert_eq!(seen(PROXY, &[forwarded]), PROXY, "{forwarded}");
        }
    }
}
