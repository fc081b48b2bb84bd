//! Paths that end while a call goes on: outages, other networks, and second offers.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are their own edge")]

mod media;

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use media::{
    Side, connect,
    proxy::{self, Network},
    stranger::Stranger,
    talk,
};
use meoww_cli::{
    core::event::{PeerEvent, Reconnecting, Way},
    peer::PeerConfig,
};
use meoww_proto::account::IceServer;
use rtc::{
    peer_connection::configuration::RTCOfferOptions, rtp_transceiver::rtp_sender::RtpCodecKind,
};
use serde_json::value::to_raw_value;
use tokio::sync::watch;

const HOME: [u8; 4] = [127, 0, 0, 1];
const PHONE: [u8; 4] = [127, 0, 0, 2];
/// In which sound is to be back, and pictures, on a busy machine: goals are one second and two.
const SOUND_WITHIN: Duration = Duration::from_secs(2);
const PICTURE_WITHIN: Duration = Duration::from_secs(4);

/// A side, and the addresses of its machine.
async fn side(is_initiator: bool) -> (Side, watch::Sender<Vec<IpAddr>>) {
    let (addresses, known) = watch::channel(vec![IpAddr::from(HOME)]);
    let config = PeerConfig {
        ice_servers: Vec::<IceServer>::new(),
        way: Way::Direct,
        is_initiator,
        room_id: media::room(),
        addresses: known,
        congestion_control: Default::default(),
    };
    (Side::open_with(config).await, addresses)
}

/// When each side got what of the other again, from a moment on.
#[derive(Debug, Default)]
struct Back {
    sound: [Option<Duration>; 2],
    picture: [Option<Duration>; 2],
}

impl Back {
    fn assert_in_time(&self) {
        for side in 0..2 {
            assert!(self.sound[side].unwrap() < SOUND_WITHIN, "{self:?}");
            assert!(self.picture[side].unwrap() < PICTURE_WITHIN, "{self:?}");
        }
    }
}

/// Hands signals across, until both sides see and hear each other and report no more that is wanted.
async fn until_back(a: &mut Side, b: &mut Side, mut wanted: Vec<fn(&PeerEvent) -> bool>) -> Back {
    let (began, mut back) = (Instant::now(), Back::default());
    a.forget();
    b.forget();
    let find = async {
        while back.sound.contains(&None) || back.picture.contains(&None) || !wanted.is_empty() {
            tokio::select! {
                event = a.events.recv() => {
                    found(&mut wanted, event.as_ref());
                    assert!(!a.pass(event, b), "the first side failed");
                }
                event = b.events.recv() => {
                    found(&mut wanted, event.as_ref());
                    assert!(!b.pass(event, a), "the second side failed");
                }
                Some(_) = a.heard.recv() => {
                    back.sound[0].get_or_insert_with(|| began.elapsed());
                }
                Some(_) = b.heard.recv() => {
                    back.sound[1].get_or_insert_with(|| began.elapsed());
                }
                Ok(()) = a.remote.changed() => {
                    back.picture[0].get_or_insert_with(|| began.elapsed());
                }
                Ok(()) = b.remote.changed() => {
                    back.picture[1].get_or_insert_with(|| began.elapsed());
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), find).await.expect("no path is found");
    back
}

/// Crosses an event off the list, once.
fn found(wanted: &mut Vec<fn(&PeerEvent) -> bool>, event: Option<&PeerEvent>) {
    let Some(event) = event else { return };
    if let Some(at) = wanted.iter().position(|wanted| wanted(event)) {
        wanted.remove(at);
    }
}

/// Hands signals across for a while in which no media comes through.
async fn for_a_while(a: &mut Side, b: &mut Side, long: Duration) {
    let pass = async {
        loop {
            tokio::select! {
                event = a.events.recv() => assert!(!a.pass(event, b)),
                event = b.events.recv() => assert!(!b.pass(event, a)),
            }
        }
    };
    let _ = tokio::time::timeout(long, pass).await;
}

fn is_back(event: &PeerEvent) -> bool {
    matches!(event, PeerEvent::Reconnected { relayed: false })
}

fn is_silent(event: &PeerEvent) -> bool {
    matches!(event, PeerEvent::Reconnecting(Reconnecting::Silence))
}

const DEAD: Network = Network { loss: 1.0, ..Network::PERFECT };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_five_seconds_is_survived() {
    let ((mut a, _home_a), (mut b, _home_b)) = (side(true).await, side(false).await);
    let network = proxy::connect(&mut a, &mut b).await;
    let _talks = [a.voice.clone(), b.voice.clone()].map(|voice| tokio::spawn(talk(voice)));
    network.send_replace(DEAD);
    a.event(is_silent).await;
    b.event(is_silent).await;
    // Two seconds until then, and the rest.
    tokio::time::sleep(Duration::from_secs(3)).await;
    network.send_replace(Network::PERFECT);
    until_back(&mut a, &mut b, vec![is_back, is_back]).await.assert_in_time();
    a.close().await;
    b.close().await;
}

/// Media stops for five seconds, and this machine comes back with another address: nothing that was
/// there leads to it any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_network_after_an_outage_is_found() {
    let ((mut a, _home_a), (mut b, home_b)) = (side(true).await, side(false).await);
    let network = proxy::connect(&mut a, &mut b).await;
    let _talks = [a.voice.clone(), b.voice.clone()].map(|voice| tokio::spawn(talk(voice)));
    network.send_replace(DEAD);
    tokio::time::sleep(Duration::from_secs(5)).await;
    home_b.send_replace(vec![PHONE.into()]);
    until_back(&mut a, &mut b, vec![is_back, is_back]).await.assert_in_time();
    assert!(b.said().contains("127.0.0.2"), "{}", b.said());
    a.close().await;
    b.close().await;
}

/// Both laptops are carried to another room at once: offers cross.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_change_their_network_at_once() {
    let ((mut a, home_a), (mut b, home_b)) = (side(true).await, side(false).await);
    connect(&mut a, &mut b).await;
    let _talks = [a.voice.clone(), b.voice.clone()].map(|voice| tokio::spawn(talk(voice)));
    for network in [PHONE, HOME, PHONE] {
        home_a.send_replace(vec![network.into()]);
        home_b.send_replace(vec![network.into()]);
        until_back(&mut a, &mut b, Vec::new()).await;
        for_a_while(&mut a, &mut b, Duration::from_secs(1)).await;
        until_back(&mut a, &mut b, Vec::new()).await.assert_in_time();
    }
    a.close().await;
    b.close().await;
}

