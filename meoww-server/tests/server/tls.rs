//! HTTPS and WSS without a proxy, with clients that check the certificate.

use std::{path::Path, sync::Arc};

use futures_util::StreamExt;
use meoww_proto::signal::ServerMessage;
use meoww_server::{
    config::{Config, Tls},
    mail::Mailer,
    server::Server,
};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{patiently, signup},
    process::{Process, command, failure},
};

/// Writes a fresh certificate for this machine; gives the files.
pub(crate) fn write_pair(directory: &Path) -> Tls {
    let names = ["localhost", "127.0.0.1"];
    let made = rcgen::generate_simple_self_signed(names.map(str::to_owned)).expect("made");
    let files = Tls { cert: directory.join("cert.pem"), key: directory.join("key.pem") };
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    std::fs::write(&files.cert, made.cert.pem()).expect("written");
    files
}

/// Believes the certificate in the file, as it is now, and no other.
pub(crate) fn client_config(files: &Tls) -> ClientConfig {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&files.cert).expect("readable")).expect("a root");
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut config = builder.with_no_client_auth();
    // A resumed session does not show the certificate again.
    config.resumption = Resumption::disabled();
    config
}

async fn handshake(port: u16, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Waits for TLS as it should be, and opens it.
async fn tls(port: u16, files: &Tls) -> TlsStream<TcpStream> {
    patiently(handshake(port, client_config(files))).await.expect("a handshake")
}

fn https_client(files: &Tls) -> reqwest::Client {
    let root = std::fs::read(&files.cert).expect("there");
    let root = reqwest::Certificate::from_pem(&root).expect("a certificate");
    reqwest::Client::builder().tls_certs_only([root]).build().expect("a client")
}

#[tokio::test]
async fn http_and_sockets_are_served_encrypted() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = write_pair(dir.path());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (outbox, mut mail) = tokio::sync::mpsc::channel(1);
    let mut config = Config::new(dir.path().join("data"));
    config.tls = Some(files.clone());
    let app = Server::with_mailer(config, Mailer::Memory(outbox)).await.expect("it opens");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(app.serve(listener, stop.clone().cancelled_owned()));

    let http = https_client(&files);
    let post = async |path: &str, body: Value| {
        let url = format!("https://localhost:{port}/api/auth/{path}");
        let request = http.post(url).header("content-type", "application/json");
        patiently(request.body(body.to_string()).send()).await.expect("an answer")
    };
    let reply = post("signup", signup("ada")).await;
    assert_eq!((reply.status().as_u16(), reply.version()), (201, reqwest::Version::HTTP_11));
    let body: Value = reply.json().await.expect("JSON");
    let code = patiently(mail.recv()).await.expect("mail").code;
    let reply = post("verify", json!({ "userId": body["userId"], "otp": code })).await;
    let cookies = reply.headers().get_all("set-cookie").iter();
    let access = cookies.filter_map(|line| line.to_str().ok()?.split(';').next());
    let access = access.collect::<Vec<_>>().join("; ");

    let url = format!("wss://localhost:{port}/ws");
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("cookie", access.parse().expect("a header"));
    let upgrade = tokio_tungstenite::client_async(request, tls(port, &files).await);
    let (mut socket, _) = patiently(upgrade).await.expect("a socket");
    let Some(Ok(Message::Text(text))) = patiently(socket.next()).await else { panic!("no text") };
    assert!(matches!(ServerMessage::decode(&text), Ok(ServerMessage::Welcome(_))), "{text}");

    // Whoever speaks no TLS is hung up on.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
    plain.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let _ = patiently(plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    stop.cancel();
    patiently(serving).await.expect("no panic").expect("it ends well");
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_a_bad_one_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = write_pair(dir.path());
    let mut command = command(&dir.path().join("data"));
    command.arg("--tls-cert").arg(&files.cert).arg("--tls-key").arg(&files.key);
    let process = Process::spawn(&mut command).await;
    let port = process.url.strip_prefix("https://127.0.0.1:").expect("the promised line");
    let port = port.parse().expect("a number");

    let before = client_config(&files);
    patiently(handshake(port, before.clone())).await.expect("a handshake");
    write_pair(dir.path());
    let after = client_config(&files);
    process.signal("HUP");
    let taken_up = async { while handshake(port, after.clone()).await.is_err() {} };
    patiently(taken_up).await;
    patiently(handshake(port, before)).await.expect_err("the old one is in use no more");
    process.stop().await;
}

#[tokio::test]
async fn a_bad_pair_is_no_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = write_pair(dir.path());
    let mut command = command(&dir.path().join("data"));
    command.arg("--tls-cert").arg(&files.key).arg("--tls-key").arg(&files.key);
    let (code, said) = failure(command).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("key.pem: no certificate in PEM"), "{said}");
}
