//! Engine.IO and Socket.IO to the letter, where clients rely on it.

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::*;

const UNKNOWN: StatusCode = StatusCode::BAD_REQUEST;

async fn status_of(pipes: &Pipes, method: Method, path: &str, body: Body) -> StatusCode {
    send(pipes, Request::builder().method(method).uri(path), body).await.0
}

/// A WebSocket that took over from polling.
async fn upgraded(pipes: &Pipes, path: &str) -> Socket {
    let mut socket = probed(pipes, path).await;
    say(&mut socket, engine::UPGRADE).await;
    say(&mut socket, r#"42["dance"]"#).await;
    while !next_text(&mut socket).await.expect("a packet").contains("unknown-event") {}
    socket
}

async fn probed(pipes: &Pipes, path: &str) -> Socket {
    let mut socket = pipes.socket(1, &path.replace("polling", "websocket"), ROOMY).await;
    say(&mut socket, engine::PROBE).await;
    assert_eq!(next_text(&mut socket).await.as_deref(), Some(engine::PROBED));
    socket
}

async fn close_code(socket: &mut Socket) -> Option<CloseCode> {
    loop {
        match timeout(LONG, socket.next()).await.expect("it ends") {
            Some(Ok(Frame::Close(frame))) => return frame.map(|frame| frame.code),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn the_id_that_a_client_shows_around_is_no_key_to_its_transport() {
    let pipes = Pipes::start().await;
    let (_, open) = ask(&pipes, POLLING, None).await;
    let open: serde_json::Value = serde_json::from_str(&open[1..]).expect("an open packet");
    let path = format!("{POLLING}&sid={}", open["sid"].as_str().expect("a session"));
    assert_eq!(ask(&pipes, &path, Some("40")).await.0, StatusCode::OK);
    let (_, packets) = ask(&pipes, &path, None).await;
    let connected = packets.split(engine::SEPARATOR).next().expect("a packet");
    let connected: serde_json::Value = serde_json::from_str(&connected[2..]).expect("an id");
    assert_ne!(connected["sid"], open["sid"]);
    let shown = format!("{POLLING}&sid={}", connected["sid"].as_str().expect("an id"));
    assert_eq!(ask(&pipes, &shown, None).await.0, UNKNOWN);
    assert_eq!(ask(&pipes, &shown, Some("41")).await.0, UNKNOWN);
}

#[tokio::test]
async fn a_transport_that_was_upgraded_takes_no_more_http() {
    let pipes = Pipes::start().await;
    let path = polling(&pipes).await;
    let mut late = probed(&pipes, &path).await;
    let mut socket = upgraded(&pipes, &path).await;
    for body in [None, Some("41"), Some("1")] {
        assert_eq!(ask(&pipes, &path, body).await.0, UNKNOWN, "{body:?}");
    }
    let upgrade = path.replace("polling", "websocket");
    let refused = pipes.try_socket(1, &upgrade, ROOMY).await;
    assert!(refused.is_err(), "a second upgrade");
    say(&mut late, engine::UPGRADE).await;
    assert_eq!(close_code(&mut late).await, None, "a second one that had begun before");
    say(&mut socket, r#"42["dance"]"#).await;
    while !next_text(&mut socket).await.expect("a packet").contains("unknown-event") {}
}

#[tokio::test]
async fn a_poll_that_waits_for_an_upgrade_is_ended_by_it() {
    let pipes = Pipes::start().await;
    let path = polling(&pipes).await;
    let (answer, _socket) = tokio::join!(ask(&pipes, &path, None), upgraded(&pipes, &path));
    assert!(answer.0 == StatusCode::OK && answer.1.contains(engine::NOOP), "{answer:?}");
}

#[tokio::test]
async fn a_goodbye_ends_the_poll_with_nothing() {
    let pipes = Pipes::start().await;
    for goodbye in ["1", "41", "6\u{1e}1"] {
        let path = polling(&pipes).await;
        let polled = async {
            loop {
                let (status, packets) = ask(&pipes, &path, None).await;
                if !packets.starts_with("42") {
                    return (status, packets);
                }
            }
        };
        let said = async {
            sleep(Duration::from_secs(2)).await;
            ask(&pipes, &path, Some(goodbye)).await
        };
        let (polled, said) = tokio::join!(polled, said);
        assert_eq!(polled, (StatusCode::OK, engine::NOOP.to_owned()));
        assert_eq!(said, (StatusCode::OK, "ok".to_owned()));
        assert_eq!(ask(&pipes, &path, None).await.0, UNKNOWN);
    }
    let mut socket = client(&pipes, ROOMY).await;
    say(&mut socket, "1").await;
    while next_text(&mut socket).await.is_some() {}
    assert_eq!(pipes.services.hub.counts().await.connections, 0);
}

#[tokio::test]
async fn two_polls_at_once_end_the_transport() {
    let pipes = Pipes::start().await;
    let path = polling(&pipes).await;
    // What is left to be said, so that the next poll waits.
    sleep(Duration::from_secs(2)).await;
    let _ = ask(&pipes, &path, None).await;
    let second = async {
        sleep(Duration::from_secs(1)).await;
        ask(&pipes, &path, None).await.0
    };
    let (first, second) = tokio::join!(ask(&pipes, &path, None), second);
    assert_eq!(first, (StatusCode::OK, engine::CLOSE.to_owned()));
    assert_eq!(second, UNKNOWN);
    assert_eq!(ask(&pipes, &path, None).await.0, UNKNOWN);
}

#[tokio::test]
async fn what_is_no_packet_ends_the_transport() {
    let pipes = Pipes::start().await;
    for body in ["abc", "", "3\u{1e}", "3\u{1e}0{}", "2"] {
        let path = polling(&pipes).await;
        let (status, _) = ask(&pipes, &path, Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body:?}");
        assert_eq!(ask(&pipes, &path, None).await.0, UNKNOWN, "{body:?}");
    }
    for packet in ["abc", "", "0", "4abc"] {
        let mut socket = client(&pipes, ROOMY).await;
        say(&mut socket, packet).await;
        while next_text(&mut socket).await.is_some() {}
    }
    assert_eq!(pipes.services.hub.counts().await.connections, 0);
}

#[tokio::test]
async fn a_handshake_is_a_get_of_a_known_protocol_by_a_known_transport() {
    let pipes = Pipes::start().await;
    for (method, path) in [
        (Method::POST, POLLING),
        (Method::POST, WEBSOCKET),
        (Method::GET, "/socket.io/?transport=polling"),
        (Method::GET, "/socket.io/?EIO=3&transport=polling"),
        (Method::GET, "/socket.io/?EIO=4"),
        (Method::GET, "/socket.io/?EIO=4&transport=abc"),
        (Method::GET, "/socket.io/?EIO=4&transport=polling&sid=abc"),
    ] {
        let status = status_of(&pipes, method.clone(), path, Body::empty()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_over_the_payload_of_the_handshake_closes_the_socket_with_1009() {
    let pipes = Pipes::start().await;
    let (_, open) = ask(&pipes, POLLING, None).await;
    let open: serde_json::Value = serde_json::from_str(&open[1..]).expect("an open packet");
    let most = usize::try_from(open["maxPayload"].as_u64().expect("a number")).expect("small");
    let fits = format!("42{}", "[".repeat(most - 2));
    let path = polling(&pipes).await;
    let roomy = 4 * ws::MAX_FRAME_BYTES;
    for mut socket in [client(&pipes, roomy).await, upgraded(&pipes, &path).await] {
        say(&mut socket, &fits).await;
        while !next_text(&mut socket).await.expect("it goes on").contains("too-large") {}
        let _ = socket.send(Frame::Text(format!("{fits}[").into())).await;
        assert_eq!(close_code(&mut socket).await, Some(CloseCode::Size));
    }
    let path = polling(&pipes).await;
    assert_eq!(ask(&pipes, &path, Some(&fits)).await.0, StatusCode::OK);
    let status = ask(&pipes, &path, Some(&format!("{fits}["))).await.0;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_post_of_very_many_packets_is_handled_and_answered() {
    let pipes = Pipes::start().await;
    let path = polling(&pipes).await;
    let pongs = vec!["3"; ws::MAX_FRAME_BYTES / 2].join("\u{1e}");
    assert_eq!(ask(&pipes, &path, Some(&pongs)).await, (StatusCode::OK, "ok".to_owned()));
}
