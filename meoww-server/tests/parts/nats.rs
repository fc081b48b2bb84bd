//! The real `nats-server`, which `scripts/setup test` installs beside what is built.

use std::{net::SocketAddr, path::PathBuf, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// One server; it is killed with this.
pub(crate) struct Nats {
    child: Child,
    arguments: Vec<String>,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where other servers of its cluster do.
    route: Option<SocketAddr>,
}

fn program() -> PathBuf {
    let this = std::env::current_exe().expect("a path");
    let target = this.ancestors().find(|folder| folder.join("nats").is_dir());
    let target = target.expect("nats-server is not installed: run `scripts/setup test`");
    target.join("nats/bin/nats-server")
}

impl Nats {
    /// Starts one on a free port of the loopback.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self::run(arguments, "-1".into()).await
    }

    async fn run(arguments: Vec<String>, port: String) -> Self {
        let mut command = Command::new(program());
        command.args(["--addr", "127.0.0.1", "--port", &port]).args(&arguments);
        command.stderr(Stdio::piped()).stdout(Stdio::null()).stdin(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().expect("nats-server starts");
        let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
        let is_clustered = arguments.iter().any(|argument| argument == "--cluster");
        let (mut address, mut route, mut is_ready) = (None, None, false);
        loop {
            let line = said.next_line().await.expect("text").expect("nats-server is up");
            let end = |words| line.split_once(words).and_then(|(_, end)| end.trim().parse().ok());
            address = address.or(end("Listening for client connections on "));
            route = route.or(end("Listening for route connections on "));
            is_ready |= line.contains("Server is ready");
            // Said after it.
            if is_ready && (route.is_some() || !is_clustered) {
                break;
            }
        }
        let address = address.expect("an address before it is ready");
        // Unread, the pipe would fill and stop the server.
        #[expect(clippy::disallowed_methods, reason = "ends with the server")]
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        Self { child, arguments, address, route }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Kills it and starts another at its address, after `meanwhile`.
    pub(crate) async fn restart(&mut self, meanwhile: impl AsyncFnOnce()) {
        self.child.kill().await.expect("killed");
        meanwhile().await;
        let port = self.address.port().to_string();
        *self = Self::run(self.arguments.clone(), port).await;
    }
}

/// Servers that know each other.
pub(crate) async fn cluster_of(count: usize) -> Vec<Nats> {
    let mut servers: Vec<Nats> = Vec::new();
    for _ in 0..count {
        let routes: Vec<_> = servers.iter().filter_map(|server| server.route).collect();
        let routes: Vec<_> = routes.iter().map(|route| format!("nats://{route}")).collect();
        let mut arguments = vec!["--cluster", "nats://127.0.0.1:-1", "--cluster_name", "test"];
        let routes = routes.join(",");
        if !routes.is_empty() {
            arguments.extend(["--routes", &routes]);
        }
        servers.push(Nats::start_with(&arguments).await);
    }
    servers
}
