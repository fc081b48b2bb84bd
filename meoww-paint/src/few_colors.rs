//! Few colours that stand for the many of a picture, by median cut (Heckbert, "Color image quantization
//! for frame buffer display", SIGGRAPH 1982): the box of colours that varies most is cut in two, at its
//! mean, until there are as many as may be.

use crate::palette::Rgb;

/// Colours are told apart by so many bits of each channel.
const BITS: u32 = 5;
/// Of a byte: that of no colour, and the most that there are beside it.
pub(crate) const TRANSPARENT: u8 = 0;
pub(crate) const MOST: usize = 255;

/// Colours that are nearly the same.
#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    sum: [u32; 3],
    count: u32,
    /// Its colour's place in the palette.
    place: u8,
}

/// Bins that are shown in one colour.
#[derive(Debug, Clone, Copy)]
struct Cluster {
    /// Where they are in [`FewColors::used`].
    first: usize,
    end: usize,
    mean: [f32; 3],
    /// The channel that varies most, and how much: the sum of squared differences from the mean.
    channel: usize,
    variance: f32,
    /// The channel in which a bin is farthest from the mean, and by how much.
    farthest: (usize, f32),
}

/// Finds the colours; keeps its memory between pictures.
#[derive(Debug)]
pub(crate) struct FewColors {
    bins: Vec<Bin>,
    /// The bins that have any.
    used: Vec<u16>,
    clusters: Vec<Cluster>,
    palette: Vec<Rgb>,
}

impl Default for FewColors {
    fn default() -> Self {
        let bins = vec![Bin::default(); 1 << (3 * BITS)];
        Self { bins, used: Vec::new(), clusters: Vec::new(), palette: Vec::new() }
    }
}

impl FewColors {
    /// Begins with no colours.
    pub(crate) fn restart(&mut self) {
        for bin in self.used.drain(..) {
            self.bins[usize::from(bin)] = Bin::default();
        }
    }

    /// Takes up the colour of a pixel.
    pub(crate) fn add(&mut self, color: Rgb) {
        let bin = &mut self.bins[bin(color)];
        if bin.count == 0 {
            self.used.push(self::bin(color) as u16);
        }
        bin.count += 1;
        bin.sum.iter_mut().zip(color).for_each(|(sum, value)| *sum += u32::from(value));
    }

    /// Chooses `usual` colours, or fewer, for those that were added, and more where a channel of one
    /// would be farther than `most` from one that it stands for. At most [`MOST`].
    pub(crate) fn choose(&mut self, usual: usize, most: f32) {
        self.clusters.clear();
        if !self.used.is_empty() {
            self.clusters.push(self.cluster(0, self.used.len()));
        }
        while self.clusters.len() < MOST {
            let is_usual = self.clusters.len() < usual;
            let worth = |cluster: &Cluster| {
                if is_usual { cluster.variance } else { cluster.farthest.1.abs() - most }
            };
            let clusters = self.clusters.iter().enumerate();
            let widest = clusters.max_by(|(_, a), (_, b)| worth(a).total_cmp(&worth(b)));
            let Some((index, widest)) = widest.filter(|(_, widest)| worth(widest) > 0.0) else {
                break;
            };
            let Cluster { first, end, mean, channel, farthest, .. } = *widest;
            let (channel, limit) = if is_usual {
                (channel, mean[channel])
            } else {
                (farthest.0, mean[farthest.0] + farthest.1 / 2.0)
            };
            let middle = self.cut(first, end, channel, limit);
            self.clusters[index] = self.cluster(first, middle);
            self.clusters.push(self.cluster(middle, end));
        }
        self.palette.clear();
        // Its colour is not seen.
        self.palette.push([0; 3]);
        for cluster in &self.clusters {
            let place = self.palette.len() as u8;
            self.palette.push(cluster.mean.map(|value| (value + 0.5) as u8));
            for bin in &self.used[cluster.first..cluster.end] {
                self.bins[usize::from(*bin)].place = place;
            }
        }
    }

    /// The place in the palette of the colour that stands for one that was added.
    pub(crate) fn place(&self, color: Rgb) -> u8 {
        self.bins[bin(color)].place
    }

    /// The colours, of which the first is [`TRANSPARENT`].
    pub(crate) fn palette(&self) -> &[Rgb] {
        &self.palette
    }

