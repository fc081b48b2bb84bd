use proptest::prelude::*;

use super::*;
use crate::few_colors::{FewColors, TRANSPARENT};

fn noise(seed: u32, count: usize) -> Channels {
    let mut state = seed;
    [(); 3].map(|()| {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..count).map(|_| next()).collect()
    })
}

/// Draws a patch over a picture, as a terminal does.
fn compose(picture: &mut Channels, width: usize, patch: Patch, pixels: &[u8]) {
    for (index, [red, green, blue, alpha]) in pixels.as_chunks::<4>().0.iter().enumerate() {
        let (x, y) = (patch.x + index % patch.width, patch.y + index / patch.width);
        if *alpha > 0 {
            let at = y * width + x;
            (picture[0][at], picture[1][at], picture[2][at]) = (*red, *green, *blue);
        }
    }
}

/// A grain of two levels is not seen from a distance, and a shade of two levels is.
#[test]
fn noise_is_not_sent_and_shades_are() {
    let mut deltas = Deltas::default();
    deltas.restart(16, 8);
    let plain = |value: u8| [(); 3].map(|()| vec![value; 16 * 8]);
    deltas.take_exactly(&plain(100));
    let mut grain = plain(100);
    for channel in &mut grain {
        channel.iter_mut().enumerate().for_each(|(at, value)| *value = 98 + 4 * (at as u8 % 2));
    }
    assert_eq!(deltas.choose(&grain, 3), None);
    let mut shade = plain(100);
    shade.iter_mut().for_each(|channel| channel[8..16].fill(120));
    let right = Patch { x: 8, y: 0, width: 8, height: 8 };
    assert_eq!(deltas.choose(&shade, 3), Some(right));
}

/// It is 60 levels from its ground: 3.75 in the mean of a tile of 16 pixels, which is less than what is
/// sent again, and 45 where it is mixed with three pixels of its ground.
#[test]
fn a_dot_is_sent_as_a_dot_and_taken_away_again() {
    let (mut deltas, mut colors, at) = (Deltas::default(), FewColors::default(), 3 * 16 + 3);
    let plain = [(); 3].map(|()| vec![100; 16 * 8]);
    let dotted = plain.clone().map(|mut channel| {
        channel[at] = 160;
        channel
    });
    deltas.restart(16, 8);
    deltas.take_exactly(&plain);
    let block = Patch { x: 0, y: 0, width: 8, height: 8 };
    for wanted in [&dotted, &plain] {
        assert_eq!(deltas.choose(wanted, 7), Some(block));
        deltas.take_in_few(wanted, 7, block, &mut colors, &mut Vec::new());
        for (shown, wanted) in deltas.shown.iter().zip(wanted) {
            let is_near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 7;
            assert!(shown.iter().zip(wanted).all(is_near), "{shown:?} for {wanted:?}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_composed_is_near_what_is_wanted(
        size in (1usize..40, 1usize..40),
        seeds in prop::collection::vec(any::<u32>(), 1..5),
        step in 1u8..32,
    ) {
        let (width, height) = size;
        let mut deltas = Deltas::default();
        deltas.restart(width, height);
        let mut screen = [(); 3].map(|()| vec![0; width * height]);
        for seed in seeds {
            let wanted = noise(seed, width * height);
            let mut pixels = Vec::new();
            if let Some(patch) = deltas.choose(&wanted, step) {
                deltas.take(&wanted, step, patch, &mut pixels);
                prop_assert_eq!(pixels.len(), patch.width * patch.height * 4);
                compose(&mut screen, width, patch, &pixels);
            }
            prop_assert_eq!(&screen, &deltas.shown);
            // What was sent has the rest of details, of the dead zone and of rounding to whole numbers.
            deltas.compare(&wanted);
            let most = (DETAILS + 1.0) * f32::from(step).powi(2) + 4.0;
            let sent = deltas.errors.iter().zip(&deltas.is_due).filter(|(_, is_due)| **is_due);
            for (error, _) in sent {
                prop_assert!(*error as f32 <= most * 192.0, "near at once");
            }
        }
    }

    #[test]
    fn what_is_composed_of_few_colours_is_what_is_taken_to_be_shown(
        size in (1usize..40, 1usize..40),
        seeds in prop::collection::vec(any::<u32>(), 1..5),
        step in 1u8..32,
        bits in 1u32..8,
    ) {
        let (width, height) = size;
        let (mut deltas, mut colors) = (Deltas::default(), FewColors::default());
        deltas.restart(width, height);
        let mut screen = [(); 3].map(|()| vec![0; width * height]);
        for seed in seeds {
            // Of fewer colours, the fewer bits there are.
            let wanted = noise(seed, width * height)
                .map(|channel| channel.into_iter().map(|value| value >> bits << bits).collect());
            let mut places = Vec::new();
            let Some(patch) = deltas.choose(&wanted, step) else { continue };
            deltas.take_in_few(&wanted, step, patch, &mut colors, &mut places);
            prop_assert_eq!(places.len(), patch.width * patch.height);
            let pixels: Vec<u8> = places
                .into_iter()
                .flat_map(|place| {
                    let [red, green, blue] = colors.palette()[usize::from(place)];
                    [red, green, blue, u8::from(place != TRANSPARENT)]
                })
                .collect();
            compose(&mut screen, width, patch, &pixels);
            prop_assert_eq!(&screen, &deltas.shown);
        }
    }

    #[test]
    fn refining_makes_it_exact(size in (1usize..40, 1usize..40), seed: u32, most in 1usize..9) {
        let (width, height) = size;
        let mut deltas = Deltas::default();
        deltas.restart(width, height);
        let (wanted, mut turns) = (noise(seed, width * height), 0);
        while let Some(patch) = deltas.refine(&wanted, most) {
            deltas.take(&wanted, 1, patch, &mut Vec::new());
            turns += 1;
        }
        prop_assert!(turns <= deltas.blocks().div_ceil(most));
        prop_assert!(!deltas.take_exactly(&wanted));
    }
}
