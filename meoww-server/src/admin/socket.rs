//! The running server's end: a Unix socket in the data directory, for its owner and root only.

use std::{
    convert::Infallible,
    fs::{self, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::timeout,
};

use super::{
    Desk, db,
    protocol::{self, MAX_REQUEST, Reply, Request},
};

const NAME: &str = "admin.sock";
/// Peers served at once; the next one waits.
const MAX_PEERS: usize = 16;
/// Longest a peer may take over its line, or over taking ours.
const LINE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest path of a Unix socket (`sun_path`), with room for the draft's name.
const MAX_PATH: usize = 100;

/// Bound for as long as the server has the data directory.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Socket {
    /// The lock on the data directory is held, so a socket that is there is stale.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let socket = SocketPath::of(data_dir)?;
        let draft = socket.path.with_extension("new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&draft)?;
        // It has its mode before anybody knows its name.
        fs::set_permissions(&draft, Permissions::from_mode(0o600))?;
        let owner = fs::metadata(&draft)?.uid();
        fs::rename(&draft, &socket.path)?;
        Ok(Self { listener, path: data_dir.join(NAME), owner })
    }

    /// Answers whoever asks, for as long as the server runs.
    pub(crate) async fn answer(&self, desk: Arc<Desk>) -> Infallible {
        let mut peers = JoinSet::new();
        loop {
            while peers.len() >= MAX_PEERS {
                peers.join_next().await;
            }
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((peer, _)) if self.may_ask(&peer) => {
                        let desk = desk.clone();
                        peers.spawn(async move {
                            if let Err(error) = serve(&desk, peer).await {
                                tracing::debug!(%error, "admin connection failed");
                            }
                        });
                    }
                    Ok(_) => tracing::warn!("admin socket refused another user"),
                    Err(error) => {
                        tracing::warn!(%error, "admin socket could not accept");
                        tokio::time::sleep(Duration::from_millis(500)).await;
                    }
                },
                Some(_) = peers.join_next() => {}
            }
        }
    }

    fn may_ask(&self, peer: &UnixStream) -> bool {
        peer.peer_cred().is_ok_and(|cred| cred.uid() == self.owner || cred.uid() == 0)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A stale one does no harm: it is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve(desk: &Desk, mut peer: UnixStream) -> io::Result<()> {
    let mut line = String::new();
    let mut reading = BufReader::new((&mut peer).take(MAX_REQUEST));
    timeout(LINE_TIMEOUT, reading.read_line(&mut line)).await??;
    let begun = reading.buffer().to_vec();
    let outcome = match Request::parse(&line) {
        Ok(request) => {
            tracing::info!(command = request.ask, "admin socket took a command");
            match request.ask.as_str() {
                db::EXPORT => return db::serve_export(desk, blocking(peer)?).await,
                db::IMPORT => {
                    let blocking = blocking(peer)?;
                    let imported = db::serve_import(desk, request.of, begun, &blocking).await;
                    blocking.set_nonblocking(true)?;
                    peer = UnixStream::from_std(blocking)?;
                    imported.and_then(protocol::to_value)
                }
                _ => protocol::answer(desk, request).await,
            }
        }
        Err(problem) => Err(problem),
    };
    let mut reply = serde_json::to_vec(&Reply::from(outcome))?;
    reply.push(b'\n');
    timeout(LINE_TIMEOUT, peer.write_all(&reply)).await?
}

/// For what reads or writes many lines on a thread of its own.
fn blocking(peer: UnixStream) -> io::Result<std::os::unix::net::UnixStream> {
    let peer = peer.into_std()?;
    peer.set_nonblocking(false)?;
    Ok(peer)
}

/// Reaches the server of this data directory, if one runs.
pub(crate) async fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    let socket = SocketPath::of(data_dir)?;
    UnixStream::connect(&socket.path).await
}

/// A path that fits into `sockaddr_un` however deep the data directory lies.
struct SocketPath {
    path: PathBuf,
    _directory: Option<File>,
}

impl SocketPath {
    fn of(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(NAME);
        if path.as_os_str().len() <= MAX_PATH {
            return Ok(Self { path, _directory: None });
        }
        let directory = File::open(data_dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd()));
        Ok(Self { path, _directory: Some(directory) })
    }
}
