//! When a socket is given up on, in virtual time.
#![expect(clippy::disallowed_methods, reason = "tests read the clock")]

use futures_util::StreamExt;
use meoww_proto::signal::ServerMessage;
use tokio::{
    io::AsyncReadExt,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::tungstenite::{self, Message};

use super::*;
use crate::{
    hub::ConnectionSelector,
    sockets::session::PING_INTERVAL,
    testing::{Pipes, ROOMY, Socket, bearer, next_event},
};

async fn welcomed(socket: &mut Socket) {
    assert!(matches!(next_event(socket).await, ServerMessage::Welcome(_)));
}

async fn search(socket: &mut Socket) {
    let message = ClientMessage::Search(Default::default());
    socket.send(tungstenite::Message::Text(message.encode().into())).await.expect("sent");
}

#[tokio::test]
async fn a_quiet_client_is_asked_whether_it_is_there_and_stays_if_it_is() {
    let pipes = Pipes::start().await;
    let mut ada = pipes.socket(1, "/ws", ROOMY).await;
    let start = Instant::now();
    let mut asked = Vec::new();
    // Reading is what answers a ping.
    let _ = timeout(Duration::from_secs(601), async {
        while let Some(Ok(frame)) = ada.next().await {
            if matches!(frame, Message::Ping(_)) {
                asked.push(start.elapsed().as_secs());
            }
        }
    })
    .await;
    let expected: Vec<_> = (20..=10 * 60).step_by(20).collect();
    assert_eq!(asked, expected, "every {PING_INTERVAL:?}");
    assert_eq!(pipes.services.hub.counts().await.connections, 1);
}

#[tokio::test]
async fn who_answers_no_ping_is_gone_and_has_half_a_minute_to_come_back() {
    let pipes = Pipes::start().await;
    let mut ada = pipes.socket(1, "/ws", ROOMY).await;
    let mut bob = pipes.socket(2, "/ws", ROOMY).await;
    for socket in [&mut ada, &mut bob] {
        welcomed(socket).await;
        search(socket).await;
        while !matches!(
            next_event(socket).await,
            ServerMessage::Searching | ServerMessage::Matched(_)
        ) {}
    }
    let start = Instant::now();
    // Ada's system takes everything in, and she does nothing.
    let mut dead = ada.into_inner();
    let mut bytes = Vec::new();
    let ends = timeout(2 * SILENCE_LIMIT, dead.read_to_end(&mut bytes));
    let bob_hears = async {
        loop {
            match next_event(&mut bob).await {
                ServerMessage::PeerDisconnected { .. } => return start.elapsed().as_secs(),
                ServerMessage::Matched(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let ada_is_gone = async {
        ends.await.expect("the server hangs up").expect("in order");
        start.elapsed().as_secs()
    };
    let (ada_is_gone, bob_hears) = tokio::join!(ada_is_gone, bob_hears);
    // Asked at full intervals, and what she did last was to search.
    assert_eq!(ada_is_gone, SILENCE_LIMIT.as_secs());
    assert_eq!(bob_hears, SILENCE_LIMIT.as_secs() + 30);
}

#[tokio::test]
async fn who_takes_nothing_in_is_given_up_though_little_waits() {
    let pipes = Pipes::start().await;
    let mut bob = pipes.socket(2, "/ws", ROOMY).await;
    welcomed(&mut bob).await;
    let _deaf = pipes.socket(1, "/ws", 512).await;
    sleep(PING_INTERVAL / 2).await;
    pipes.services.hub.broadcast("x".repeat(4096)).await;
    let start = Instant::now();
    let mut bytes = Vec::new();
    let mut bob = bob.into_inner();
    let read = async {
        let _ = bob.read_to_end(&mut bytes).await;
    };
    let wait = async {
        while pipes.services.hub.counts().await.connections == 2 {
            sleep(Duration::from_millis(100)).await;
        }
        start.elapsed().as_secs()
    };
    let seconds = tokio::select! {
        () = read => panic!("who reads stays"),
        seconds = wait => seconds,
    };
    assert_eq!(seconds, WRITE_TIMEOUT.as_secs());
}

#[tokio::test]
async fn who_stays_too_far_behind_is_cut_at_once() {
    let pipes = Pipes::start().await;
    let _deaf = pipes.socket(1, "/ws", 512).await;
    sleep(PING_INTERVAL / 2).await;
    let start = Instant::now();
    for _ in 0..600 {
        pipes.services.hub.broadcast("x".repeat(64)).await;
    }
    assert!(pipes.deserted(start).await < Duration::from_secs(1));
    assert_eq!(pipes.services.hub.metrics.slow_clients_disconnected.get(), 1);
}

#[tokio::test]
async fn who_is_closed_and_does_not_hang_up_is_left_after_its_last_words() {
    let pipes = Pipes::start().await;
    let mut ada = pipes.socket(1, "/ws", ROOMY).await;
    welcomed(&mut ada).await;
    let start = Instant::now();
    pipes
        .services
        .hub
        .close(ConnectionSelector::User(bearer(1).user), SignalErrorCode::Banned)
        .await;
    let mut bytes = Vec::new();
    let mut ada = ada.into_inner();
    timeout(SILENCE_LIMIT, ada.read_to_end(&mut bytes)).await.expect("it ends").expect("in order");
    assert!(String::from_utf8_lossy(&bytes).contains("banned"), "{bytes:?}");
    assert_eq!(start.elapsed().as_secs(), LINGER.as_secs());
}
