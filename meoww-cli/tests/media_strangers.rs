//! What a stranger may send and do: calls without pictures, connections that fail, and nothing else.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are their own edge")]

mod media;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use media::{
    Side,
    stranger::{self, Stranger},
};
use meoww_cli::core::event::{NoPicture, PeerEvent};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::value::{RawValue, to_raw_value};

fn raw(json: impl Into<String>) -> Box<RawValue> {
    RawValue::from_string(json.into()).unwrap()
}

/// A real offer's SDP.
async fn offer() -> String {
    let mut side = Side::open(true).await;
    let offer = side.event(|event| matches!(event, PeerEvent::LocalOffer(_))).await;
    side.close().await;
    let PeerEvent::LocalOffer(offer) = offer else { unreachable!() };
    let offer: serde_json::Value = serde_json::from_str(offer.get()).unwrap();
    offer["sdp"].as_str().unwrap().to_owned()
}

/// What becomes of an offer: an answer, or an end.
async fn reaction(sdp: &str) -> PeerEvent {
    let mut side = Side::open(false).await;
    side.peer()
        .remote_offer(to_raw_value(&serde_json::json!({"type": "offer", "sdp": sdp})).unwrap());
    let wanted =
        |event: &PeerEvent| matches!(event, PeerEvent::LocalAnswer(_) | PeerEvent::Failed(_));
    let event = side.event(wanted).await;
    side.close().await;
    event
}

/// What is reported of an offer, up to its answer or end.
async fn reports(sdp: &str) -> Vec<PeerEvent> {
    let mut side = Side::open(false).await;
    side.peer()
        .remote_offer(to_raw_value(&serde_json::json!({"type": "offer", "sdp": sdp})).unwrap());
    let mut reported = Vec::new();
    loop {
        reported.push(side.event(|_| true).await);
        if matches!(reported.last(), Some(PeerEvent::LocalAnswer(_) | PeerEvent::Failed(_))) {
            side.close().await;
            return reported;
        }
    }
}

fn no_picture(events: &[PeerEvent]) -> Option<NoPicture> {
    events.iter().find_map(|event| match event {
        PeerEvent::NoPicture(why) => Some(*why),
        _ => None,
    })
}

/// The sections of the answer, by their first lines.
fn answered(events: &[PeerEvent]) -> Vec<String> {
    let Some(PeerEvent::LocalAnswer(answer)) = events.last() else { panic!("{events:?}") };
    let answer: serde_json::Value = serde_json::from_str(answer.get()).unwrap();
    let lines = answer["sdp"].as_str().unwrap().lines();
    lines.filter(|line| line.starts_with("m=")).map(str::to_owned).collect()
}

fn crlf(sdp: &str) -> String {
    sdp.replace('\n', "\r\n")
}

/// Chromium with H.264 switched off, and Firefox before its plugin has come: a call without pictures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_without_h264_is_answered_without_pictures() {
    let sdp = crlf(&BROWSER.replace("H264/90000", "VP9/90000"));
    let events = reports(&sdp).await;
    assert_eq!(no_picture(&events), Some(NoPicture::NoCommonCodec));
    let sections = answered(&events);
    assert!(sections[0].starts_with("m=audio 9") && sections[2].starts_with("m=application 9"));
    assert_eq!(sections[1], "m=video 0 UDP/TLS/RTP/SAVPF 96 97 106 107");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_in_common_it_is_said_what_is_missing() {
    let video = BROWSER.find("m=video").unwrap()..BROWSER.find("m=application").unwrap();
    let session = BROWSER.split("m=audio").next().unwrap();
    let sdp = crlf(&format!("{session}{}", &BROWSER[video].replace("H264", "AV1")));
    let events = reports(&sdp).await;
    let [PeerEvent::Failed(why)] = &events[..] else { panic!("{events:?}") };
    assert!(why.contains("H.264"), "{why}");
}

