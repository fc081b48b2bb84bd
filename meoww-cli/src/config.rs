//! The settings that the user keeps: the server, or the nodes of a fleet, in `config.toml`.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use etcetera::{BaseStrategy, choose_base_strategy};
use rand::{Rng, seq::SliceRandom};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    files::{file_error, write_private},
};

/// Where a server listens unless told otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:5000";

/// The address of a server: `http` or `https`, a host, perhaps a path; no trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(Url);

impl ServerUrl {
    /// Itself.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The URL of an HTTP route such as `/api/auth/me`.
    pub fn http(&self, route: &str) -> String {
        format!("{self}{route}")
    }

    /// The URL of the socket.
    pub fn socket(&self) -> String {
        let address = self.to_string();
        let rest = address.strip_prefix("http").unwrap_or(&address);
        format!("ws{rest}/ws")
    }
}

impl FromStr for ServerUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::BadServerUrl { url: text.to_owned(), why: why.to_owned() };
        let url = Url::parse(text.trim()).map_err(|error| bad(&error.to_string()))?;
        match url.scheme() {
            "http" | "https" if url.has_host() => {}
            _ => return Err(bad("it does not begin with http:// or https://")),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it has a query"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it carries a password"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// The addresses of one server, or of the nodes of one fleet, which know the same accounts and are
/// as good as each other. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers(Vec<ServerUrl>);

impl Servers {
    /// In the order in which they are tried.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ServerUrl> {
        self.0.iter()
    }

    /// The first, and the others in any order: so that those who leave one that is gone do not all
    /// come to the same.
    pub(crate) fn first_and_others(&self, rng: &mut impl Rng) -> Self {
        let mut order = self.0.clone();
        order[1..].shuffle(rng);
        Self(order)
    }

    /// The one at a position, counted from 0 and around.
    pub(crate) fn at(&self, position: usize) -> &ServerUrl {
        &self.0[position % self.0.len()]
    }
}

impl From<ServerUrl> for Servers {
    fn from(server: ServerUrl) -> Self {
        Self(vec![server])
    }
}

/// Addresses, separated by commas.
impl FromStr for Servers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, server) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{server}")?;
        }
        Ok(())
    }
}

/// Where our files are, by the XDG base directories (on other systems, by their custom).
#[derive(Debug, Clone)]
pub struct Paths {
    /// `config.toml`.
    pub config: PathBuf,
    /// `sessions.json`.
    pub sessions: PathBuf,
    /// `meoww.log`.
    pub log: PathBuf,
}

impl Paths {
    /// For the present user.
    pub fn of_user() -> Result<Self, Error> {
        let base = choose_base_strategy().map_err(|error| Error::Other(error.to_string()))?;
        let state = base.state_dir().unwrap_or_else(|| base.data_dir());
        Ok(Self {
            config: base.config_dir().join("meoww/config.toml"),
            sessions: state.join("meoww/sessions.json"),
            log: state.join("meoww/meoww.log"),
        })
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
}

/// The servers to talk to: those named now, else those kept, else this machine's.
pub fn servers(paths: &Paths, named: Option<&str>) -> Result<Servers, Error> {
    match named {
        Some(named) => named.parse(),
        None => load(&paths.config)?.server.as_deref().unwrap_or(DEFAULT_SERVER).parse(),
    }
}

/// Keeps the servers for the next time.
pub fn keep_servers(paths: &Paths, servers: &Servers) -> Result<(), Error> {
    let mut file = load(&paths.config)?;
    if file.server.as_deref() == Some(&servers.to_string()) {
        return Ok(());
    }
    file.server = Some(servers.to_string());
    let text = toml::to_string(&file).map_err(|error| Error::Other(error.to_string()))?;
    write_private(&paths.config, text.as_bytes())
        .map_err(|source| file_error(&paths.config, source))
}

fn load(path: &Path) -> Result<File, Error> {
    match fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text)
            .map_err(|error| file_error(path, io::Error::other(error.message().to_owned()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(File::default()),
        Err(error) => Err(file_error(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_joined() {
        let url: ServerUrl = "https://meoww.example/chat/".parse().expect("a URL");
        assert_eq!(url.http("/health"), "https://meoww.example/chat/health");
        assert_eq!(url.socket(), "wss://meoww.example/chat/ws");
        for bad in ["", "localhost:5000", "ftp://x", "http://", "http://a/?q", "http://a:b@c"] {
            assert!(matches!(bad.parse::<ServerUrl>(), Err(Error::BadServerUrl { .. })), "{bad}");
        }
    }

    #[test]
    fn the_server_named_wins_over_the_one_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let [config, sessions, log] = ["a/config.toml", "s", "l"].map(|file| dir.path().join(file));
        let paths = Paths { config, sessions, log };
        let shown = |named| servers(&paths, named).expect("a server").to_string();
        assert_eq!(shown(None), DEFAULT_SERVER);
        let kept = "http://kept:1,https://kept.example".parse().expect("URLs");
        keep_servers(&paths, &kept).expect("kept");
        assert_eq!(shown(None), "http://kept:1,https://kept.example");
        assert_eq!(shown(Some("http://named:2")), "http://named:2");
    }

    #[test]
    fn addresses_of_a_fleet_are_separated_by_commas() {
        let servers: Servers = "https://a.example, http://b:5000/".parse().expect("URLs");
        let shown: Vec<String> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["https://a.example", "http://b:5000"]);
        for bad in ["https://a.example,", ",", "https://a.example,b.example"] {
            assert!(matches!(bad.parse::<Servers>(), Err(Error::BadServerUrl { .. })), "{bad}");
        }
    }
}