    fn cluster(&self, first: usize, end: usize) -> Cluster {
        let bins = || self.used[first..end].iter().map(|bin| self.bins[usize::from(*bin)]);
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for bin in bins() {
            sum.iter_mut().zip(bin.sum).for_each(|(sum, value)| *sum += value as f32);
            count += bin.count as f32;
        }
        let mean = sum.map(|sum| sum / count);
        let (mut variances, mut farthest) = ([0.0; 3], (0, 0.0f32));
        for bin in bins() {
            let color = bin.color();
            for channel in 0..3 {
                let offset = color[channel] - mean[channel];
                variances[channel] += offset * offset * bin.count as f32;
                if offset.abs() > farthest.1.abs() {
                    farthest = (channel, offset);
                }
            }
        }
        // What is left of rounding is no variance.
        let variances = variances.map(|variance| if end - first > 1 { variance } else { 0.0 });
        let order = |a: &usize, b: &usize| variances[*a].total_cmp(&variances[*b]);
        let channel = (0..3).max_by(order).unwrap_or(0);
        Cluster { first, end, mean, channel, variance: variances[channel], farthest }
    }

    /// Puts the bins that are below the limit first; returns where the others begin. Neither are none.
    fn cut(&mut self, first: usize, end: usize, channel: usize, limit: f32) -> usize {
        let mut middle = first;
        for index in first..end {
            if self.bins[usize::from(self.used[index])].color()[channel] < limit {
                self.used.swap(index, middle);
                middle += 1;
            }
        }
        middle.clamp(first + 1, end - 1)
    }
}

impl Bin {
    /// The mean.
    fn color(self) -> [f32; 3] {
        self.sum.map(|sum| sum as f32 / self.count as f32)
    }
}

fn bin(color: Rgb) -> usize {
    color.iter().fold(0, |bin, value| bin << BITS | usize::from(value >> (8 - BITS)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chosen(colors: &[Rgb], most: usize) -> FewColors {
        let mut few = FewColors::default();
        colors.iter().for_each(|color| few.add(*color));
        few.choose(most, f32::MAX);
        few
    }

    #[test]
    fn where_there_are_few_each_is_itself() {
        let colors = [[0, 0, 0], [255, 255, 255], [10, 200, 30], [200, 10, 90]];
        let few = chosen(&colors, 4);
        for color in colors {
            assert_eq!(few.palette()[usize::from(few.place(color))], color);
        }
        assert_eq!(few.palette().len(), 5);
    }

    #[test]
    fn the_first_cut_is_where_colours_vary_most() {
        let dark = [[10, 0, 9], [14, 30, 2], [20, 9, 7]];
        let light = [[240, 20, 6], [250, 0, 0], [230, 31, 5]];
        let few = chosen(&[dark, light].concat(), 2);
        let places = |colors: [Rgb; 3]| colors.map(|color| few.place(color));
        assert!(places(dark).iter().all(|place| *place == places(dark)[0]));
        assert!(places(light).iter().all(|place| *place == places(light)[0]));
        assert_ne!(places(dark)[0], places(light)[0]);
    }

    /// The two shades vary more, as there are many of each, than the one green differs.
    #[test]
    fn a_rare_colour_is_not_taken_for_another() {
        let shades = (0..=255).flat_map(|value| [[value, 0, 0], [0, 0, value]].repeat(20));
        let (mut few, green) = (FewColors::default(), [60, 100, 60]);
        shades.chain([green]).for_each(|color| few.add(color));
        few.choose(4, f32::MAX);
        let other = few.palette()[usize::from(few.place(green))];
        assert!(other[1] < 50, "{other:?}");
        few.choose(4, 14.0);
        let stands_for = few.palette()[usize::from(few.place(green))];
        assert!(stands_for.iter().zip(green).all(|(a, b)| a.abs_diff(b) <= 14), "{stands_for:?}");
    }

    proptest! {
        #[test]
        fn every_colour_has_one_that_stands_for_it(
            pictures in prop::collection::vec(prop::collection::vec(any::<[u8; 3]>(), 0..400), 1..3),
            most in 1usize..300,
        ) {
            let mut few = FewColors::default();
            for colors in pictures {
                few.restart();
                colors.iter().for_each(|color| few.add(*color));
                few.choose(most, f32::MAX);
                prop_assert!(few.palette().len() <= most.min(MOST) + 1);
                for color in colors {
                    let place = few.place(color);
                    prop_assert!(place != TRANSPARENT && usize::from(place) < few.palette().len());
                }
            }
        }
    }
}