/// Whatever a page leaves out, an answer comes, and it is said that no picture will.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_without_pictures_are_answered_and_told() {
    let video = BROWSER.find("m=video").unwrap();
    let data = BROWSER.find("m=application").unwrap();
    let (session, audio) = BROWSER[..video].split_at(BROWSER.find("m=audio").unwrap());
    let without = [
        format!("{session}{audio}"),
        format!("{session}{}", &BROWSER[data..]),
        BROWSER.replace("a=sendrecv\na=msid:stream video", "a=recvonly"),
        BROWSER.replace("m=video 9", "m=video 0"),
    ];
    for sdp in without {
        let events = reports(&crlf(&sdp)).await;
        assert_eq!(no_picture(&events), Some(NoPicture::NotSent), "{sdp}");
        assert!(!answered(&events).is_empty());
    }
    assert_eq!(no_picture(&reports(&crlf(BROWSER)).await), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_rejects_video_makes_a_call_without_pictures() {
    let (mut side, mut stranger) = (Side::open(true).await, Stranger::new().await);
    let connected = |event: &PeerEvent| matches!(event, PeerEvent::Connected { .. });
    let events = stranger.until(&mut side, connected).await;
    assert_eq!(no_picture(&events), Some(NoPicture::NoCommonCodec), "{events:?}");
    side.close().await;
}

/// Each would be kept with 256 messages, 65,535 times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_data_channels_are_closed_and_too_many_end_the_call() {
    let (mut side, mut stranger) = (Side::open(false).await, Stranger::new().await);
    let ours = stranger.channel("meoww").await;
    let foreign = stranger.channel("files").await;
    stranger.call(&mut side).await;
    stranger.until(&mut side, |event| matches!(event, PeerEvent::Connected { .. })).await;
    stranger::closed(&*foreign).await;
    let twin = stranger.channel("meoww").await;
    stranger::closed(&*twin).await;
    assert!(ours.send_text(r#"{"type":"camera","on":false}"#).await.is_ok());
    let mut more = Vec::new();
    for n in 0..20 {
        more.push(stranger.channel(&format!("flood {n}")).await);
    }
    let events = stranger.until(&mut side, |event| matches!(event, PeerEvent::Failed(_))).await;
    let Some(PeerEvent::Failed(why)) = events.last() else { unreachable!() };
    assert!(why.contains("data channel"), "{why}");
    side.close().await;
}

/// As Chromium offers camera, microphone and a data channel, with other codecs before ours.
const BROWSER: &str = "v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=extmap-allow-mixed
a=msid-semantic: WMS stream
m=audio 9 UDP/TLS/RTP/SAVPF 111 0
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:h8dV
a=ice-pwd:asd88fgpdd777uzjYhagZgaa
a=ice-options:trickle
a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F
a=setup:actpass
a=mid:0
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=sendrecv
a=msid:stream audio
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000
a=ssrc:1111 cname:x
m=video 9 UDP/TLS/RTP/SAVPF 96 97 106 107
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:h8dV
a=ice-pwd:asd88fgpdd777uzjYhagZgaa
a=ice-options:trickle
a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F
a=setup:actpass
a=mid:1
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=sendrecv
a=msid:stream video
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:106 H264/90000
a=rtcp-fb:106 transport-cc
a=rtcp-fb:106 ccm fir
a=rtcp-fb:106 nack
a=rtcp-fb:106 nack pli
a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:107 rtx/90000
a=fmtp:107 apt=106
a=ssrc-group:FID 2222 3333
a=ssrc:2222 cname:x
a=ssrc:3333 cname:x
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:h8dV
a=ice-pwd:asd88fgpdd777uzjYhagZgaa
a=ice-options:trickle
a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F
a=setup:actpass
a=mid:2
a=sctp-port:5000
a=max-message-size:262144
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browsers_offer_is_answered() {
    let PeerEvent::LocalAnswer(answer) = reaction(&crlf(BROWSER)).await else {
        panic!("it was refused");
    };
    let answer: serde_json::Value = serde_json::from_str(answer.get()).unwrap();
    let answer = answer["sdp"].as_str().unwrap();
    assert!(answer.contains("a=rtpmap:106 H264/90000") && !answer.contains("VP8"), "{answer}");
    assert!(answer.contains("profile-level-id=42e032"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_instead_of_an_offer_fails() {
    for noise in ["null", "7", "[]", "{}", r#"{"type":"offer","sdp":"v=0"}"#] {
        let mut side = Side::open(false).await;
        side.peer().remote_offer(raw(noise));
        side.event(|event| matches!(event, PeerEvent::Failed(_))).await;
        side.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_among_the_candidates_is_ignored() {
    let (mut a, mut b) = media::pair().await;
    for noise in ["null", "{}", r#"{"candidate":""}"#, r#"{"candidate":"candidate:x"}"#] {
        a.peer().remote_candidate(raw(noise));
        b.peer().remote_candidate(raw(noise));
    }
    media::connect(&mut a, &mut b).await;
    for _ in 0..200 {
        let json = r#"{"candidate":"candidate:1 1 udp 1 no.such.local 9 typ host","sdpMid":"0"}"#;
        a.peer().remote_candidate(raw(json));
    }
    a.next_stamp().await;
    a.close().await;
    b.close().await;
}

/// Lines of a real offer dropped, doubled, swapped and damaged: an answer or a failure, no panic.
#[test]
fn damaged_offers_never_panic() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let panics = Arc::new(AtomicUsize::new(0));
    let (count, print) = (panics.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        count.fetch_add(1, Ordering::Relaxed);
        print(info);
    }));
    let sdp = runtime.block_on(offer());
    let lines: Vec<_> = sdp.lines().map(str::to_owned).collect();
    let damage = (any::<prop::sample::Index>(), 0..4, any::<prop::sample::Index>(), "[ -~]{0,12}");
    let damages = prop::collection::vec(damage, 1..5);
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(64) });
    let outcome = runner.run(&damages, |damages| {
        let mut lines = lines.clone();
        for (line, kind, other, text) in damages {
            let (line, other) = (line.index(lines.len()), other.index(lines.len()));
            match kind {
                0 => drop(lines.remove(line)),
                1 => lines.insert(line, lines[other].clone()),
                2 => lines.swap(line, other),
                _ => {
                    let at = other % (lines[line].len() + 1);
                    lines[line].replace_range(at.., &text);
                }
            }
            lines.push(String::new());
        }
        runtime.block_on(reaction(&lines.join("\r\n")));
        prop_assert_eq!(panics.load(Ordering::Relaxed), 0);
        Ok(())
    });
    outcome.unwrap();
}
