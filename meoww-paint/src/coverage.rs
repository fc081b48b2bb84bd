//! The area filter: a pixel of the scaled picture is the mean of what it covers of the other, where
//! a pixel that is covered in part counts by that part.

use crate::simd::wide;

/// Rows that are scaled together: their samples of one column are neighbours, and a few instructions
/// do for all of them.
pub(crate) const BAND: usize = 8;

/// The samples of a column.
type Column = [f32; BAND];

/// Scales one plane of samples from one size to another.
#[derive(Default)]
pub(crate) struct PlaneScaler {
    columns: Axis,
    rows: Axis,
    /// Rows of the scaled plane that are as long as those of the source, and the same by columns.
    sums: Vec<f32>,
    long: Vec<Column>,
    short: Vec<Column>,
    scaled: Vec<f32>,
}

/// Which samples of the source make each one of the scaled plane, along one direction.
#[derive(Default)]
struct Axis {
    from: usize,
    to: usize,
    spans: Vec<Span>,
    /// Parts of the source's samples, of all spans.
    weights: Vec<f32>,
    /// The samples of the longest span.
    most: usize,
    /// For each sample of the scaled plane the first of `most` of the source, and their parts, of
    /// which some may be none.
    firsts: Vec<usize>,
    parts: Vec<f32>,
}

#[derive(Clone, Copy)]
struct Span {
    /// The first sample.
    first: usize,
    /// Its weight.
    at: usize,
    count: usize,
}

impl Axis {
    /// Prepares for another scale; does nothing where it is the same.
    fn prepare(&mut self, from: usize, to: usize) {
        if (self.from, self.to) == (from, to) {
            return;
        }
        (self.from, self.to) = (from, to);
        self.spans.clear();
        self.weights.clear();
        for index in 0..to {
            // In units in which a sample of the source is `to` long, and one of the other `from`.
            let (start, end) = (index * from, (index + 1) * from);
            let (first, last) = (start / to, (end - 1) / to);
            let at = self.weights.len();
            self.weights.extend((first..=last).map(|sample| {
                let overlap = end.min((sample + 1) * to) - start.max(sample * to);
                (overlap as f64 / from as f64) as f32
            }));
            self.spans.push(Span { first, at, count: last + 1 - first });
        }
        self.most = self.spans.iter().map(|span| span.count).max().unwrap_or(0);
        self.firsts.clear();
        self.parts.clear();
        for Span { first, at, count } in &self.spans {
            // The last ones begin earlier, so that all have as many.
            let begin = (*first).min(from - self.most);
            self.firsts.push(begin);
            let next = self.parts.len() + self.most;
            self.parts.resize(self.parts.len() + first - begin, 0.0);
            self.parts.extend_from_slice(&self.weights[*at..][..*count]);
            self.parts.resize(next, 0.0);
        }
    }

    fn spans(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.spans.iter().map(|span| (span.first, &self.weights[span.at..][..span.count]))
    }
}

impl PlaneScaler {
    /// Scales `source`, of `from` samples (width, height), to `to` samples, and hands over row after
    /// row. No side is zero.
    pub(crate) fn scale(
        &mut self,
        source: &[u8],
        from: (usize, usize),
        to: (usize, usize),
        mut row: impl FnMut(usize, &[f32]),
    ) {
        self.prepare(from, to);
        for first in (0..to.1).step_by(BAND) {
            for (y, scaled) in self.band(source, first).enumerate() {
                row(first + y, scaled);
            }
        }
    }

    /// Takes up the sizes (width, height) of planes and of what becomes of them. No side is zero.
    pub(crate) fn prepare(&mut self, from: (usize, usize), to: (usize, usize)) {
        self.columns.prepare(from.0, to.0);
        self.rows.prepare(from.1, to.1);
        self.sums.resize(BAND * from.0, 0.0);
        self.long.resize(from.0, [0.0; BAND]);
        self.short.resize(to.0, [0.0; BAND]);
        self.scaled.resize(BAND * to.0, 0.0);
    }

