//! One user sends as fast as the line allows, and a pair talks.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use meoww_proto::{
    error::SignalErrorCode,
    signal::{ClientMessage, Relay, RelayPayload, ServerMessage},
};
use serde_json::value::RawValue;

use super::raw::{TEXT, authority, frame, upgrade_request};
use crate::{
    cases,
    harness::TestServer,
    sockets::{chat, meet, room_of_two, welcomed},
};

/// A thread that sends one event again and again, and another that reads the complaints.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    threads: [thread::JoinHandle<()>; 2],
}

impl Flood {
    fn start(url: &str, access: &str, event: &str) -> Self {
        let mut stream = TcpStream::connect(authority(url)).expect("connected");
        stream.write_all(upgrade_request(access).as_bytes()).expect("sent");
        let batch = frame(TEXT, event.as_bytes()).repeat(100);
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut reading = stream.try_clone().expect("cloned");
        let (stopped, count) = (stop.clone(), sent.clone());
        let write = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) && stream.write_all(&batch).is_ok() {
                count.fetch_add(100, Ordering::Relaxed);
            }
            let _ = stream.shutdown(std::net::Shutdown::Both);
        });
        let read = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while reading.read(&mut buffer).is_ok_and(|n| n > 0) {}
        });
        Self { stop, sent, threads: [write, read] }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_talks_through_the_flood_of_another() {
    let server = TestServer::start().await;
    let (_, [mut ada, mut bob], room) = room_of_two(&server).await;
    let eve = server.member("eve").await;
    let (enough_lines, enough_events) = (cases() as usize / 2, cases() as usize * 200);
    for event in [r#"{"event":"search"}"#, r#"{"event":"offer","data":null}"#, "{"] {
        let flood = Flood::start(&server.url, &eve.access, event);
        let (start, mut slowest, mut lines) = (Instant::now(), Duration::ZERO, 0);
        while lines < enough_lines || flood.sent.load(Ordering::Relaxed) < enough_events {
            let said = Instant::now();
            chat(&mut ada, &mut bob, room, &lines.to_string()).await;
            slowest = slowest.max(said.elapsed());
            lines += 1;
            // The pair has a limit of its own.
            tokio::time::sleep(Duration::from_millis(6)).await;
        }
        let rate = flood.sent.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
        println!("{event}: {rate:.0} events/s; {lines} lines, the slowest took {slowest:?}");
        flood.stop();
    }
}

#[tokio::test]
async fn nobody_gets_a_partner_cut_by_a_burst_of_large_offers() {
    let server = TestServer::start().await;
    let (_, mut ada) = server.peer("ada").await;
    let slow = server.member("bob").await;
    let mut bob = server.connect_with_little_room(&slow).await;
    assert_eq!(welcomed(&mut bob).await, None);
    let room = meet(&mut ada, &mut bob).await;
    let large = format!("\"{}\"", "x".repeat(48 * 1024 - 2));
    let offer = RawValue::from_string(large).expect("JSON");
    let payload = RelayPayload::Offer(offer);
    let message = ClientMessage::Relay(Relay { room_id: room, payload }).encode();
    // Nothing is read meanwhile.
    for _ in 0..400 {
        ada.send_text(message.clone()).await;
    }
    ada.expect_error(SignalErrorCode::RateLimited).await;
    // What is dropped is not always answered; sooner or later there is room for a line again.
    loop {
        ada.say(room, "still there?").await;
        match ada.next().now_or_never() {
            Some(ServerMessage::Chat(_)) => break,
            Some(ServerMessage::Error(error)) => {
                assert_eq!(error.code, SignalErrorCode::RateLimited);
            }
            Some(other) => panic!("{other:?}"),
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    let mut offers = 0;
    while let ServerMessage::Signal(_) = bob.next().await {
        offers += 1;
    }
    assert!((4..400).contains(&offers), "{offers}");
}
