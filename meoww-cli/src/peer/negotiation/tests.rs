use proptest::prelude::*;

use super::*;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-ufrag:now\r\na=mid:0\r\n";

fn raw(json: &serde_json::Value) -> Box<RawValue> {
    to_raw_value(json).unwrap()
}

fn description(kind: &str, sdp: &str) -> Box<RawValue> {
    raw(&serde_json::json!({ "type": kind, "sdp": sdp }))
}

/// The `n`th host, of a generation.
fn candidate(n: u8, ufrag: Option<&str>) -> Box<RawValue> {
    let candidate = format!("candidate:1 1 udp 2 192.0.2.{n} 5000 typ host");
    raw(&serde_json::json!({ "candidate": candidate, "usernameFragment": ufrag }))
}

fn local_candidate(kind: &str) -> RTCIceCandidateInit {
    let candidate =
        format!("candidate:1 1 udp 2 203.0.113.5 6000 typ {kind} raddr 10.0.0.7 rport 7");
    RTCIceCandidateInit { candidate, ..Default::default() }
}

/// The names of effects; of a candidate, its address.
fn names(effects: &[Effect]) -> Vec<String> {
    let name = |effect: &Effect| match effect {
        Effect::MakeOffer => "make offer".to_owned(),
        Effect::MakeAnswer => "make answer".to_owned(),
        Effect::Apply(_) => "apply".to_owned(),
        Effect::Add(init) => init.candidate.split(' ').nth(4).unwrap().to_owned(),
        Effect::Agreed(_) => "agreed".to_owned(),
        Effect::Tell(_) => "tell".to_owned(),
        Effect::Fail(_) => "fail".to_owned(),
    };
    effects.iter().map(name).collect()
}

#[test]
fn the_initiator_offers_and_takes_one_answer() {
    let mut negotiation = Negotiation::new(true, Reach::Network);
    assert_eq!(names(&negotiation.handle(Input::Start)), ["make offer"]);
    assert!(negotiation.handle(Input::Offer(description("offer", SDP))).is_empty());
    let answer = || Input::Answer(description("answer", SDP));
    assert_eq!(names(&negotiation.handle(answer())), ["agreed", "apply"]);
    assert!(negotiation.handle(answer()).is_empty());
}

#[test]
fn the_other_side_answers_before_it_looks_at_candidates() {
    let mut negotiation = Negotiation::new(false, Reach::Network);
    assert!(negotiation.handle(Input::Start).is_empty());
    assert!(negotiation.handle(Input::Candidate(candidate(1, None))).is_empty());
    assert!(negotiation.handle(Input::Candidate(candidate(2, Some("old")))).is_empty());
    let effects = negotiation.handle(Input::Offer(description("offer", SDP)));
    assert_eq!(names(&effects), ["agreed", "apply", "make answer", "192.0.2.1"]);
    assert!(negotiation.handle(Input::Candidate(candidate(3, Some("old")))).is_empty());
    let current = negotiation.handle(Input::Candidate(candidate(4, Some("now"))));
    assert_eq!(names(&current), ["192.0.2.4"]);
}

/// What goes out must not say where this side is.
#[test]
fn through_a_relay_alone_only_the_relay_is_named() {
    let mut negotiation = Negotiation::new(true, Reach::Relay);
    for kind in ["host", "srflx"] {
        assert!(negotiation.handle(Input::LocalCandidate(local_candidate(kind))).is_empty());
    }
    let told = negotiation.handle(Input::LocalCandidate(local_candidate("relay")));
    let [Effect::Tell(PeerEvent::LocalCandidate(json))] = &told[..] else { panic!("{told:?}") };
    assert!(json.get().contains("203.0.113.5 6000 typ relay raddr 0.0.0.0 rport 9"), "{json}");
    let lines = ["host", "relay"].map(|kind| format!("a={}\r\n", local_candidate(kind).candidate));
    let offer = RTCSessionDescription::offer(format!("{SDP}{}", lines.concat())).unwrap();
    let told = negotiation.handle(Input::Local(Box::new(offer)));
    let [Effect::Tell(PeerEvent::LocalOffer(json))] = &told[..] else { panic!("{told:?}") };
    let text = json.get();
    assert!(text.contains("typ relay") && !text.contains("10.0.0.7") && !text.contains("typ host"));
}

/// A browser forgets candidates of a section that is rejected.
#[test]
fn candidates_name_a_section_that_is_used() {
    let mut negotiation = Negotiation::new(false, Reach::Network);
    let vp8 = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\n";
    let offer = SDP.replace("m=application", &format!("{vp8}m=application"));
    negotiation.handle(Input::Offer(description("offer", &offer)));
    let told = negotiation.handle(Input::LocalCandidate(local_candidate("host")));
    let [Effect::Tell(PeerEvent::LocalCandidate(json))] = &told[..] else { panic!("{told:?}") };
    assert!(json.get().contains(r#""sdpMLineIndex":1"#), "{json}");
}

fn input() -> impl Strategy<Value = (u8, u8, bool)> {
    (0..7_u8, 1..60_u8, any::<bool>())
}

proptest! {
    /// In whatever order things come: the partner's description is taken once, and is the one that
    /// is due; candidates are added after it, each once, those of another generation never, and no
    /// more than the bound.
    #[test]
    fn one_exchange_and_no_second(
        is_initiator: bool, inputs in prop::collection::vec(input(), 0..120),
    ) {
        let mut negotiation = Negotiation::new(is_initiator, Reach::Network);
        let (mut applied, mut added) = (None, Vec::new());
        for (what, n, old) in inputs {
            let input = match what {
                0 => Input::Start,
                1 => Input::Offer(description("offer", SDP)),
                2 => Input::Answer(description("answer", SDP)),
                3 => Input::LocalCandidate(local_candidate("host")),
                _ => Input::Candidate(candidate(n, if old { Some("old") } else { Some("now") })),
            };
            for effect in negotiation.handle(input) {
                match effect {
                    Effect::MakeOffer => prop_assert!(is_initiator && applied.is_none()),
                    Effect::MakeAnswer => prop_assert!(!is_initiator && added.is_empty()),
                    Effect::Apply(_) => {
                        let due = if is_initiator { 2 } else { 1 };
                        prop_assert_eq!((what, applied.replace(what)), (due, None));
                    }
                    Effect::Add(init) => {
                        prop_assert!(applied.is_some() && !added.contains(&init.candidate));
                        prop_assert!(what < 4 || !old, "of another generation");
                        added.push(init.candidate);
                        prop_assert!(added.len() <= 8);
                    }
                    Effect::Agreed(_) | Effect::Tell(_) => {}
                    Effect::Fail(why) => prop_assert!(false, "{}", why),
                }
            }
        }
    }
}
