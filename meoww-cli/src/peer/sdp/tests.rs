use proptest::prelude::*;

use super::{own::*, sections::MAX_SECTIONS, *};

const SESSION: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:abcd\r\n\
    a=rtpmap:111 opus/48000/2\r\n";
const H264: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 102\r\na=mid:1\r\na=sendrecv\r\n\
    a=rtpmap:96 VP8/90000\r\na=rtpmap:102 H264/90000\r\n";
const VP8: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n";
const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";
/// As Chromium answers when it has none of the codecs.
const REJECTED: &str = "m=video 0 UDP/TLS/RTP/SAVPF 102\r\na=inactive\r\na=mid:1\r\n";

fn offer(sections: &[&str]) -> String {
    format!("{SESSION}a=group:BUNDLE 0 1 2\r\n{}", sections.concat())
}

fn video(sections: &[&str], kind: Kind) -> (TheirVideo, bool) {
    let usable = usable(&offer(sections), kind).unwrap();
    (usable.video, usable.wants_video)
}

#[test]
fn what_comes_of_pictures() {
    let one_way = |direction| H264.replace("sendrecv", direction);
    let cases = [
        (vec![AUDIO, H264, DATA], (TheirVideo::Offered, true)),
        (vec![AUDIO, VP8, DATA], (TheirVideo::NoCommonCodec, false)),
        (vec![AUDIO], (TheirVideo::NotSent, false)),
        (vec![DATA], (TheirVideo::NotSent, false)),
        (vec![AUDIO, REJECTED], (TheirVideo::NotSent, false)),
        (vec![VP8, H264], (TheirVideo::Offered, true)),
    ];
    for (sections, expected) in cases {
        assert_eq!(video(&sections, Kind::Offer), expected, "{sections:?}");
    }
    assert_eq!(video(&[&one_way("recvonly")], Kind::Offer), (TheirVideo::NotSent, true));
    assert_eq!(video(&[&one_way("sendonly")], Kind::Offer), (TheirVideo::Offered, false));
    assert_eq!(video(&[&one_way("inactive")], Kind::Offer), (TheirVideo::NotSent, false));
    // H.264 was offered: no for an answer means that there is none.
    assert_eq!(video(&[REJECTED, DATA], Kind::Answer), (TheirVideo::NoCommonCodec, false));
    let whole = offer(&[AUDIO, H264]).replace("sendrecv", "x");
    let inactive = whole.replace("t=0 0", "t=0 0\r\na=inactive");
    assert_eq!(usable(&inactive, Kind::Offer).unwrap().video, TheirVideo::NotSent);
}

#[test]
fn what_comes_of_sound() {
    let sound = |sections: &[&str]| {
        let usable = usable(&offer(sections), Kind::Offer).unwrap();
        (usable.sends_sound, usable.wants_sound)
    };
    let one_way = |direction| format!("{AUDIO}a={direction}\r\n");
    assert_eq!(sound(&[AUDIO, DATA]), (true, true));
    assert_eq!(sound(&[&one_way("recvonly"), DATA]), (false, true));
    assert_eq!(sound(&[&one_way("sendonly"), DATA]), (true, false));
    assert_eq!(sound(&[&one_way("inactive"), DATA]), (false, false));
    assert_eq!(sound(&[H264, DATA]), (false, false));
    assert_eq!(sound(&[&AUDIO.replace("audio 9", "audio 0"), DATA]), (false, false));
    assert_eq!(sound(&[&AUDIO.replace("opus/48000/2", "PCMU/8000"), DATA]), (false, false));
}

#[test]
fn sections_that_are_not_used_are_left_out_and_answered_as_rejected() {
    let usable = usable(&offer(&[AUDIO, VP8, DATA]), Kind::Offer).unwrap();
    assert_eq!(usable.sdp, format!("{SESSION}a=group:BUNDLE 0 2\r\n{AUDIO}{DATA}"));
    assert_eq!(usable.first, 0);
    let answer = with_rejected(&usable.sdp, &usable.rejected).unwrap();
    let rejected =
        "m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:1\r\n";
    let expected = format!("{SESSION}a=group:BUNDLE 0 2\r\n{AUDIO}{rejected}{DATA}");
    assert_eq!(answer, expected);
}

