//! What the user settled on: the server, kept in `config.toml`.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use etcetera::{BaseStrategy, choose_base_strategy};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Where a server listens unless told otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:5000";

/// As many links in a row as Linux follows.
const MAX_LINKS: usize = 40;

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

/// The server to talk to: the one named now, else the one kept, else this machine's.
pub fn server(paths: &Paths, named: Option<&str>) -> Result<ServerUrl, Error> {
    match named {
        Some(named) => named.parse(),
        None => load(&paths.config)?.server.as_deref().unwrap_or(DEFAULT_SERVER).parse(),
    }
}

/// Keeps the server for the next time.
pub fn keep_server(paths: &Paths, server: &ServerUrl) -> Result<(), Error> {
    let mut file = load(&paths.config)?;
    if file.server.as_deref() == Some(&server.to_string()) {
        return Ok(());
    }
    file.server = Some(server.to_string());
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

pub(crate) fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_owned(), source }
}

/// Replaces a file whole or not at all, readable by its owner alone. A link stays, and what it leads
/// to is replaced: people keep such files with others of theirs.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;

    let path = &followed(path)?;
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    create_private_dir(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Where a chain of links leads, whether there is a file or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("its links lead nowhere"))
}

/// Opens a file to append to, readable by its owner alone, also one that was not.
pub(crate) fn open_private(path: &Path) -> io::Result<fs::File> {
    create_private_dir(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    if file.metadata()?.is_file() {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    Ok(file)
}

pub(crate) fn create_private_dir(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
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

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_its_file_is_written() {
        use std::os::unix::fs::symlink;

        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("dotfiles")).expect("a directory");
        symlink("dotfiles/middle", at("link")).expect("a link");
        symlink("target", at("dotfiles/middle")).expect("a link");
        for text in ["made", "replaced"] {
            write_private(&at("link"), text.as_bytes()).expect("written");
            assert_eq!(fs::read_link(at("link")).expect("a link"), Path::new("dotfiles/middle"));
            assert_eq!(fs::read_to_string(at("dotfiles/target")).expect("a file"), text);
        }
        symlink("circle", at("circle")).expect("a link");
        assert!(write_private(&at("circle"), b"").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn private_files_are_their_owner_s_alone_also_if_they_were_not() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().expect("a directory");
        let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        fs::write(&old, "kept\n").expect("written");
        fs::set_permissions(&old, PermissionsExt::from_mode(0o644)).expect("set");
        for path in [&old, &new] {
            open_private(path).expect("opened");
            assert_eq!(mode(path), 0o600);
        }
        assert_eq!(fs::read_to_string(&old).expect("a file"), "kept\n");
    }

    #[test]
    fn the_server_named_wins_over_the_one_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let [config, sessions, log] = ["a/config.toml", "s", "l"].map(|file| dir.path().join(file));
        let paths = Paths { config, sessions, log };
        let shown = |named| server(&paths, named).expect("a server").to_string();
        assert_eq!(shown(None), DEFAULT_SERVER);
        keep_server(&paths, &"http://kept:1".parse().expect("a URL")).expect("kept");
        assert_eq!(shown(None), "http://kept:1");
        assert_eq!(shown(Some("http://named:2")), "http://named:2");
    }
}
