//! Shares of the path over time, and what becomes of pictures.

use proptest::prelude::*;

use super::*;
use crate::clock;

const CAMERA: (usize, usize) = (320, 240);
const FRAME: Duration = Duration::from_micros(33_333);

/// The pictures sent in so many seconds of a camera of 30 a second; each picture as large as it
/// was planned.
fn film(shape: &mut Shape, start: Instant, share: u32, seconds: f64) -> Vec<Plan> {
    let mut plans = Vec::new();
    for n in 0..(seconds * 30.0) as u32 {
        let now = start + FRAME * n;
        if let Some(plan) = shape.plan(now, CAMERA, Grid::FULL, share) {
            let key = if plan.key { 4.0 } else { 1.0 };
            shape.coded(now, (f64::from(plan.bps) / 30.0 / 8.0 * key) as usize, plan.key);
            plans.push(plan);
        }
    }
    plans
}

fn bits(plans: &[Plan]) -> f64 {
    plans.iter().map(|plan| f64::from(plan.bps) / 30.0 * if plan.key { 4.0 } else { 1.0 }).sum()
}

#[test]
fn size_pace_and_exactness_fall_together() {
    // Of 300, 150 and 100 kbit/s, pictures have 200, 87 and 45.
    for (share, size, fps) in [
        (200_000, (320, 240), 29..=30),
        (87_000, (320, 240), 19..=22),
        (45_000, (240, 180), 12..=14),
    ] {
        let plans = film(&mut Shape::default(), clock::now(), share, 10.0);
        let last = plans.last().unwrap();
        assert_eq!(last.size, size, "{share}");
        assert!(fps.contains(&(plans.len() / 10)), "{share}: {}", plans.len());
        let bps = bits(&plans) / 10.0;
        assert!(bps <= f64::from(share) * 1.1, "{share}: {bps}");
    }
}

#[test]
fn it_shrinks_at_once_and_grows_back_when_there_is_room_for_some_time() {
    let (mut shape, start) = (Shape::default(), clock::now());
    assert_eq!(film(&mut shape, start, 200_000, 2.0).last().unwrap().size, (320, 240));
    let start = start + Duration::from_secs(2);
    assert_eq!(film(&mut shape, start, 45_000, 0.5)[0].size, (240, 180));
    let start = start + Duration::from_millis(500);
    let grown = film(&mut shape, start, 200_000, 5.0);
    assert_eq!(grown[0].size, (240, 180));
    assert_eq!(grown.last().unwrap().size, (320, 240));
    // A new size is the only reason for a key frame.
    assert_eq!(grown.iter().filter(|plan| plan.key).count(), 1);
}

/// Noise, at a size for which the encoder has no coarser quality.
#[test]
fn an_encoder_that_makes_too_much_gets_a_smaller_picture_and_pictures_are_left_out() {
    let (mut shape, start) = (Shape::default(), clock::now());
    let (mut sent, mut sizes) = (0, Vec::new());
    for n in 0..150 {
        let now = start + FRAME * n;
        if let Some(plan) = shape.plan(now, CAMERA, Grid::FULL, 100_000) {
            let bytes = plan.size.0 * plan.size.1 / 100;
            shape.coded(now, bytes, plan.key);
            sent += bytes * 8;
            sizes.push(plan.size);
        }
    }
    // 5 s of 110 kbit/s, and what may be sent ahead.
    assert!(sent <= 570_000, "{sent}");
    assert_eq!(sizes.last(), Some(&(240, 180)));
}

#[test]
fn key_frames_that_a_stranger_asks_for_take_no_more_than_their_part() {
    let (mut shape, start) = (Shape::default(), clock::now());
    let mut keys = 0;
    for n in 0..300 {
        shape.want_key();
        let now = start + FRAME * n;
        if let Some(plan) = shape.plan(now, CAMERA, Grid::FULL, 200_000) {
            shape.coded(
                now,
                (f64::from(plan.bps) / 30.0 / 8.0) as usize * if plan.key { 6 } else { 1 },
                plan.key,
            );
            keys += usize::from(plan.key);
        }
    }
    // Two of 6 times 6.67 kbit in each 0.8 s are half of 200 kbit/s; in 10 s, 25.
    assert!((15..=26).contains(&keys), "{keys}");
}

/// Each may be as exact as the path allows.
#[test]
fn a_partner_who_shows_few_is_sent_few() {
    let mut shape = Shape::default();
    shape.limit_fps(10);
    let plans = film(&mut shape, clock::now(), 200_000, 10.0);
    assert!((98..=101).contains(&plans.len()), "{}", plans.len());
    // 320 x 240 pixels of 0.2 bits are 15 360, and 20 000 may be spent on each.
    assert_eq!(plans.last().unwrap().bps, 15_360 * 30);
}

proptest! {
    /// Whatever the path does, pictures fit what the other can show, and never more is sent than the
    /// path carries, but for a tenth of a second and one key frame.
    #[test]
    fn every_plan_fits(
        shares in prop::collection::vec((1_000u32..3_000_000, 1u32..60), 1..20),
        camera in (8usize..1000, 8usize..1000), grid in (0u32..2000, 0u32..2000),
    ) {
        let (mut shape, mut now) = (Shape::default(), clock::now());
        let camera = (camera.0 * 2, camera.1 * 2);
        let grid = Grid::new(grid.0, grid.1);
        let whole = grid.fit(camera.0, camera.1);
        for (share, pictures) in shares {
            for _ in 0..pictures {
                now += FRAME;
                let Some(plan) = shape.plan(now, camera, grid, share) else { continue };
                prop_assert!(plan.size.0 <= whole.0 && plan.size.1 <= whole.1);
                prop_assert!(plan.size.0 % 2 == 0 && plan.size.1 % 2 == 0 && plan.size.0 > 0);
                prop_assert!(f64::from(plan.bps) <= f64::from(share) * MOST_FPS / LEAST_FPS);
                prop_assert!(shape.debt.0 <= f64::from(share) * MAX_DEBT + 1.0);
                shape.coded(now, plan.bps as usize / 240, plan.key);
            }
        }
    }
}