#[test]
fn an_offer_begins_with_what_is_not_rejected() {
    let data = DATA.replace("mid:2", "mid:0");
    let offered = format!("{SESSION}a=group:BUNDLE 1 0\r\n{H264}{data}");
    let expected = format!("{SESSION}a=group:BUNDLE 0 1\r\n{data}{H264}");
    assert_eq!(data_first(&offered).unwrap(), expected);
}

#[test]
fn nothing_in_common_and_too_much() {
    let refused = |sections: &[&str]| usable(&offer(sections), Kind::Offer).err();
    assert_eq!(refused(&[VP8]), Some(Unusable::NothingInCommon));
    assert_eq!(refused(&[]), Some(Unusable::NothingInCommon));
    assert_eq!(refused(&[DATA; MAX_SECTIONS + 1]), Some(Unusable::Malformed));
    assert_eq!(refused(&[DATA; MAX_SECTIONS]), None);
    assert_eq!(usable("m=audio", Kind::Offer), Err(Unusable::Malformed));
}

#[test]
fn candidates_are_taken_out() {
    let candidate = "candidate:1 1 udp 2 192.0.2.7 5000 typ host";
    let with = format!("{AUDIO}a={candidate}\r\na=end-of-candidates\r\n");
    let usable = usable(&offer(&[&with, DATA]), Kind::Offer).unwrap();
    assert_eq!(usable.candidates, [candidate]);
    assert_eq!(usable.ufrag.as_deref(), Some("abcd"));
    assert!(!usable.sdp.contains("candidate"), "{}", usable.sdp);
    let stray = offer(&[DATA]).replace("m=", &format!("a={candidate}\r\nm="));
    let usable = super::usable(&stray, Kind::Offer).unwrap();
    assert_eq!(usable.candidates, [candidate]);
    assert!(!usable.sdp.contains("candidate"), "{}", usable.sdp);
}

#[test]
fn the_level_that_is_told_is_that_of_the_decoder() {
    let line =
        |level| format!("a=fmtp:106 level-asymmetry-allowed=1;profile-level-id=42e0{level};x=1");
    assert_eq!(with_level_of_decoder(&line("1f")), line("32"));
    for other in ["a=fmtp:106 profile-level-id=42e01f", "a=mid:0", "a=fmtp:1 profile-level-id=42e0"]
    {
        assert_eq!(with_level_of_decoder(other), other);
    }
}

proptest! {
    /// With what was left out put back, there are as many sections as there were, each at its
    /// place and of its kind.
    #[test]
    fn an_answer_matches_its_offer(
        sections in prop::collection::vec(
            prop::sample::select(vec![AUDIO, H264, VP8, DATA, REJECTED, "m=text 9 x y\r\n"]), 0..16,
        ),
    ) {
        if let Ok(usable) = usable(&offer(&sections), Kind::Offer) {
            let answer = with_rejected(&usable.sdp, &usable.rejected).unwrap();
            let kinds = |sdp: &str| -> Vec<_> {
                let lines = sdp.lines().filter(|line| line.starts_with("m="));
                lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
            };
            prop_assert_eq!(kinds(&answer), kinds(&offer(&sections)));
        }
    }

    #[test]
    fn noise_never_panics(lines in prop::collection::vec("[vmac]=[ -~]{0,20}", 0..40)) {
        let sdp = format!("v=0\n{}", lines.join("\n"));
        if let Ok(usable) = usable(&sdp, Kind::Offer) {
            prop_assert!(with_rejected(&usable.sdp, &usable.rejected).is_some());
        }
    }
}