    /// Returns [`BAND`] rows of the scaled plane from `first` on, or as many as there are.
    pub(crate) fn band(&mut self, source: &[u8], first: usize) -> impl Iterator<Item = &[f32]> {
        let width = self.columns.from;
        let spans = self.rows.spans().skip(first);
        for ((from, weights), sums) in spans.zip(self.sums.chunks_exact_mut(width)) {
            let covered = &source[from * width..][..weights.len() * width];
            wide!(sum_rows(covered, weights, sums));
        }
        let scaled = if width == self.columns.to {
            &self.sums
        } else {
            wide!({
                to_columns(&self.sums, &mut self.long);
                self.columns.shrink(&self.long, &mut self.short);
                to_rows(&self.short, &mut self.scaled);
            });
            &self.scaled
        };
        scaled.chunks_exact(self.columns.to).take(self.rows.to - first)
    }
}

impl Axis {
    #[inline(always)]
    fn shrink(&self, long: &[Column], short: &mut [Column]) {
        if self.from.is_multiple_of(self.to) {
            whole(long, self.from / self.to, short);
            return;
        }
        match self.most {
            1 => self.parts::<1>(long, short),
            2 => self.parts::<2>(long, short),
            3 => self.parts::<3>(long, short),
            4 => self.parts::<4>(long, short),
            5 => self.parts::<5>(long, short),
            6 => self.parts::<6>(long, short),
            _ => {
                for (column, (first, weights)) in short.iter_mut().zip(self.spans()) {
                    *column = weighted(&long[first..][..weights.len()], weights);
                }
            }
        }
    }

    /// With a known number of samples each is a few instructions.
    #[inline(always)]
    fn parts<const N: usize>(&self, long: &[Column], short: &mut [Column]) {
        let parts = self.firsts.iter().zip(self.parts.as_chunks::<N>().0);
        for (column, (first, parts)) in short.iter_mut().zip(parts) {
            if let Some(covered) = long.get(*first..).and_then(|rest| rest.first_chunk::<N>()) {
                *column = weighted(covered, parts);
            }
        }
    }
}

#[inline(always)]
fn weighted(covered: &[Column], weights: &[f32]) -> Column {
    let mut sums = [0.0; BAND];
    for (column, weight) in covered.iter().zip(weights) {
        sums.iter_mut().zip(column).for_each(|(sum, value)| *sum += value * weight);
    }
    sums
}

/// Rows one after the other become columns.
#[inline(always)]
fn to_columns(rows: &[f32], columns: &mut [Column]) {
    let width = columns.len();
    let rows: [&[f32]; BAND] = std::array::from_fn(|row| &rows[row * width..][..width]);
    for (x, column) in columns.iter_mut().enumerate() {
        *column = rows.map(|row| row[x]);
    }
}

/// Columns become rows one after the other.
#[inline(always)]
fn to_rows(columns: &[Column], rows: &mut [f32]) {
    for (y, row) in rows.chunks_exact_mut(columns.len()).enumerate() {
        row.iter_mut().zip(columns).for_each(|(value, column)| *value = column[y]);
    }
}

/// Adds up rows by their weights. With a known number of them each sum stays in a register.
#[inline(always)]
fn sum_rows(rows: &[u8], weights: &[f32], sums: &mut [f32]) {
    match weights.len() {
        1 => sum::<1>(rows, weights, sums),
        2 => sum::<2>(rows, weights, sums),
        3 => sum::<3>(rows, weights, sums),
        4 => sum::<4>(rows, weights, sums),
        5 => sum::<5>(rows, weights, sums),
        6 => sum::<6>(rows, weights, sums),
        _ => {
            sums.fill(0.0);
            for (row, weight) in rows.chunks_exact(sums.len()).zip(weights) {
                sums.iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += f32::from(*value) * weight);
            }
        }
    }
}

