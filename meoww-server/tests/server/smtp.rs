//! Mail through a real mail server: Debian's aiosmtpd, which puts what it gets into a Maildir.

use std::{path::Path, process::Stdio};

use meoww_server::{
    config::{Config, Limits, Secret},
    mail::Mailer,
};
use reqwest::StatusCode;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    sync::mpsc,
};

use crate::harness::{TestServer, patiently};

struct Sink {
    address: std::net::SocketAddr,
    _child: Child,
}

impl Sink {
    async fn start(maildir: &Path) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("bound");
        drop(free);
        let child = Command::new("/usr/bin/python3")
            .args(["-m", "aiosmtpd", "-n", "-l", &address.to_string()])
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

#[tokio::test]
async fn a_code_sent_by_smtp_verifies() {
    let dir = tempfile::tempdir().expect("a directory");
    let maildir = dir.path().join("mail");
    let sink = Sink::start(&maildir).await;
    let server = server_with_smtp(format!("smtp://{}", sink.address)).await;
    let reply = server.sign_up("ada").await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);

    let mut mails = std::fs::read_dir(maildir.join("new")).expect("a Maildir");
    let path = mails.next().expect("one mail").expect("readable").path();
    let mail = std::fs::read_to_string(path).expect("text");
    assert!(mail.contains("Subject: Your Meoww verification code"), "{mail}");
    assert!(mail.contains("X-RcptTo: ada@example.com"), "{mail}");
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit());
    let code = mail.lines().find(is_code).expect("a code on a line of its own");
    let user = reply.body["userId"].as_str().expect("an id");
    assert_eq!(server.verify(user, code).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_mail_server_that_is_down_takes_the_sign_up_back() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("bound");
    drop(free);
    let server = server_with_smtp(format!("smtp://{address}")).await;
    let reply = server.sign_up("ada").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.error(), "Failed to send verification email. Please try again.");
}
