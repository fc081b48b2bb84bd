//! Bytes that no well-behaved client would send.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::patiently;

/// Host and port of `http://HOST:PORT`.
pub(super) fn authority(url: &str) -> &str {
    url.strip_prefix("http://").expect("an http URL")
}

/// Sends bytes and gives what comes back until the server hangs up.
pub(super) async fn exchange(url: &str, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(authority(url)).await.expect("connected");
    // The server may hang up before it has read everything; what it said before that counts.
    let _ = patiently(stream.write_all(bytes.as_ref())).await;
    rest(&mut stream).await
}

/// What comes until the server hangs up.
pub(super) async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = patiently(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status codes of the answers in `text`, in order.
pub(super) fn statuses(text: &str) -> Vec<u16> {
    let heads = text.split("HTTP/1.1 ").skip(1);
    heads.map(|head| head[..3].parse().expect("a status")).collect()
}

/// The head of a request to open a socket.
pub(super) fn upgrade_request(access: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Authorization: Bearer {access}\r\n\r\n"
    )
}

/// A socket before its first frame.
pub(super) async fn upgraded(mut stream: TcpStream, access: &str) -> TcpStream {
    stream.write_all(upgrade_request(access).as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(patiently(stream.read_u8()).await.expect("an answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

/// A frame (RFC 6455, 5.2) under a mask of zeroes, which leaves the payload as it is.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

pub(super) const TEXT: u8 = 0x81;
