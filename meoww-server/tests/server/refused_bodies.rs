//! Requests that are refused while their body is still on its way. Many clients read an answer only
//! once they have sent all of their request.

use std::time::Duration;

use meoww_server::{config::Limits, core::limits::Quota};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    harness::{TestServer, patiently},
    photos::{FORM, photo},
};

const MB: usize = 1_000_000;

/// Sends a whole request before it reads, then another on the same connection; gives both answers.
async fn converse(server: &TestServer, request: &[u8]) -> String {
    let address = server.url.strip_prefix("http://").expect("an http URL");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let next = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    patiently(stream.write_all(request)).await.expect("the server reads on");
    patiently(stream.write_all(next)).await.expect("the server reads on");
    let mut answers = String::new();
    patiently(stream.read_to_string(&mut answers)).await.expect("no reset");
    answers
}

fn with_length(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn chunked(head: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(100_000) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend([chunk, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

#[tokio::test]
async fn a_refusal_reaches_clients_that_send_first_and_listen_then() {
    let quota = Quota { requests: 1, window: Duration::from_secs(3600) };
    let limits = Limits { signup: Some(quota), ..Limits::OFF };
    let server = TestServer::with(|config| config.limits = limits).await;
    let ada = server.member("ada").await;
    let (form, json) =
        (format!("Content-Type: {}\r\n", FORM.1), "Content-Type: application/json\r\n");
    let own = format!("{form}Authorization: Bearer {}\r\n", ada.access);
    let picture = crate::photos::form([photo(&vec![0; 30 * MB])]);
    let words = vec![b' '; 30 * MB];
    for (line, headers, body, status) in [
        ("PUT /api/auth/me/photo", own.as_str(), &picture, 400),
        ("PUT /api/auth/me/photo", &form, &picture, 401),
        ("POST /api/auth/login", json, &words, 413),
        ("POST /api/auth/login", "Content-Type: text/plain\r\n", &words, 415),
        ("POST /api/auth/signup", &form, &picture, 429),
        ("POST /nowhere", json, &words, 404),
        ("POST /health", json, &words, 405),
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}");
        for request in [with_length(&head, body), chunked(&head, body)] {
            let answers = converse(&server, &request).await;
            let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|a| &a[..3]).collect();
            assert_eq!(statuses, [&status.to_string(), "200"], "{line}: {answers}");
        }
    }
}

#[tokio::test]
async fn who_asks_before_sending_is_answered_before_sending() {
    let server = TestServer::start().await;
    let address = server.url.strip_prefix("http://").expect("an http URL");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "PUT /api/auth/me/photo HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\n\
         Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n",
        FORM.1
    );
    patiently(stream.write_all(head.as_bytes())).await.expect("sent");
    let mut answer = String::new();
    patiently(stream.read_to_string(&mut answer)).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}
