//! Both engines of the store, for tests that must hold on either. PostgreSQL is one cluster for all
//! tests of this program, begun by the first that asks, with a database for each.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use meoww_server::{config::DatabaseUrl, store::Store};
use tokio_postgres::{Client, NoTls};

/// Makes two tests of each function that takes a store.
macro_rules! on_both_engines {
    ($($test:ident),* $(,)?) => {$(
        mod $test {
            #[tokio::test(flavor = "multi_thread")]
            async fn on_sled() {
                let dir = tempfile::tempdir().expect("a directory");
                let store = meoww_server::store::Store::open(&dir.path().join("db"));
                super::$test(&store.expect("opened")).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_postgres() {
                let url = $crate::engine::fresh_database().await;
                super::$test(&$crate::engine::connect(&url).await).await;
            }
        }
    )*};
}
pub(crate) use on_both_engines;

/// Connections of a store in a test.
const CONNECTIONS: u32 = 8;
/// What ends a cluster when the test's process does: its end of the pipe is closed then.
const SCRIPT: &str = r#"
set -e
"$BIN/initdb" --auth=trust --username=postgres --no-sync --no-instructions -D "$DIR/data" >"$DIR/log"
cat "$DIR/conf" >>"$DIR/data/postgresql.conf"
[ ! -e "$DIR/hba" ] || cp "$DIR/hba" "$DIR/data/pg_hba.conf"
"$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/log" -w start >/dev/null
echo ready
read -r _ || true
"$BIN/pg_ctl" -D "$DIR/data" -m immediate stop >/dev/null 2>&1 || true
rm -rf "$DIR"
"#;

/// A PostgreSQL of its own in a temporary directory.
pub(crate) struct Cluster {
    pub(crate) dir: PathBuf,
    pub(crate) port: u16,
    shell: Child,
}

/// The programs of the newest PostgreSQL that Debian has installed.
pub(crate) fn programs() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = found.map(|entry| entry.path().join("bin")).max();
    newest.expect("PostgreSQL is missing: run `scripts/setup test`")
}

/// A command that is not root, as PostgreSQL demands.
pub(crate) fn unprivileged(program: &str) -> Command {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// A directory that is there for who runs PostgreSQL.
pub(crate) fn directory() -> PathBuf {
    let made = unprivileged("mktemp").args(["-d", "--tmpdir", "postgres-XXXXXXXX"]).output();
    let text = String::from_utf8(made.expect("mktemp runs").stdout).expect("a path");
    PathBuf::from(text.trim())
}

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

impl Cluster {
    /// Starts one that nobody reaches but through a socket in its directory.
    pub(crate) fn start() -> Self {
        Self::with(&[("listen_addresses", "''")], None)
    }

    /// Starts one with other settings, and rules of who may come in.
    pub(crate) fn with(settings: &[(&str, &str)], rules: Option<&str>) -> Self {
        Self::in_directory(directory(), free_port(), settings, rules)
    }

    pub(crate) fn in_directory(
        dir: PathBuf,
        port: u16,
        settings: &[(&str, &str)],
        rules: Option<&str>,
    ) -> Self {
        let mut conf = format!(
            "unix_socket_directories = '{}'\nport = {port}\nmax_connections = 300\n\
             fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n\
             autovacuum = off\n",
            dir.display()
        );
        for (name, value) in settings {
            writeln!(conf, "{name} = {value}").expect("text");
        }
        write(&dir.join("conf"), &conf);
        if let Some(rules) = rules {
            write(&dir.join("hba"), rules);
        }
        let mut shell = unprivileged("sh")
            .args(["-c", SCRIPT])
            .env("BIN", programs())
            .env("DIR", &dir)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let out = shell.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("readable");
        let log = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert_eq!(line, "ready\n", "{}", log());
        Self { dir, port, shell }
    }

    /// Where a database of it is, by its socket.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@/{database}?host={}&port={}", self.dir.display(), self.port)
    }

    /// Makes a database, and says where it is.
    pub(crate) async fn database(&self) -> String {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", MADE.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name}");
        client(&self.url("postgres")).await.batch_execute(&sql).await.expect("a database");
        self.url(&name)
    }

    /// Has the cluster end by itself.
    pub(crate) fn stop(mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().expect("it ends");
    }
}

/// Writes a file as who runs PostgreSQL.
pub(crate) fn write(path: &Path, text: &str) {
    let mut tee = unprivileged("tee");
    let mut tee = tee.arg(path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("tee");
    let mut input = tee.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, text.as_bytes()).expect("written");
    drop(input);
    assert!(tee.wait().expect("it ends").success());
}

static SHARED: LazyLock<Cluster> = LazyLock::new(Cluster::start);

/// An empty database of the cluster that all tests share.
pub(crate) async fn fresh_database() -> String {
    let cluster = tokio::task::spawn_blocking(|| &*SHARED).await.expect("a cluster");
    cluster.database().await
}

pub(crate) fn url(text: &str) -> DatabaseUrl {
    text.parse().expect("a URL")
}

pub(crate) async fn connect(text: &str) -> Store {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Store::connect(&url(text), CONNECTIONS).await.expect("connected")
}

/// Speaks to a database past the server.
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connected");
    tokio::spawn(connection);
    client
}
