//! The 256 colours of xterm (`256colres.pl` of its source): after the 16 that users choose, a cube of
//! 6x6x6 and 24 greys.

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

const CUBE_START: u8 = 16;
const GREY_START: u8 = 232;
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// For a channel's value, the nearest of [`LEVELS`].
const NEAREST_LEVEL: [u8; 256] = {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256 {
        let mut level = 1;
        while level < 6 {
            let nearest = LEVELS[table[value] as usize];
            if LEVELS[level].abs_diff(value as u8) < nearest.abs_diff(value as u8) {
                table[value] = level as u8;
            }
            level += 1;
        }
        value += 1;
    }
    table
};

const fn grey(index: u8) -> u8 {
    8 + 10 * index
}

/// The nearest colour by Euclidean distance. In the cube each channel is nearest on its own, and on
/// the grey line it is the one nearest to the mean, so two candidates are enough.
pub(crate) fn nearest(rgb: Rgb) -> u8 {
    let level = rgb.map(|value| NEAREST_LEVEL[value as usize]);
    let mean = rgb.iter().map(|&v| u16::from(v)).sum::<u16>() / 3;
    let shade = ((mean.saturating_sub(3)) / 10).min(23) as u8;
    if distance(rgb, [grey(shade); 3]) < distance(rgb, level.map(|l| LEVELS[l as usize])) {
        GREY_START + shade
    } else {
        CUBE_START + 36 * level[0] + 6 * level[1] + level[2]
    }
}

fn distance(a: Rgb, b: Rgb) -> u32 {
    (0..3).map(|i| u32::from(a[i].abs_diff(b[i])).pow(2)).sum()
}

/// What colour `index` of the cube or the greys looks like.
#[cfg(test)]
pub(crate) fn color(index: u8) -> Rgb {
    match index {
        ..CUBE_START => unreachable!("colours of the user"),
        GREY_START.. => [grey(index - GREY_START); 3],
        _ => {
            let cube = usize::from(index - CUBE_START);
            [LEVELS[cube / 36], LEVELS[cube / 6 % 6], LEVELS[cube % 6]]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_colour_of_the_palette_is_nearer(rgb: Rgb) {
            let best = (CUBE_START..=255).map(|i| distance(rgb, color(i))).min();
            prop_assert_eq!(Some(distance(rgb, color(nearest(rgb)))), best);
        }
    }

    #[test]
    fn the_palette_is_its_own_nearest() {
        for index in CUBE_START..=255 {
            assert_eq!(color(nearest(color(index))), color(index));
        }
    }
}
