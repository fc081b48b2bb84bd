//! The way to the server through a proxy that the environment names (`http_proxy`, `https_proxy`,
//! `ALL_PROXY`, `NO_PROXY`), for the socket. HTTP requests take the same way by themselves: reqwest
//! reads the variables by the same [`Matcher`].

use std::{error::Error as StdError, fmt};

use hyper_util::{
    client::{
        legacy::connect::{
            HttpConnector,
            proxy::{SocksV4, SocksV5, Tunnel},
        },
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use reqwest::Url;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::http::Uri;
use tower_service::Service;

use crate::error::deepest;

pub(crate) const NO_PASSWORD: &str =
    "it asks for a user name and password, as in http://USER:PASSWORD@HOST:PORT";

/// A proxy between this machine and the server.
pub(crate) struct Proxy(Intercept);

impl Proxy {
    /// The proxy on the way to an `http` or `https` address; `None` where the way is direct.
    pub(crate) fn towards(address: &Url) -> Option<Self> {
        let destination: Uri = address.as_str().parse().ok()?;
        Matcher::from_env().intercept(&destination).map(Self)
    }

    /// Opens a connection to host and port of `address` by CONNECT (RFC 9110, 9.3.6) or SOCKS.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(crate) async fn connect(&self, address: &Url) -> Result<TcpStream, String> {
        let (Some(host), Some(port)) = (address.host_str(), address.port_or_known_default()) else {
            return Err("the address has no host".to_owned());
        };
        let destination: Uri = format!("{}://{host}:{port}", address.scheme())
            .parse()
            .map_err(|_| "the address has no host".to_owned())?;
        let proxy = with_port(self.0.uri())?;
        let mut direct = HttpConnector::new();
        direct.set_nodelay(true);
        let connected = match proxy.scheme_str() {
            Some("http") => {
                let tunnel = Tunnel::new(proxy, direct);
                let tunnel = match self.0.basic_auth() {
                    Some(auth) => tunnel.with_auth(auth.clone()),
                    None => tunnel,
                };
                through(tunnel, destination).await
            }
            Some(scheme @ ("socks5" | "socks5h")) => {
                direct.enforce_http(false);
                let socks = SocksV5::new(proxy.clone(), direct).local_dns(scheme == "socks5");
                let socks = match self.0.raw_auth() {
                    Some((user, password)) => socks.with_auth(user.to_owned(), password.to_owned()),
                    None => socks,
                };
                through(socks, destination).await
            }
            Some(scheme @ ("socks4" | "socks4a")) => {
                direct.enforce_http(false);
                let socks = SocksV4::new(proxy.clone(), direct).local_dns(scheme == "socks4");
                through(socks, destination).await
            }
            _ => return Err("calls need a proxy of http://, socks5:// or socks4://".to_owned()),
        };
        connected.map(TokioIo::into_inner)
    }
}

/// Why a proxy does not lead to the server, from what hyper-util and reqwest say of it.
pub(crate) fn reason(error: &(dyn StdError + 'static)) -> String {
    let said = deepest(error);
    let known = [
        ("authorization required", NO_PASSWORD),
        ("tunnel error: unsuccessful", "it refuses to lead there; is its password right?"),
        ("failed to create underlying connection", "nothing answers there"),
    ];
    let words = known.into_iter().find(|(words, _)| said.contains(words));
    words.map_or(said, |(_, reason)| reason.to_owned())
}

/// SOCKS has a port of its own where none is given (RFC 1928).
fn with_port(proxy: &Uri) -> Result<Uri, String> {
    match (proxy.scheme_str(), proxy.host(), proxy.port()) {
        (Some(scheme), Some(host), None) if scheme.starts_with("socks") => {
            let socks = format!("{scheme}://{host}:1080").parse();
            socks.map_err(|_| "its address is none".to_owned())
        }
        _ => Ok(proxy.clone()),
    }
}

async fn through<S>(mut proxy: S, destination: Uri) -> Result<TokioIo<TcpStream>, String>
where
    S: Service<Uri, Response = TokioIo<TcpStream>>,
    S::Error: StdError + 'static,
{
    proxy.call(destination).await.map_err(|error| reason(&error))
}

/// Without user name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.uri().to_string().trim_end_matches('/'))
    }
}
