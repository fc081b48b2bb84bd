//! Descriptions and candidates of a stranger: not used, or within bounds and of the kind that is due.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_cli::fuzzing::{Description, candidate, description};

fuzz_target!(|json: &str| {
    let offer = description(json, true);
    let answer = description(json, false);
    assert!(offer.is_none() || answer.is_none(), "it is both");
    if let Some(Description { sdp, sends_sound, wants_sound }) = offer.or(answer) {
        assert!(json.len() <= 32 * 1024 && sdp.starts_with("v=0"));
        assert!(sdp.lines().all(|line| !line.starts_with("a=candidate:")));
        assert!(sdp.lines().filter(|line| line.starts_with("m=")).count() <= 16);
        let sections = || sdp.split("\nm=").filter(|section| section.starts_with("audio "));
        assert!(sections().all(|sound| sound.to_ascii_lowercase().contains("opus/48000/2")));
        assert!(
            sections().next().is_some() || !(sends_sound || wants_sound),
            "sound of no section"
        );
    }
    if let Some(candidate) = candidate(json) {
        assert!(json.len() <= 1024 && candidate.starts_with("candidate:"));
    }
});
