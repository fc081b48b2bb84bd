//! What the Node.js backend took from its clients, and this one takes as well.

use std::io::Write;

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    harness::{PASSWORD, Reply, TestServer, signup},
    sockets::meet,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A stream of one uncompressed block (RFC 7932, 9.2): a window of 16 bits, a length of 16 bits
/// less one, and an empty last block.
fn brotli(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u32 - 1;
    let header = (length & 0xffff) << 4 | 1 << 20;
    [&header.to_le_bytes()[..3], bytes, &[3]].concat()
}

async fn login_with(server: &TestServer, encoding: &str, body: Vec<u8>) -> Reply {
    let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
    server.send(Method::POST, "/api/auth/login", &headers, body).await
}

#[tokio::test]
async fn paths_may_end_in_a_slash_and_shout() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    for path in ["/api/auth/me/", "/API/Auth/ME", "/api/auth/sessions/"] {
        assert_eq!(server.get_as(path, &ada.access).await.status, StatusCode::OK, "{path}");
    }
    let login =
        server.post("/Api/Auth/Login/", json!({ "email": ada.email, "password": PASSWORD }));
    assert_eq!(login.await.status, StatusCode::OK);
    assert_eq!(server.send(Method::GET, "/HEALTH/", &[], "").await.status, StatusCode::OK);
    let bearer = format!("Bearer {}", ada.access);
    assert!(server.open_at("/ws/", &[("authorization", &bearer)]).await.is_ok());
}

#[tokio::test]
async fn bodies_may_be_compressed() {
    let server = TestServer::start().await;
    let ada = server.member("ada").await;
    let body = json!({ "email": ada.email, "password": PASSWORD }).to_string();
    for (encoding, body) in [
        ("gzip", gzip(body.as_bytes())),
        ("GZIP", gzip(body.as_bytes())),
        ("x-gzip", gzip(body.as_bytes())),
        ("deflate", zlib(body.as_bytes())),
        ("br", brotli(body.as_bytes())),
        ("identity", body.clone().into_bytes()),
        ("Identity", body.clone().into_bytes()),
    ] {
        let reply = login_with(&server, encoding, body).await;
        assert_eq!(reply.status, StatusCode::OK, "{encoding}: {}", reply.body);
    }
    let unknown = login_with(&server, "zstd", body.clone().into_bytes()).await;
    assert_eq!(unknown.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(unknown.error(), "Send the body as it is, or in gzip, deflate or br");
    let broken = login_with(&server, "gzip", body.into_bytes()).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
}

/// A thousand times smaller on the wire than in memory.
#[tokio::test]
async fn what_a_body_decompresses_to_is_bounded() {
    let server = TestServer::start().await;
    let spaces = vec![b' '; 100_000_000];
    for (encoding, body) in [("gzip", gzip(&spaces)), ("deflate", zlib(&spaces))] {
        assert!(body.len() < 200_000);
        let reply = login_with(&server, encoding, body).await;
        assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE, "{encoding}");
    }
}

#[tokio::test]
async fn json_may_begin_with_a_byte_order_mark_and_hold_half_an_emoji() {
    let server = TestServer::start().await;
    let mut body = signup("ada");
    body["name"] = "Ada HALF".into();
    let body = body.to_string().replace("HALF", r"\ud83d");
    let headers = [("content-type", "application/json")];
    let reply = server.send(Method::POST, "/api/auth/signup", &headers, format!("\u{feff}{body}"));
    let reply = reply.await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
    let user = reply.body["userId"].as_str().expect("an id").to_owned();
    let code = server.next_code().await.code;
    let reply = server.verify(&user, &code).await;
    assert_eq!(reply.body["user"]["name"], "Ada \u{fffd}");
}

#[tokio::test]
async fn half_an_emoji_in_a_chat_line_reaches_the_partner_as_a_replacement() {
    let server = TestServer::start().await;
    let (_ada, mut ada) = server.peer("ada").await;
    let (_bob, mut bob) = server.peer("bob").await;
    let room = meet(&mut ada, &mut bob).await;
    let line =
        format!(r#"{{"event":"send-message","data":{{"roomId":"{room}","text":"miao \ud83d"}}}}"#);
    ada.send_text(line).await;
    bob.expect_chat("miao \u{fffd}", false).await;
}

#[tokio::test]
async fn pages_may_send_other_headers() {
    let server = TestServer::start().await;
    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-requested-with"),
        ];
        server.send(Method::OPTIONS, "/api/auth/login", &headers, "").await
    };
    let known = preflight("http://localhost:5173").await;
    assert_eq!(known.status, StatusCode::NO_CONTENT);
    assert_eq!(known.headers["access-control-allow-headers"], "content-type,x-requested-with");
    assert_eq!(known.body, Value::Null);
    let foreign = preflight("https://evil.example").await;
    assert!(!foreign.headers.contains_key("access-control-allow-origin"));
}
