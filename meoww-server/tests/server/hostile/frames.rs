//! Frames that break the rules of RFC 6455, or stretch them.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::raw::{TEXT, authority, frame, rest, upgraded};
use crate::{
    harness::{Member, TestServer, patiently},
    sockets::{chat, room_of_two},
};

const FRAGMENT: u8 = 0x01;
const CONTINUATION: u8 = 0x00;
const LAST: u8 = 0x80;
const PING: u8 = 0x89;

async fn open(server: &TestServer, member: &Member) -> TcpStream {
    let stream = TcpStream::connect(authority(&server.url)).await.expect("connected");
    upgraded(stream, &member.access).await
}

/// Sends frames and gives everything that comes back until the server hangs up.
async fn answer(server: &TestServer, member: &Member, frames: &[u8]) -> String {
    let mut stream = open(server, member).await;
    let _ = stream.write_all(frames).await;
    rest(&mut stream).await
}

#[tokio::test]
async fn frames_against_the_rules_end_their_connection_and_nothing_else() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    let eve = server.member("eve").await;
    let unmasked = [&[TEXT, 2][..], b"{}"].concat();
    let endless = [&[TEXT, 0x80 | 127][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
    let half_the_range = [&[TEXT, 0x80 | 127][..], &(1u64 << 62).to_be_bytes(), &[0; 4]].concat();
    let cases: [(&str, Vec<u8>); 11] = [
        ("no mask", unmasked),
        ("a length with its top bit", endless),
        ("a length nobody has room for", half_the_range),
        ("text that is no UTF-8", frame(TEXT, b"{\"event\":\"\xff\xfe\"}")),
        ("text that ends within a character", frame(TEXT, b"{\"event\":\"\xe2\x82")),
        ("a reserved bit", frame(TEXT | 0x40, b"{}")),
        ("a reserved opcode", frame(0x83, b"{}")),
        ("a ping of 126 bytes", frame(PING, &[0; 126])),
        ("a ping in parts", frame(0x09, b"x")),
        ("a continuation of nothing", frame(LAST | CONTINUATION, b"{}")),
        ("a message within a message", [frame(FRAGMENT, b"{"), frame(TEXT, b"{}")].concat()),
    ];
    for (what, bytes) in cases {
        let heard = answer(&server, &eve, &bytes).await;
        assert!(heard.contains("welcome"), "{what}: {heard}");
        assert!(!heard.contains("bad-event"), "{what} was taken for an event: {heard}");
        chat(&mut ada, &mut bob, room, what).await;
    }
}

#[tokio::test]
async fn a_message_in_parts_is_one_event_and_its_parts_are_bounded_together() {
    let server = TestServer::start().await;
    let eve = server.member("eve").await;
    let mut parts = frame(FRAGMENT, b"{\"event\":");
    parts.extend(frame(PING, b"between"));
    parts.extend(frame(CONTINUATION, b"\"sea"));
    parts.extend(frame(CONTINUATION, b""));
    parts.extend(frame(LAST | CONTINUATION, b"rch\"}"));
    let mut stream = open(&server, &eve).await;
    stream.write_all(&parts).await.expect("sent");
    let mut heard = Vec::new();
    while !heard.ends_with(br#"{"event":"searching","data":{}}"#) {
        heard.push(patiently(stream.read_u8()).await.expect("an answer"));
    }
    assert!(String::from_utf8_lossy(&heard).contains("between"), "the ping was answered");

    // Each part is small; all of them never end.
    let mut stream = open(&server, &eve).await;
    let _ = stream.write_all(&frame(FRAGMENT, b"\"")).await;
    let part = frame(CONTINUATION, &[b'x'; 4096]);
    let mut sent = 0;
    while sent < 8 << 20 && stream.write_all(&part).await.is_ok() {
        sent += part.len();
    }
    let heard = rest(&mut stream).await;
    assert!(heard.contains("too-large"), "{heard}");
}
