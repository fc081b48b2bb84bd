//! Behind a real nginx, with the configuration that `deploy/` hands out.

use std::{path::Path, process::Stdio, sync::Arc};

use futures_util::{SinkExt, StreamExt};
use meoww_proto::signal::{ClientMessage, ServerMessage};
use rustls::pki_types::ServerName;
use tokio::{net::UnixStream, process::Command};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::{
    harness::{TestServer, patiently},
    tls::{client_config, write_pair},
};

const SAMPLE: &str = include_str!("../../../deploy/nginx/meoww.conf");

/// The sample, on Unix sockets in `directory` instead of ports that others may have.
fn configuration(directory: &Path, server: &str) -> String {
    let dir = directory.display();
    let mut sample = SAMPLE.to_owned();
    for (from, to) in [
        ("listen [::]:80;", String::new()),
        ("listen [::]:443 ssl;", String::new()),
        ("listen 80;", format!("listen unix:{dir}/http.sock;")),
        ("listen 443 ssl;", format!("listen unix:{dir}/https.sock ssl;")),
        ("/etc/letsencrypt/live/meoww.example/fullchain.pem", format!("{dir}/cert.pem")),
        ("/etc/letsencrypt/live/meoww.example/privkey.pem", format!("{dir}/key.pem")),
        ("server 127.0.0.1:5000;", format!("server {server};")),
    ] {
        assert!(sample.contains(from), "{from} is not in the sample");
        sample = sample.replace(from, &to);
    }
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("{kind}_temp_path {dir}/{kind};")).join("\n");
    // One process: a worker would outlive a master that is killed.
    format!(
        "daemon off;\nmaster_process off;\npid {dir}/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}\n{sample}\n}}\n"
    )
}

fn nginx(directory: &Path) -> Command {
    let mut command = Command::new("nginx");
    // Debian keeps it where only root looks.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.arg("-c").arg(directory.join("nginx.conf")).arg("-p").arg(directory);
    command.args(["-e", "stderr"]).kill_on_drop(true);
    command
}

async fn connect(socket: &Path, directory: &Path) -> Option<TlsStream<UnixStream>> {
    let stream = UnixStream::connect(socket).await.ok()?;
    let files = meoww_server::config::Tls {
        cert: directory.join("cert.pem"),
        key: directory.join("key.pem"),
    };
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(client_config(&files))).connect(name, stream).await.ok()
}

#[tokio::test]
async fn sockets_pass_through_the_sample_configuration() {
    let server = TestServer::start().await;
    let (member, _) = server.peer("ada").await;
    let dir = tempfile::tempdir().expect("a directory");
    write_pair(dir.path());
    let upstream = server.url.trim_start_matches("http://");
    let text = configuration(dir.path(), upstream);
    std::fs::write(dir.path().join("nginx.conf"), text).expect("written");
    let checked = nginx(dir.path()).arg("-t").output().await.expect("nginx is installed");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let mut proxy = nginx(dir.path()).stderr(Stdio::null()).spawn().expect("it starts");

    let socket = dir.path().join("https.sock");
    let stream = patiently(async {
        loop {
            match connect(&socket, dir.path()).await {
                Some(stream) => return stream,
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    let mut request = "wss://localhost/ws".into_client_request().expect("a request");
    let bearer = format!("Bearer {}", member.access);
    request.headers_mut().insert("authorization", bearer.parse().expect("a header"));
    let upgrade = patiently(tokio_tungstenite::client_async(request, stream)).await;
    let (mut socket, _) = upgrade.expect("a socket");
    let search = ClientMessage::Search(Default::default()).encode();
    patiently(socket.send(Message::Text(search.into()))).await.expect("sent");
    let mut heard = Vec::new();
    while heard.len() < 2 {
        if let Some(Ok(Message::Text(text))) = patiently(socket.next()).await {
            heard.push(ServerMessage::decode(&text).expect("an event"));
        }
    }
    assert!(matches!(heard[0], ServerMessage::Welcome(_)), "{heard:?}");
    assert!(matches!(heard[1], ServerMessage::Searching), "{heard:?}");
    proxy.kill().await.expect("killed");
}
