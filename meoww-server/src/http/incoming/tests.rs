//! Bodies and answers that take long, in virtual time.
#![expect(clippy::disallowed_methods, reason = "tests read the clock")]

use axum::{Router, middleware, routing::post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, split},
    time::{Instant, sleep},
};

use super::*;
use crate::testing::{Pipes, ROOMY};

/// A handler that is slow by itself, before or after it has read the body, and one that refuses.
fn dial(pipes: &mut Pipes) -> DuplexStream {
    let stuck = async || std::future::pending::<()>().await;
    let reads = async |_: Bytes| std::future::pending::<()>().await;
    let refuses = async || Refusal::NotFound;
    pipes.router = Router::new()
        .route("/stuck", post(stuck))
        .route("/reads", post(reads))
        .route("/refuses", post(refuses))
        .layer(middleware::from_fn_with_state(pipes.services.clone(), bounded));
    pipes.dial(ROOMY)
}

fn head(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
}

async fn answer(stream: &mut DuplexStream) -> String {
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer[..length]).to_lowercase()
}

#[tokio::test]
async fn a_slow_server_takes_the_blame() {
    let mut pipes = Pipes::start().await;
    for path in ["/stuck", "/reads"] {
        let mut stream = dial(&mut pipes);
        let start = Instant::now();
        stream.write_all(format!("{}hello", head(path, 5)).as_bytes()).await.expect("sent");
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("http/1.1 503 "), "{path}: {answer}");
        assert!(answer.contains("\r\nretry-after: 1\r\n"), "{path}: {answer}");
        assert_eq!(start.elapsed().as_secs(), REQUEST_TIMEOUT.as_secs());
    }
}

#[tokio::test]
async fn a_slow_client_is_told_and_hung_up_on() {
    let mut pipes = Pipes::start().await;
    let mut stream = dial(&mut pipes);
    stream.write_all(head("/reads", 5).as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_refused_body_that_trickles_in_is_read_for_so_long() {
    let mut pipes = Pipes::start().await;
    let (mut reader, mut writer) = split(dial(&mut pipes));
    let start = Instant::now();
    writer.write_all(head("/refuses", 1_000_000).as_bytes()).await.expect("sent");
    let trickle = async {
        while writer.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let mut answer = String::new();
    let (read, ()) = tokio::join!(reader.read_to_string(&mut answer), trickle);
    read.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(start.elapsed().as_secs().abs_diff(MAX_DISCARD_TIME.as_secs()) <= 1);
}

#[tokio::test]
async fn a_refused_body_is_read_to_a_bound() {
    let mut pipes = Pipes::start().await;
    let (mut reader, mut writer) = split(dial(&mut pipes));
    writer.write_all(head("/refuses", usize::MAX >> 1).as_bytes()).await.expect("sent");
    let (chunk, mut sent) = ([b'x'; 16 * 1024], 0);
    while writer.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
        assert!(sent <= MAX_DISCARDED_BYTES + 2 * ROOMY + (1 << 20), "without end");
    }
    assert!(sent >= MAX_DISCARDED_BYTES);
    let mut answer = String::new();
    reader.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}
