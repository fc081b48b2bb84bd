//! Against the real `nats-server`.

use super::*;
use crate::testing::nats::{Nats, cluster_of};
use uuid::Uuid;

fn key(secret: u8) -> BusKey {
    BusKey::derive(&[secret; 32], &[0; 32], Uuid::nil())
}

fn node(number: u32) -> NodeId {
    NodeId::new(number).expect("a node")
}

async fn join(url: &str, number: u32) -> (Bus, Incoming) {
    Bus::connect(&Secret::new(url.into()), key(1), node(number)).await.expect("joined")
}

async fn next(incoming: &mut Incoming) -> Bytes {
    incoming.recv().await.expect("the bus is there")
}

/// Sends a body until it arrives, as a link does.
async fn get_through(from: &Bus, to: u32, incoming: &mut Incoming, body: &[u8]) {
    loop {
        from.send(Some(node(to)), body);
        let patience = tokio::time::timeout(Duration::from_millis(50), next(incoming)).await;
        if patience.is_ok_and(|received| received == body) {
            return;
        }
    }
}

#[tokio::test]
async fn one_node_reaches_another_or_all_others() {
    let nats = Nats::start_with(&[]).await;
    let (first, mut to_first) = join(&nats.url(), 1).await;
    let (second, mut to_second) = join(&nats.url(), 2).await;
    let (_third, mut to_third) = join(&nats.url(), 3).await;
    // Until the server has heard of all three.
    get_through(&first, 2, &mut to_second, b"hello").await;
    get_through(&first, 3, &mut to_third, b"hello").await;
    get_through(&second, 1, &mut to_first, b"hello").await;
    first.send(None, b"to all");
    first.send(Some(node(2)), b"to the second");
    assert_eq!(next_but_hello(&mut to_third).await, "to all");
    let mut both = [next_but_hello(&mut to_second).await, next_but_hello(&mut to_second).await];
    both.sort();
    assert_eq!(both, ["to all", "to the second"]);
    second.send(Some(node(1)), b"to the first");
    assert_eq!(next_but_hello(&mut to_first).await, "to the first", "and nothing of its own");
}

/// Skips what was sent more often than it took.
async fn next_but_hello(incoming: &mut Incoming) -> Bytes {
    loop {
        let message = next(incoming).await;
        if message != "hello" {
            return message;
        }
    }
}

#[tokio::test]
async fn messages_of_others_are_not_taken() {
    let nats = Nats::start_with(&[]).await;
    let (ours, mut incoming) = join(&nats.url(), 1).await;
    let stranger = async_nats::connect(nats.url()).await.expect("NATS lets anybody in");
    let subject = key(1).subject(Some(node(1)));
    let (friend, _) = join(&nats.url(), 2).await;
    get_through(&friend, 1, &mut incoming, b"hello").await;
    let forged = key(2).seal(b"forged");
    for message in [forged, Bytes::from_static(b""), Bytes::from_static(&[1; 100])] {
        stranger.publish(subject.clone(), message).await.expect("sent");
    }
    stranger.publish(subject, key(1).seal(b"genuine")).await.expect("sent");
    assert_eq!(next_but_hello(&mut incoming).await, "genuine");
    assert_eq!(ours.metrics.rejected.get(), 3);
}

#[tokio::test]
async fn fleets_on_one_bus_do_not_hear_each_other() {
    let nats = Nats::start_with(&[]).await;
    let url = Secret::new(nats.url());
    let (ours, _to_ours) = join(&nats.url(), 1).await;
    let (theirs, mut to_theirs) = Bus::connect(&url, key(2), node(2)).await.expect("joined");
    let (theirs_too, _) = Bus::connect(&url, key(2), node(3)).await.expect("joined");
    ours.send(None, b"ours");
    ours.send(Some(node(2)), b"ours");
    // Behind them on the server: the subjects of one client are served in order.
    get_through(&theirs_too, 2, &mut to_theirs, b"theirs").await;
    assert_eq!(theirs.metrics.rejected.get(), 0);
}

#[tokio::test]
async fn while_nats_is_away_nothing_waits_and_later_all_goes_on() {
    let mut nats = Nats::start_with(&[]).await;
    let (_first, mut to_first) = join(&nats.url(), 1).await;
    let (second, _to_second) = join(&nats.url(), 2).await;
    let speak = async || {
        for _ in 0..10 * OUTGOING {
            second.send(Some(node(1)), b"into nothing");
        }
    };
    nats.restart(speak).await;
    get_through(&second, 1, &mut to_first, b"again").await;
    assert!(second.metrics.unsent.get() > 0);
}

#[tokio::test]
async fn another_server_of_the_cluster_takes_over() {
    let mut cluster = cluster_of(3).await;
    let (first, mut to_first) = join(&cluster[0].url(), 1).await;
    let (second, mut to_second) = join(&cluster[1].url(), 2).await;
    get_through(&first, 2, &mut to_second, b"over a route").await;
    let meanwhile = async || {
        get_through(&first, 2, &mut to_second, b"there").await;
        get_through(&second, 1, &mut to_first, b"and back").await;
    };
    cluster[0].restart(meanwhile).await;
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let refusal = async |url: &str| {
        let joined = Bus::connect(&Secret::new(url.into()), key(1), node(1)).await;
        joined.expect_err("refused").to_string()
    };
    let nats = Nats::start_with(&["--user", "meoww", "--pass", "right"]).await;
    let address = nats.address;
    let words = refusal(&format!("nats://meoww:wrong@{address}")).await;
    assert!(words.contains("does not take this user") && !words.contains("wrong"), "{words}");
    assert!(words.contains(&address.to_string()), "{words}");
    let welcome = format!("nats://meoww:r%69ght@{address}");
    Bus::connect(&Secret::new(welcome), key(1), node(1)).await.expect("let in");
    let words = refusal(&format!("tls://meoww:right@{address}")).await;
    assert!(words.contains("no TLS with") && words.contains("corrupt message"), "{words}");
    for (url, expected) in
        [("", "it is empty"), (" , ", "it is empty"), ("nats://me:secret@[", "no URL")]
    {
        let words = refusal(url).await;
        assert!(words.contains(expected) && !words.contains("secret"), "{words}");
    }
    drop(nats);
    let words = refusal(&format!("nats://me:secret@{address}")).await;
    assert!(words.contains("cannot use a NATS server") && !words.contains("secret"), "{words}");
}
