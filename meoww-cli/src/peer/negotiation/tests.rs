use proptest::prelude::*;
use serde_json::value::to_raw_value;

use super::*;

mod two_machines;

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

fn local(kind: &str, sdp: &str) -> Input {
    let made = match kind {
        "offer" => RTCSessionDescription::offer(sdp.to_owned()),
        _ => RTCSessionDescription::answer(sdp.to_owned()),
    };
    Input::Local(Box::new(made.unwrap()))
}

/// The description of another generation.
fn of(ufrag: &str) -> String {
    SDP.replace("ice-ufrag:now", &format!("ice-ufrag:{ufrag}"))
}

/// One that has answered the partner's first offer.
fn answered() -> Negotiation {
    let mut negotiation = Negotiation::new(false, Reach::Network);
    negotiation.handle(Input::Offer(description("offer", SDP)));
    negotiation.handle(local("answer", &of("own")));
    negotiation
}

/// The names of effects; of a candidate, its address.
fn names(effects: &[Effect]) -> Vec<String> {
    let name = |effect: &Effect| match effect {
        Effect::MakeOffer => "make offer".to_owned(),
        Effect::MakeRestart => "make restart".to_owned(),
        Effect::MakeAnswer => "make answer".to_owned(),
        Effect::ApplyOwn(_) => "apply own".to_owned(),
        Effect::Apply(_) => "apply".to_owned(),
        Effect::Add(init) => init.candidate.split(' ').nth(4).unwrap().to_owned(),
        Effect::Agreed(_) => "agreed".to_owned(),
        Effect::Restarted => "restarted".to_owned(),
        Effect::Tell(_) => "tell".to_owned(),
        Effect::Fail(_) => "fail".to_owned(),
    };
    effects.iter().map(name).collect()
}

#[test]
fn the_initiator_offers_and_takes_one_answer() {
    let mut negotiation = Negotiation::new(true, Reach::Network);
    assert_eq!(names(&negotiation.handle(Input::Start)), ["make offer"]);
    assert_eq!(names(&negotiation.handle(local("offer", SDP))), ["tell"]);
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

#[test]
fn an_offer_that_comes_twice_gets_the_same_answer_twice() {
    let mut negotiation = answered();
    negotiation.handle(Input::LocalCandidate(local_candidate("host")));
    let again = negotiation.handle(Input::Offer(description("offer", SDP)));
    assert_eq!(names(&again), ["tell", "tell"], "the answer and its candidate");
}

/// As a browser adds a track: the section of a second microphone, and ICE goes on.
#[test]
fn another_offer_without_a_restart_is_answered_too() {
    let mut negotiation = answered();
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\n";
    let offer = Input::Offer(description("offer", &format!("{SDP}{audio}")));
    assert_eq!(names(&negotiation.handle(offer)), ["agreed", "apply", "make answer"]);
    let useless = SDP.replace("application", "text");
    assert!(negotiation.handle(Input::Offer(description("offer", &useless))).is_empty());
}

#[test]
fn a_restart_is_taken_when_it_is_answered() {
    let mut negotiation = answered();
    assert_eq!(names(&negotiation.handle(Input::Restart)), ["make restart"]);
    assert_eq!(names(&negotiation.handle(local("offer", &of("own2")))), ["tell"]);
    assert_eq!(names(&negotiation.handle(Input::Late)), ["tell"], "the offer again");
    // The answer to something else, for the second time.
    assert!(negotiation.handle(Input::Answer(description("answer", SDP))).is_empty());
    assert!(negotiation.handle(Input::Candidate(candidate(1, Some("next")))).is_empty());
    let effects = negotiation.handle(Input::Answer(description("answer", &of("next"))));
    assert_eq!(names(&effects), ["apply own", "restarted", "apply", "192.0.2.1"]);
    assert!(negotiation.handle(Input::Candidate(candidate(2, Some("now")))).is_empty(), "late");
    let told = negotiation.handle(Input::LocalCandidate(local_candidate("host")));
    let [Effect::Tell(PeerEvent::LocalCandidate(json))] = &told[..] else { panic!("{told:?}") };
    assert!(json.get().contains(r#""usernameFragment":"own2""#), "{json}");
}

#[test]
fn of_two_offers_that_cross_the_initiators_holds() {
    let mut responder = answered();
    responder.handle(Input::Restart);
    responder.handle(local("offer", &of("own2")));
    let effects = responder.handle(Input::Offer(description("offer", &of("next"))));
    assert_eq!(names(&effects), ["restarted", "apply", "make answer"]);
    let mut initiator = Negotiation::new(true, Reach::Network);
    initiator.handle(Input::Start);
    initiator.handle(local("offer", &of("own")));
    initiator.handle(Input::Answer(description("answer", SDP)));
    initiator.handle(Input::Restart);
    initiator.handle(local("offer", &of("own2")));
    assert!(initiator.handle(Input::Offer(description("offer", &of("next")))).is_empty());
    assert!(initiator.is_restarting());
}

/// An offer staged for a restart goes into the next answer, so the restart has to follow it.
#[test]
fn a_restart_that_was_given_up_for_another_offer_is_made_after_it() {
    let mut responder = answered();
    responder.handle(Input::Restart);
    responder.handle(local("offer", &of("own2")));
    let offer = SDP.replace("o=- 1 1", "o=- 1 2");
    let effects = responder.handle(Input::Offer(description("offer", &offer)));
    assert_eq!(names(&effects), ["apply", "make answer"]);
    assert_eq!(names(&responder.handle(local("answer", &of("own2")))), ["tell", "make restart"]);
}

proptest! {
    /// In whatever order things come: nothing is added before a description, of another generation,
    /// or twice, and no more than the bound.
    #[test]
    fn candidates_are_bound_to_their_generation(
        is_initiator: bool,
        inputs in prop::collection::vec((0..9_u8, 1..60_u8, 0..3_u8), 0..120),
    ) {
        let mut negotiation = Negotiation::new(is_initiator, Reach::Network);
        let (mut current, mut added) = (None, Vec::new());
        for (what, n, generation) in inputs {
            let ufrag = format!("g{generation}");
            let input = match what {
                0 => Input::Start,
                1 => Input::Offer(description("offer", &of(&ufrag))),
                2 => Input::Answer(description("answer", &of(&ufrag))),
                3 => Input::LocalCandidate(local_candidate("host")),
                4 => Input::Restart,
                5 => local("offer", &of("own")),
                _ => Input::Candidate(candidate(generation * 80 + n, Some(&ufrag))),
            };
            for effect in negotiation.handle(input) {
                match effect {
                    Effect::Apply(description) => {
                        let next = crate::peer::sdp::ufrag(&description.sdp);
                        if current != next {
                            (current, added) = (next, Vec::new());
                        }
                    }
                    Effect::Add(init) => {
                        let last: u8 = init.candidate.split([' ', '.']).nth(7).unwrap().parse().unwrap();
                        prop_assert_eq!(Some(format!("g{}", last / 80)), current.clone());
                        prop_assert!(!added.contains(&init.candidate));
                        added.push(init.candidate);
                        prop_assert!(added.len() <= 8);
                    }
                    _ => {}
                }
            }
        }
    }
}