/// The offer, and then what it is answered, are lost with the link to the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_was_lost_is_made_again() {
    let ((mut a, home_a), (mut b, _home_b)) = (side(true).await, side(false).await);
    connect(&mut a, &mut b).await;
    let _talks = [a.voice.clone(), b.voice.clone()].map(|voice| tokio::spawn(talk(voice)));
    home_a.send_replace(vec![PHONE.into()]);
    a.event(|event| matches!(event, PeerEvent::LocalOffer(_))).await;
    let again = a.event(|event| matches!(event, PeerEvent::LocalOffer(_))).await;
    assert!(!a.pass(Some(again), &b));
    b.event(|event| matches!(event, PeerEvent::LocalAnswer(_))).await;
    until_back(&mut a, &mut b, Vec::new()).await;
    for_a_while(&mut a, &mut b, Duration::from_secs(1)).await;
    until_back(&mut a, &mut b, Vec::new()).await.assert_in_time();
    a.close().await;
    b.close().await;
}

/// As a page does with `iceRestart`, and when it adds a track: from both sides of the first offer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_offers_are_answered() {
    for side_offers in [false, true] {
        let mut stranger = Stranger::new().await;
        let mut side = Side::open(side_offers).await;
        if !side_offers {
            stranger.channel("meoww").await;
            stranger.call(&mut side).await;
        }
        stranger.until(&mut side, |event| matches!(event, PeerEvent::Connected { .. })).await;
        let restart = Some(RTCOfferOptions { ice_restart: true });
        let offer = stranger.webrtc.create_offer(restart).await.unwrap();
        stranger.webrtc.set_local_description(offer.clone()).await.unwrap();
        side.peer().remote_offer(to_raw_value(&offer).unwrap());
        let restarted = stranger.answer_of(&mut side).await;
        stranger.apply(&restarted).await;
        stranger.until_path(&mut side).await;
        // It has VP8 alone, so that the section of the track is rejected, and all else goes on.
        stranger.webrtc.add_transceiver_from_kind(RtpCodecKind::Video, None).await.unwrap();
        let offer = stranger.webrtc.create_offer(None).await.unwrap();
        side.peer().remote_offer(to_raw_value(&offer).unwrap());
        let answer = stranger.answer_of(&mut side).await;
        let sections = offer.sdp.matches("\r\nm=").count();
        assert_eq!(answer.get().matches("\\r\\nm=").count(), sections, "{answer}");
        assert!(answer.get().contains("m=video 0 "), "{answer}");
        assert_eq!(ufrag(answer.get()), ufrag(restarted.get()), "ICE goes on");
        side.close().await;
        stranger.webrtc.close().await.unwrap();
    }
}

/// The name of the generation in a description as JSON.
fn ufrag(json: &str) -> &str {
    let (_, rest) = json.split_once("ice-ufrag:").unwrap();
    rest.split_once('\\').unwrap().0
}