#[inline(always)]
fn sum<const N: usize>(rows: &[u8], weights: &[f32], sums: &mut [f32]) {
    let width = sums.len();
    let rows: [&[u8]; N] = std::array::from_fn(|row| &rows[row * width..][..width]);
    let weights: [f32; N] = std::array::from_fn(|row| weights[row]);
    if weights.iter().all(|weight| *weight == weights[0]) {
        // Whole rows: their sum fits 16 bits, of which a register holds twice as many.
        for (x, sum) in sums.iter_mut().enumerate() {
            let total: u16 = rows.iter().map(|row| u16::from(row[x])).sum();
            *sum = f32::from(total) * weights[0];
        }
        return;
    }
    for (x, sum) in sums.iter_mut().enumerate() {
        *sum = (0..N).map(|row| f32::from(rows[row][x]) * weights[row]).sum();
    }
}

/// The means of `count` neighbours each.
#[inline(always)]
fn whole(long: &[Column], count: usize, short: &mut [Column]) {
    match count {
        2 => means::<2>(long, short),
        3 => means::<3>(long, short),
        4 => means::<4>(long, short),
        5 => means::<5>(long, short),
        6 => means::<6>(long, short),
        _ => {
            for (column, covered) in short.iter_mut().zip(long.chunks_exact(count)) {
                *column = mean(covered);
            }
        }
    }
}

#[inline(always)]
fn means<const N: usize>(long: &[Column], short: &mut [Column]) {
    for (column, covered) in short.iter_mut().zip(long.as_chunks::<N>().0) {
        *column = mean(covered);
    }
}

#[inline(always)]
fn mean(covered: &[Column]) -> Column {
    let mut sums = [0.0; BAND];
    for column in covered {
        sums.iter_mut().zip(column).for_each(|(sum, value)| *sum += value);
    }
    sums.map(|sum| sum * (1.0 / covered.len() as f32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Both planes cut into pieces so small that none is covered in part: `from` pieces a sample of
    /// the scaled plane, `to` of the source. In whole numbers, and slow.
    fn reference(source: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<f64> {
        let mut scaled = Vec::new();
        for y in 0..to.1 {
            for x in 0..to.0 {
                let mut total = 0u64;
                for v in y * from.1..(y + 1) * from.1 {
                    for u in x * from.0..(x + 1) * from.0 {
                        total += u64::from(source[v / to.1 * from.0 + u / to.0]);
                    }
                }
                scaled.push(total as f64 / (from.0 * from.1) as f64);
            }
        }
        scaled
    }

    fn scaled(source: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
        let mut rows = Vec::new();
        PlaneScaler::default().scale(source, from, to, |y, row| {
            assert_eq!(rows.len(), y * to.0);
            rows.extend_from_slice(row);
        });
        rows
    }

    #[test]
    fn a_pixel_covered_by_a_third_counts_by_a_third() {
        // Three samples to two: the middle one is half of each, so (2 * 30 + 60) / 3 and
        // (60 + 2 * 90) / 3.
        assert_eq!(scaled(&[30, 60, 90], (3, 1), (2, 1)), [40.0, 80.0]);
    }

    proptest! {
        #[test]
        fn every_pixel_is_the_mean_of_what_it_covers(
            from in (1usize..24, 1usize..24),
            to in (1usize..24, 1usize..24),
            noise in prop::collection::vec(any::<u8>(), 24 * 24),
        ) {
            let source = &noise[..from.0 * from.1];
            let seen = scaled(source, from, to);
            let wanted = reference(source, from, to);
            prop_assert_eq!(seen.len(), wanted.len());
            for (seen, wanted) in seen.iter().zip(wanted) {
                prop_assert!((f64::from(*seen) - wanted).abs() < 1e-3, "{seen} for {wanted}");
            }
        }

        #[test]
        fn whole_ratios_are_exact_too(
            ratio in (1usize..9, 1usize..9),
            to in (1usize..5, 1usize..5),
            noise in prop::collection::vec(any::<u8>(), 32 * 32),
        ) {
            let from = (ratio.0 * to.0, ratio.1 * to.1);
            let seen = scaled(&noise[..from.0 * from.1], from, to);
            for (seen, wanted) in seen.iter().zip(reference(&noise, from, to)) {
                prop_assert!((f64::from(*seen) - wanted).abs() < 1e-3, "{seen} for {wanted}");
            }
        }
    }
}
