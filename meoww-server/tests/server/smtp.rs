//! Mail through a real mail server: Debian's aiosmtpd, which puts what it gets into a Maildir.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
};

use meoww_server::{
    config::{Config, Limits, Secret},
    mail::Mailer,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    sync::mpsc,
};

use crate::{
    harness::{TestServer, patiently, signup},
    process::{Process, command},
};

const NOT_SENT: &str = "Failed to send verification email. Please try again.";

pub(crate) struct Sink {
    pub(crate) address: std::net::SocketAddr,
    _child: Child,
}

impl Sink {
    pub(crate) async fn start(maildir: &Path, options: &[&OsStr]) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("bound");
        drop(free);
        let child = Command::new("/usr/bin/python3")
            .args(["-m", "aiosmtpd", "-n", "-l", &address.to_string()])
            .args(options)
            .args(["-c", "aiosmtpd.handlers.Mailbox"])
            .arg(maildir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("python3-aiosmtpd is installed");
        let up = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        patiently(up).await;
        Self { address, _child: child }
    }
}

async fn server_with_smtp(url: String) -> TestServer {
    let mut config = Config::new("unused".into());
    config.smtp_url = Some(Secret::new(url));
    let mailer = Mailer::from_config(&config).expect("a good URL");
    let (_, no_mail) = mpsc::channel(1);
    TestServer::with_mailer(|config| config.limits = Limits::OFF, mailer, no_mail).await
}

pub(crate) fn mails(maildir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(maildir.join("new")).expect("a Maildir");
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths.map(|path| std::fs::read_to_string(path).expect("text")).collect()
}

pub(crate) fn code_in(mail: &str) -> &str {
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit());
    mail.lines().find(is_code).expect("a code on a line of its own")
}

#[tokio::test]
async fn a_code_sent_by_smtp_verifies() {
    let dir = tempfile::tempdir().expect("a directory");
    let maildir = dir.path().join("mail");
    let sink = Sink::start(&maildir, &[]).await;
    let server = server_with_smtp(format!("smtp://{}", sink.address)).await;
    let reply = server.sign_up("ada").await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);

    let [mail] = &mails(&maildir)[..] else { panic!("not one mail") };
    assert!(mail.contains("Subject: Your Meoww verification code"), "{mail}");
    assert!(mail.contains("X-RcptTo: ada@example.com"), "{mail}");
    let user = reply.body["userId"].as_str().expect("an id");
    assert_eq!(server.verify(user, code_in(mail)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_mail_server_that_is_down_takes_the_sign_up_back() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let server = server_with_smtp(format!("smtp://{address}")).await;
    let reply = server.sign_up("ada").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.error(), NOT_SENT);
}

/// A certificate of `localhost` that nobody vouches for but itself, and its key.
fn certificate(directory: &Path, name: &str) -> [PathBuf; 2] {
    let files = ["crt", "key"].map(|end| directory.join(name).with_extension(end));
    let output = std::process::Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&files[0])
        .arg("-keyout")
        .arg(&files[1])
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    files
}

/// The real program, with one certificate to trust in.
async fn process_with_smtp(data: &Path, sink: &Sink, trusted: &Path) -> Process {
    let url = format!("smtp://localhost:{}?tls=required", sink.address.port());
    let mut command = command(data);
    command.env("MEOWW_SMTP_URL", url).env("SSL_CERT_FILE", trusted).stderr(Stdio::null());
    Process::spawn(&mut command).await
}

pub(crate) async fn sign_up(process: &Process) -> (StatusCode, Value) {
    let url = format!("{}/api/auth/signup", process.url);
    let (http, body) = (reqwest::Client::new(), signup("ada"));
    patiently(Process::post(&http, &url, &body)).await.expect("an answer")
}

/// Twice, as a name that was given away would be refused with other words.
async fn expect_not_sent(process: &Process) {
    for _ in 0..2 {
        let (status, body) = sign_up(process).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!(NOT_SENT)));
    }
}

#[tokio::test]
async fn mail_goes_by_starttls_to_a_server_with_a_trusted_certificate_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, maildir) = (dir.path().join("data"), dir.path().join("mail"));
    let [shown, key] = certificate(dir.path(), "shown");
    let [foreign, _] = certificate(dir.path(), "foreign");
    let options = ["--tlscert".as_ref(), shown.as_ref(), "--tlskey".as_ref(), key.as_ref()];
    let sink = Sink::start(&maildir, &options).await;

    let process = process_with_smtp(&data, &sink, &foreign).await;
    expect_not_sent(&process).await;
    assert!(mails(&maildir).is_empty());
    process.stop().await;

    let process = process_with_smtp(&data, &sink, &shown).await;
    let (status, body) = sign_up(&process).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let [mail] = &mails(&maildir)[..] else { panic!("not one mail") };
    let url = format!("{}/api/auth/verify", process.url);
    let body = json!({ "userId": body["userId"], "otp": code_in(mail) });
    let reply = Process::post(&reqwest::Client::new(), &url, &body).await;
    assert_eq!(reply.expect("an answer").0, StatusCode::OK);
}

#[tokio::test]
async fn no_code_is_sent_in_the_clear_where_tls_is_required() {
    let dir = tempfile::tempdir().expect("a directory");
    let maildir = dir.path().join("mail");
    let [trusted, _] = certificate(dir.path(), "trusted");
    let sink = Sink::start(&maildir, &[]).await;
    let process = process_with_smtp(&dir.path().join("data"), &sink, &trusted).await;
    expect_not_sent(&process).await;
    assert!(mails(&maildir).is_empty());
}
