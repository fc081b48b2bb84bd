//! How long a client may take over a request, in virtual time.
#![expect(clippy::disallowed_methods, reason = "tests read the clock")]

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};

use super::*;
use crate::{
    testing::{Pipes, ROOMY},
    tls::{Certificates, tests::write_pair},
};

/// Says one word after another, with pauses, and gives what comes back and how long it all took.
async fn slowly(pipes: &Pipes, words: &[&str], pause: Duration) -> (String, u64) {
    let start = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(pipes.dial(ROOMY));
    let write = async {
        for word in words {
            if writer.write_all(word.as_bytes()).await.is_err() {
                break;
            }
            sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let read = timeout(100 * HEADER_TIMEOUT, reader.read_to_end(&mut answer));
    tokio::select! {
        () = write => {}
        ended = read => {
            ended.expect("the server hangs up").expect("in order");
        }
    }
    (String::from_utf8(answer).expect("text"), start.elapsed().as_secs())
}

#[tokio::test]
async fn headers_that_trickle_in_are_not_waited_for() {
    let pipes = Pipes::start().await;
    let mut words = vec!["GET /health HTTP/1.1\r\n"];
    words.extend(["X: y\r\n"; 60]);
    let (answer, took) = slowly(&pipes, &words, Duration::from_secs(1)).await;
    assert_eq!((answer.as_str(), took), ("", HEADER_TIMEOUT.as_secs()));
    let (answer, took) = slowly(&pipes, &[], Duration::ZERO).await;
    assert_eq!((answer.as_str(), took), ("", HEADER_TIMEOUT.as_secs()), "nor a first word");
}

#[tokio::test]
async fn a_connection_between_requests_is_not_kept_for_ever() {
    let pipes = Pipes::start().await;
    let request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let pause = HEADER_TIMEOUT / 2;
    let (answer, took) = slowly(&pipes, &[request; 4], pause).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 4);
    assert_eq!(took, (3 * pause + HEADER_TIMEOUT).as_secs());
}

#[tokio::test]
async fn a_body_that_trickles_in_is_not_waited_for() {
    let pipes = Pipes::start().await;
    let mut words = vec![
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 1000\r\n\r\n",
    ];
    words.extend([" "; 100]);
    let (answer, took) = slowly(&pipes, &words, Duration::from_secs(1)).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(took, 30);
}

#[tokio::test]
async fn a_handshake_that_goes_nowhere_is_not_waited_for() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().expect("a directory");
    let tls = Certificates::open(write_pair(dir.path())).expect("a pair").acceptor().expect("TLS");
    let front = Front { router: Router::new(), tls: Some(tls), handshakes: Semaphore::new(1) };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let _silent = TcpStream::connect(address).await.expect("connected");
    let (stream, _) = listener.accept().await.expect("accepted");
    // Nothing is on its way that time could overtake.
    tokio::time::pause();
    let start = Instant::now();
    let shaken = timeout(100 * HANDSHAKE_TIMEOUT, front.shake_hands(stream)).await;
    let error = shaken.expect("it ends").err().expect("no TLS");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), HANDSHAKE_TIMEOUT.as_secs());
}
