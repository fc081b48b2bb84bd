//! Bad networks, by name, and what a call is on them at least.

use std::time::Duration;

use meoww_examples::network::{Profile, Way};
use meoww_paint::Grid;

use super::{BLOCK, Call, End};

/// Whole seconds.
fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const LENGTH: u64 = 30;

/// A call, without its first seconds.
fn call(profile: &str) -> (Call, f64) {
    let call = Call::run(profile, LENGTH);
    call.report(LENGTH);
    assert!(call.ends.iter().all(|end| !*end.flood.borrow()), "no flood");
    let fps = call.seen().fps(secs(3), secs(LENGTH));
    (call, fps)
}

#[test]
fn lost_packets_are_asked_for_again_and_no_picture_is_left_out() {
    for (profile, fps_at_least, freeze_at_most) in [
        ("loss-1", 29.5, 300),
        ("loss-5", 28.5, 400),
        ("loss-10", 26.0, 800),
        ("bursts", 27.0, 600),
    ] {
        let (call, fps) = call(profile);
        assert!(fps >= fps_at_least, "{profile}: {fps}");
        let freeze = call.seen().freeze(secs(1));
        assert!(freeze <= millis(freeze_at_most), "{profile}: {freeze:?}");
        // A path that loses by chance is not a narrow one.
        assert!(call.seen().mean_estimate(20, LENGTH) > 1e6, "{profile}");
    }
}

#[test]
fn on_a_long_path_pictures_are_waited_for_instead_of_key_frames() {
    let (call, fps) = call("far");
    assert!(fps >= 27.0, "{fps}");
    // Of 150 ms under way: what is lost is there already.
    let age = call.seen().age(0.5);
    assert!(age <= millis(250), "{age:?}");
    // One as a call begins.
    assert!(call.ends.iter().all(|end| end.seen.keys_asked <= 3));
}

#[test]
fn a_narrow_path_carries_clean_sound_first_and_has_a_short_queue() {
    for (profile, fps_at_least) in [("rate-100", 8.0), ("rate-300", 24.0), ("rate-1000", 29.0)] {
        let (call, fps) = call(profile);
        assert!(fps >= fps_at_least, "{profile}: {fps}");
        let seen = call.seen();
        assert!(seen.sound_within(millis(250)) > 0.98, "{profile}");
        let age = seen.age(0.95);
        assert!(age <= millis(250), "{profile}: {age:?}");
    }
}

/// A small picture leaves a part of the path unused, of which the estimate says little: a larger one
/// is not to take all that is estimated at once.
#[test]
fn a_larger_picture_takes_what_a_narrow_path_has_step_by_step() {
    let ends = [(); 2].map(|()| {
        let mut end = End::new();
        (end.grid, end.enough) = (Grid::new(320, 240), 0.15);
        end
    });
    let call = Call::run_between(ends, Profile::named("rate-300").unwrap(), LENGTH);
    call.report(LENGTH);
    for (end, way) in call.ends.iter().zip([Way::There, Way::Back]) {
        let queue = call.network.record(way).longest_queue;
        assert!(queue <= millis(150), "{queue:?}");
        assert!(end.seen.freeze(secs(1)) <= millis(200), "{:?}", end.seen.freeze(secs(1)));
        assert!(end.seen.keys_asked <= 2, "{}", end.seen.keys_asked);
    }
}

/// Sound begins with the first picture, when nothing is known of the path.
#[test]
fn on_a_narrow_path_sound_is_clean_from_the_beginning() {
    for (profile, most) in [("rate-100", 100), ("rate-300", 80), ("rate-1000", 0), ("near", 0)] {
        let call = Call::heard(profile, 3);
        call.report(3);
        for end in &call.ends {
            let concealed = BLOCK * end.seen.concealed.len() as u32;
            println!("{profile}: {concealed:?} concealed, at {:?}", end.seen.concealed);
            assert!(concealed <= millis(most), "{profile}: {concealed:?}");
        }
    }
}

#[test]
fn a_rate_that_falls_and_rises_is_followed() {
    let (call, _) = call("step");
    let record = call.network.record(Way::There);
    let below = record.time_to(secs(10), secs(20), millis(500), |bps| bps <= 200_000.0);
    assert!(below.is_some_and(|after| after <= secs(1)), "{below:?}");
    let usual = record.sent_bps(secs(6)..secs(10));
    let back = record.time_to(secs(20), secs(LENGTH), secs(1), |bps| bps >= 0.8 * usual);
    println!("below the rate after {below:?}, back to 80 % after {back:?}");
    assert!(back.is_some_and(|after| after <= secs(8)), "{back:?}");
    assert!(call.seen().fps(secs(15), secs(20)) >= 10.0);
}

#[test]
fn after_an_outage_all_is_as_before() {
    let (call, _) = call("outage");
    for end in &call.ends {
        assert!(end.seen.fps(secs(10), secs(12)) >= 15.0);
        assert!(end.seen.mean_estimate(12, 14) >= 0.3 * end.seen.mean_estimate(4, 5));
    }
}

/// A download may have gone on for some time, so that no queue is ever seen empty. A sixth of what there
/// is would be 15 % and a little; also the seconds count in which it is found out.
#[test]
fn beside_a_download_a_call_has_its_part() {
    let profile = Profile::named("shared").unwrap();
    let mut parts = Vec::new();
    for before in [0, 300, 600, 900, 1200, 1500, 1800, 2100].map(millis) {
        let call = Call::run_after(before, [End::new(), End::new()], profile, LENGTH);
        call.report(LENGTH);
        let lasted = before..before + secs(LENGTH);
        let ours = [Way::There, Way::Back]
            .map(|way| call.network.record(way).delivered_bps(lasted.clone()));
        assert!(ours.iter().all(|bps| *bps >= 125_000.0), "after {before:?}: {ours:?}");
        assert!(call.network.downloaded() as f64 * 8.0 / lasted.end.as_secs_f64() >= 300_000.0);
        parts.extend(ours);
    }
    parts.sort_by(f64::total_cmp);
    assert!(parts[parts.len() / 2] >= 150_000.0, "{parts:?}");
}

#[test]
fn where_packets_are_late_overtaken_and_doubled_pictures_come() {
    let (_, fps) = call("wifi");
    assert!(fps >= 28.0, "{fps}");
    let (call, _) = call("uplink");
    // The narrow way is 256 kbit/s.
    assert!(call.ends.iter().all(|end| end.seen.fps(secs(3), secs(LENGTH)) >= 24.0));
}
