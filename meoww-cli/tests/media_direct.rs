//! From the relay to a direct path in the running call, if both sides want that.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are their own edge")]

mod media;

use std::time::{Duration, Instant};

use media::{Side, connect, coturn, talk};
use meoww_cli::{
    core::event::{GoDirect, PeerEvent, Way},
    sound::room::Received,
};

/// Hands signals across until both sides have reported what is wanted of them.
async fn until(
    (a, wanted_a): (&mut Side, fn(&PeerEvent) -> bool),
    (b, wanted_b): (&mut Side, fn(&PeerEvent) -> bool),
) {
    let (mut found_a, mut found_b) = (false, false);
    let find = async {
        while !(found_a && found_b) {
            tokio::select! {
                event = a.events.recv() => {
                    found_a |= event.as_ref().is_some_and(wanted_a);
                    assert!(!a.pass(event, b), "the first side failed");
                }
                event = b.events.recv() => {
                    found_b |= event.as_ref().is_some_and(wanted_b);
                    assert!(!b.pass(event, a), "the second side failed");
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), find).await.expect("it never happens");
}

/// The record of a side's talk at the other: how many frames never came, and the longest silence.
async fn listen(mut heard: tokio::sync::mpsc::Receiver<Received>) -> (u32, Duration) {
    let (mut lost, mut longest) = (0, Duration::ZERO);
    let mut last: Option<(u16, Instant)> = None;
    while let Some(received) = heard.recv().await {
        let Received::Packet(packet) = received else { continue };
        let now = Instant::now();
        if let Some((sequence, at)) = last.replace((packet.sequence, now)) {
            lost += u32::from(packet.sequence.wrapping_sub(sequence)).saturating_sub(1);
            longest = longest.max(now - at);
        }
    }
    (lost, longest)
}

const ASKED: fn(&PeerEvent) -> bool = |event| matches!(event, PeerEvent::GoDirect(GoDirect::Asked));
const ASKING: fn(&PeerEvent) -> bool =
    |event| matches!(event, PeerEvent::GoDirect(GoDirect::Asking));
const DIRECT: fn(&PeerEvent) -> bool = |event| matches!(event, PeerEvent::Route { relayed: false });

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_agree_to_go_direct_and_sound_goes_on() {
    let relay = coturn::start().await;
    let mut a = Side::open_with(coturn::config(relay.port, true, Way::RelayFirst)).await;
    let mut b = Side::open_with(coturn::config(relay.port, false, Way::RelayFirst)).await;
    connect(&mut a, &mut b).await;
    let _talks = [a.voice.clone(), b.voice.clone()].map(|voice| tokio::spawn(talk(voice)));
    let nothing = || tokio::sync::mpsc::channel(1).1;
    let heard = [&mut a, &mut b].map(|side| std::mem::replace(&mut side.heard, nothing()));
    let heard = heard.map(|heard| tokio::spawn(listen(heard)));
    a.peer().go_direct();
    until((&mut a, ASKING), (&mut b, ASKED)).await;
    for said in [a.said(), b.said()] {
        coturn::assert_names_no_address(&said);
    }
    b.peer().go_direct();
    until((&mut a, DIRECT), (&mut b, DIRECT)).await;
    let last = (a.filmed(), b.filmed());
    b.stamp(|stamp| stamp.counter > last.0).await;
    a.stamp(|stamp| stamp.counter > last.1).await;
    a.close().await;
    b.close().await;
    for heard in heard {
        let (lost, longest) = heard.await.unwrap();
        eprintln!("{lost} frames were lost, none came for {longest:?}");
        // Bridged by the jitter buffer and concealed by libopus without a gap, on a busy machine.
        assert!(longest < Duration::from_millis(200), "nothing for {longest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_side_alone_stays_relayed() {
    let relay = coturn::start().await;
    let mut a = Side::open_with(coturn::config(relay.port, true, Way::Direct)).await;
    let mut b = Side::open_with(coturn::config(relay.port, false, Way::RelayOnly)).await;
    connect(&mut a, &mut b).await;
    b.peer().go_direct();
    let refused = |event: &PeerEvent| matches!(event, PeerEvent::GoDirect(GoDirect::Refused));
    b.event(refused).await;
    assert!(a.peer().stats(Instant::now()).relayed && b.peer().stats(Instant::now()).relayed);
    coturn::assert_names_no_address(&b.said());
    a.close().await;
    b.close().await;
}
