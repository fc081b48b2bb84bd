//! HTTP that means one thing to a proxy and another to us, or too much of it.

use serde_json::Value;

use super::raw::{exchange, statuses};
use crate::harness::TestServer;

const GET_HEALTH: &str = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// How many accounts wait for their code; each was asked for by one request that was understood.
async fn mails(server: &TestServer) -> usize {
    let mut count = 0;
    while server.mail_is_waiting().await {
        server.next_code().await;
        count += 1;
    }
    count
}

fn signup(name: &str, headers: &str, chunked: bool) -> String {
    let body = crate::harness::signup(name).to_string();
    let body = if chunked { format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()) } else { body };
    let length =
        if chunked { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!(
        "POST /api/auth/signup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         {length}{headers}\r\n{body}"
    )
}

#[tokio::test]
async fn a_request_of_two_lengths_is_refused() {
    let server = TestServer::start().await;
    let plain = signup("ada", "Connection: close\r\n", false);
    assert_eq!(statuses(&exchange(&server.url, &plain).await), [201], "the tools work");
    let chunked = signup("bob", "Transfer-Encoding: chunked\r\nConnection: close\r\n", true);
    assert_eq!(statuses(&exchange(&server.url, &chunked).await), [201], "the tools work");
    assert_eq!(mails(&server).await, 2);
    for headers in [
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 18446744073709551616\r\n",
    ] {
        let bytes = signup("eve", headers, false) + GET_HEALTH;
        assert_eq!(statuses(&exchange(&server.url, bytes).await), [400], "{headers}");
    }
    for headers in [
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
    ] {
        let bytes = signup("eve", headers, true) + GET_HEALTH;
        let answers = statuses(&exchange(&server.url, bytes).await);
        assert!(answers.len() == 1 && (400..=501).contains(&answers[0]), "{headers}: {answers:?}");
    }
    assert_eq!(mails(&server).await, 0, "none of it was done");
}

/// RFC 9112, 6.3: where both are given, the encoding counts, and the connection is used no more.
#[tokio::test]
async fn what_hides_behind_two_framings_is_never_run() {
    let server = TestServer::start().await;
    let hidden = signup("eve", "", false);
    let whole = format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        5 + hidden.len()
    );
    let answers = statuses(&exchange(&server.url, whole).await);
    assert_eq!((answers.len(), mails(&server).await), (1, 0), "{answers:?}");
}

#[tokio::test]
async fn malformed_heads_and_chunks_are_refused() {
    let server = TestServer::start().await;
    let get = |line: &str| format!("GET /health HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n");
    let chunk = |size: &str| {
        format!(
            "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{size}\r\n{{}}\r\n0\r\n\r\n"
        )
    };
    for bytes in [
        get("X: a\0b"),
        get("X y: z"),
        get(": nameless"),
        get(&format!("X: {}", "y".repeat(1 << 20))),
        get(&format!("Cookie: access_token={}", "y".repeat(1 << 20))),
        get(&"X: y\r\n".repeat(5_000)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20)),
        "GET /health HTTP/9.9\r\n\r\n".into(),
        "GET\0/health HTTP/1.1\r\n\r\n".into(),
        // We speak no HTTP/2.
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".into(),
        chunk("ffffffffffffffffff"),
        chunk("-2"),
        chunk("2g"),
        chunk(&format!("2;{}", "x".repeat(1 << 20))),
    ] {
        let answers = statuses(&exchange(&server.url, &bytes).await);
        let refused = answers.iter().all(|status| (400..=505).contains(status));
        assert!(answers.len() <= 1 && refused, "{bytes:.60}: {answers:?}");
    }
    assert_eq!(statuses(&exchange(&server.url, GET_HEALTH).await), [200]);
}

#[tokio::test]
async fn no_path_leads_out_and_no_method_in() {
    let server = TestServer::start().await;
    for path in [
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/secrets.toml",
        "/photos/../secrets.toml",
        "/photos/..%2fsecrets.toml",
        "/photos/%252e%252e%252fsecrets.toml",
        "/photos/..%5csecrets.toml",
        "/photos/%00",
        "/photos//etc/passwd",
        "/photos/",
        "/api-docs/../../secrets.toml",
        "/api-docs/%2e%2e%2f%2e%2e%2fCargo.toml",
        "//etc/passwd",
        "/api/auth/%6d%65/..",
        "http://elsewhere.example/secrets.toml",
    ] {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = exchange(&server.url, bytes).await;
        let statuses = statuses(&answer);
        assert!(matches!(statuses[..], [400] | [404]), "{path}: {answer}");
        let body = answer.split("\r\n\r\n").nth(1).expect("a body");
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert!(body["error"].is_string(), "{path}: {answer}");
    }
    for method in ["TRACE", "CONNECT", "PATCH", "PROPFIND", "X"] {
        for path in ["/health", "/api/auth/me", "/ws"] {
            let bytes = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answers = statuses(&exchange(&server.url, bytes).await);
            assert!(matches!(answers[..], [400] | [404] | [405]), "{method} {path}: {answers:?}");
        }
    }
}

#[tokio::test]
async fn cookies_and_tokens_of_any_bytes_are_no_tokens() {
    let server = TestServer::start().await;
    let long = "a.".repeat(20_000);
    for line in [
        b"Cookie: access_token=\xff\xfe".as_slice(),
        b"Cookie: access_token",
        b"Cookie: =;=;;;access_token=;access_token=x;access_token=%00",
        b"Cookie: access_token=\"\\\"",
        b"Authorization: Bearer",
        b"Authorization: Bearer \xff",
        b"Authorization: \xe2\x80\xae",
        b"Authorization: Basic YWRhOmFkYQ==",
        format!("Authorization: Bearer {long}").as_bytes(),
        format!("Cookie: {}", "a=b; ".repeat(8_000)).as_bytes(),
    ] {
        let head = b"GET /api/auth/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        let bytes = [head, line, b"\r\n\r\n"].concat();
        let answers = statuses(&exchange(&server.url, bytes).await);
        assert_eq!(answers, [401], "{}", String::from_utf8_lossy(&line[..line.len().min(60)]));
    }
}
