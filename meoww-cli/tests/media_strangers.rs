//! What a stranger may send instead of an offer: the connection fails, and nothing else happens.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are their own edge")]

mod media;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use media::Side;
use meoww_cli::core::event::PeerEvent;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_without_a_common_codec_fails() {
    let sdp = offer().await.replace("H264", "VP8").replace("opus", "speex");
    assert!(matches!(reaction(&sdp).await, PeerEvent::Failed(_)));
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
    let PeerEvent::LocalAnswer(answer) = reaction(&BROWSER.replace('\n', "\r\n")).await else {
        panic!("it was refused");
    };
    let answer: serde_json::Value = serde_json::from_str(answer.get()).unwrap();
    let answer = answer["sdp"].as_str().unwrap();
    assert!(answer.contains("a=rtpmap:106 H264/90000") && !answer.contains("VP8"), "{answer}");
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
