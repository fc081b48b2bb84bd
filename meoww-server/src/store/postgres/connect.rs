//! Connects to the host that takes writes. Each attempt is bounded as a whole, as a database that hangs
//! still accepts connections: its kernel does. And it does not hide the hosts after it, which are tried
//! beside it once it has not answered for a moment.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use deadpool_postgres::Connect;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{net::lookup_host, sync::Notify, task::JoinHandle, time::timeout};
use tokio_postgres::{
    Client, Config, Connection, Error, Socket, config::Host, tls::MakeTlsConnect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long one attempt may take, from the first packet to the answer whether the host takes writes,
/// unless the URL sets `connect_timeout`.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an attempt goes on before the next host is tried beside it (RFC 8305, section 5, has 250 ms
/// for packets alone).
const HEAD_START: Duration = Duration::from_millis(500);

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
/// Which host of the URL, and at which address.
type Place = (usize, Option<IpAddr>);
type Connected = (Place, Client, Connection<Socket, TlsStream>);
type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

/// Makes the connections of a pool.
pub(super) struct Hosts {
    tls: MakeRustlsConnect,
    /// Where the last connection was made.
    last: Mutex<Option<Place>>,
    /// Told when one is made elsewhere.
    moved: Arc<Notify>,
}

impl Connect for Hosts {
    fn connect(&self, settings: &Config) -> Connecting<'_> {
        let settings = settings.clone();
        Box::pin(async move {
            let count = settings.get_hosts().len().max(settings.get_hostaddrs().len());
            let hosts = (0..count).map(|at| self.host(&settings, at));
            let (place, client, connection) = first_of(hosts.collect()).await?;
            let before = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(place);
            if before.is_some_and(|before| before != place) {
                self.moved.notify_waiters();
            }
            #[expect(clippy::disallowed_methods, reason = "the pool ends it with its client")]
            let driver = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::warn!(%error, "connection to the database broke");
                }
            });
            Ok((client, driver))
        })
    }
}

impl Hosts {
    /// Connects by TLS as it is set up, and says when another host than before takes writes.
    pub(super) fn new(tls: MakeRustlsConnect, moved: Arc<Notify>) -> Self {
        Self { tls, last: Mutex::default(), moved }
    }

    /// Connects to one host of the settings, at whichever of its addresses answers.
    async fn host(&self, settings: &Config, at: usize) -> Result<Connected, Error> {
        let host = settings.get_hosts().get(at);
        let ports = settings.get_ports();
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let longest = settings.get_connect_timeout().copied().unwrap_or(ATTEMPT_TIMEOUT);
        let addresses = match (settings.get_hostaddrs().get(at), host) {
            (Some(address), _) => vec![Some(*address)],
            (None, Some(Host::Tcp(name))) => {
                let found = timeout(longest, lookup_host((name.as_str(), port))).await;
                let found = found.map_err(|_| Error::__private_api_timeout())?;
                let found: Vec<_> = found.into_iter().flatten().map(|one| Some(one.ip())).collect();
                // Without an address, the library says what is wrong with the name.
                if found.is_empty() { vec![None] } else { found }
            }
            (None, _) => vec![None],
        };
        let attempts = addresses.into_iter().map(async |address| {
            let one = only(settings, host, address, port);
            let attempt = timeout(longest, one.connect(self.tls.clone())).await;
            let attempt = attempt.unwrap_or_else(|_| Err(Error::__private_api_timeout()));
            attempt.map(|(client, connection)| ((at, address), client, connection))
        });
        first_of(attempts.collect()).await
    }
}

/// Waits for the first attempt that succeeds. The next begins when one fails, or has not ended after its
/// head start. If all fail, the error is that of the last in the list.
async fn first_of<F>(attempts: Vec<F>) -> Result<Connected, Error>
where
    F: Future<Output = Result<Connected, Error>>,
{
    let mut waiting = attempts.into_iter().enumerate();
    let mut running = FuturesUnordered::new();
    let mut failure: Option<(usize, Error)> = None;
    loop {
        if let Some((at, attempt)) = waiting.next() {
            running.push(async move { (at, attempt.await) });
        }
        let ended = if waiting.len() == 0 {
            running.next().await
        } else {
            let Ok(ended) = timeout(HEAD_START, running.next()).await else { continue };
            ended
        };
        match ended {
            Some((_, Ok(connected))) => return Ok(connected),
            Some((at, Err(error))) if failure.as_ref().is_none_or(|(last, _)| *last < at) => {
                failure = Some((at, error));
            }
            Some((_, Err(_))) => {}
            None => {
                return Err(failure.map_or_else(Error::__private_api_timeout, |(_, error)| error));
            }
        }
    }
}

/// The settings of a connection to one host alone.
fn only(all: &Config, host: Option<&Host>, address: Option<IpAddr>, port: u16) -> Config {
    let mut one = Config::new();
    match host {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        Some(Host::Unix(folder)) => drop(one.host_path(folder)),
        None => {}
    }
    address.map(|address| one.hostaddr(address));
    all.get_user().map(|user| one.user(user));
    all.get_password().map(|password| one.password(password));
    all.get_dbname().map(|name| one.dbname(name));
    all.get_options().map(|options| one.options(options));
    all.get_application_name().map(|name| one.application_name(name));
    all.get_connect_timeout().map(|longest| one.connect_timeout(*longest));
    all.get_tcp_user_timeout().map(|longest| one.tcp_user_timeout(*longest));
    all.get_keepalives_interval().map(|interval| one.keepalives_interval(interval));
    all.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
    one.port(port)
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle())
        .target_session_attrs(all.get_target_session_attrs())
        .channel_binding(all.get_channel_binding());
    one
}
