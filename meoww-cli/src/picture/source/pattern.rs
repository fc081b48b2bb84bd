//! A moving test picture that carries the time it was made.
//!
//! Top 40 %: 16 columns x 4 rows of black (0) and white (1) blocks, read left to right, top to
//! bottom, most significant bit first: 32 bits of wall clock in units of 100 us, 20 bits of frame
//! counter, 12 bits of CRC (the low bits of CRC-16/IBM-3740 over the rest). Below it, down to 85 %:
//! four bars, by default red, green, blue, yellow. At the bottom: a white square that walks over
//! grey. The blocks are large enough to be read after scaling to 80x60 and H.264.

use std::sync::Arc;

use meoww_paint::Frame;

use super::{
    INTERVAL, Next, Pictures,
    worker::{Pace, Stop},
};
use crate::clock;

const COLUMNS: usize = 16;
const ROWS: usize = 4;
/// Bits of the check in the lowest bits of the code.
const CHECK_BITS: u32 = 12;
/// Bits of the frame counter.
const COUNTER_BITS: u32 = 20;
/// The counter starts again after this.
pub const COUNTER_MASK: u32 = (1 << COUNTER_BITS) - 1;

const BLACK: [u8; 3] = [16, 128, 128];
const WHITE: [u8; 3] = [235, 128, 128];
const GREY: [u8; 3] = [80, 128, 128];
/// Red, green, blue, yellow at full saturation (Y, Cb, Cr, BT.601 limited range).
const BARS: [[u8; 3]; 4] = [[81, 90, 240], [145, 54, 34], [41, 240, 110], [210, 16, 146]];

/// Size of a filmed pattern.
const SIZE: (usize, usize) = (320, 240);

/// What a pattern says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Pictures before this one, modulo 2^20.
    pub counter: u32,
    /// When it was made: wall clock in units of 100 us since the Unix epoch, modulo 2^32.
    pub sent: u32,
}

impl Stamp {
    /// As drawn: stamp and check in 64 bits.
    fn to_code(self) -> u64 {
        let counter = u64::from(self.counter) & ((1 << COUNTER_BITS) - 1);
        let stamp = u64::from(self.sent) << COUNTER_BITS | counter;
        stamp << CHECK_BITS | check(stamp)
    }

    fn from_code(code: u64) -> Option<Self> {
        let stamp = code >> CHECK_BITS;
        let (counter, sent) = (stamp & ((1 << COUNTER_BITS) - 1), stamp >> COUNTER_BITS);
        (stamp << CHECK_BITS | check(stamp) == code)
            .then_some(Self { counter: counter as u32, sent: sent as u32 })
    }
}

/// The pattern as a camera has it: 30 times a second, with the time.
pub(super) struct Film {
    variant: u8,
    counter: u32,
    pace: Pace,
}

impl Film {
    pub(super) fn new(variant: u8) -> Self {
        Self { variant, counter: 0, pace: Pace::new(INTERVAL) }
    }
}

impl Pictures for Film {
    fn next(&mut self, stop: &Stop) -> Next {
        if !self.pace.wait(stop) {
            return Ok(None);
        }
        let stamp = Stamp { counter: self.counter, sent: clock::wall() };
        self.counter = (self.counter + 1) % (1 << COUNTER_BITS);
        Ok(Some(Arc::new(draw(SIZE.0, SIZE.1, self.variant, stamp))))
    }
}

/// CRC-16/IBM-3740 (polynomial 0x1021, from 0xffff, so that all black is no code), cut to
/// [`CHECK_BITS`].
fn check(stamp: u64) -> u64 {
    let crc = stamp.to_be_bytes().into_iter().fold(u16::MAX, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    });
    u64::from(crc) & ((1 << CHECK_BITS) - 1)
}

/// Draws the pattern. `variant` turns the order of the bars, so that two peers look different.
pub fn draw(width: usize, height: usize, variant: u8, stamp: Stamp) -> Frame {
    let mut frame = Frame::black(width, height);
    let (width, height) = (frame.width(), frame.height());
    let (code_end, bars_end) = (height * 2 / 5, height * 17 / 20);
    let code = stamp.to_code();
    for bit in 0..COLUMNS * ROWS {
        let (x, y) = block(bit, width, code_end);
        let white = code >> (COLUMNS * ROWS - 1 - bit) & 1 == 1;
        fill(&mut frame, x, y, if white { WHITE } else { BLACK });
    }
    for bar in 0..BARS.len() {
        let colour = BARS[(bar + usize::from(variant)) % BARS.len()];
        let x = width * bar / BARS.len()..width * (bar + 1) / BARS.len();
        fill(&mut frame, x, code_end..bars_end, colour);
    }
    fill(&mut frame, 0..width, bars_end..height, GREY);
    let side = height - bars_end;
    // Across and back, four pixels a picture.
    let path = width.saturating_sub(side).max(1);
    let step = stamp.counter as usize * 4 % (2 * path);
    let x = step.min(2 * path - step);
    fill(&mut frame, x..(x + side).min(width), bars_end..height, WHITE);
    frame
}

/// Reads the stamp off a picture of any size; `None` when there is none, or it is damaged.
pub fn read(frame: &Frame) -> Option<Stamp> {
    let code = (0..COLUMNS * ROWS).fold(0, |code, bit| {
        let (x, y) = block(bit, frame.width(), frame.height() * 2 / 5);
        // The middle half of a block: its edges are smeared.
        let middle = |side: std::ops::Range<usize>| {
            let margin = side.len() / 4;
            side.start + margin..side.end - margin
        };
        code << 1 | u64::from(mean(frame, middle(x), middle(y)) > 125)
    });
    Stamp::from_code(code)
}

/// Where a bit of the code is.
fn block(
    bit: usize,
    width: usize,
    code_end: usize,
) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let (column, row) = (bit % COLUMNS, bit / COLUMNS);
    (
        width * column / COLUMNS..width * (column + 1) / COLUMNS,
        code_end * row / ROWS..code_end * (row + 1) / ROWS,
    )
}

fn fill(frame: &mut Frame, x: std::ops::Range<usize>, y: std::ops::Range<usize>, colour: [u8; 3]) {
    let width = frame.width();
    for (index, plane) in frame.planes_mut().into_iter().enumerate() {
        let shift = usize::from(index > 0);
        for row in y.start >> shift..y.end >> shift {
            let start = row * (width >> shift);
            plane[start + (x.start >> shift)..start + (x.end >> shift)].fill(colour[index]);
        }
    }
}

/// Mean brightness of an area; 0 of an empty one.
fn mean(frame: &Frame, x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> usize {
    let [luma, _, _] = frame.planes();
    let count = x.len() * y.len();
    let rows = y.map(|row| &luma[row * frame.width()..][x.clone()]);
    let sum: usize = rows.flatten().map(|pixel| usize::from(*pixel)).sum();
    sum.checked_div(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use meoww_paint::Scaler;
    use proptest::prelude::*;

    use super::*;
    use crate::picture::{decode::Decoder, encode::Encoder};

    /// Scaled, coded at the bitrate a picture of that size gets, decoded: every stamp is read.
    #[test]
    fn survives_scaling_and_coding() {
        for (size, bps) in
            [((80, 60), 60_000), ((120, 90), 80_000), ((160, 120), 120_000), ((320, 240), 400_000)]
        {
            let (mut scaler, mut encoder) = (Scaler::default(), Encoder::new(bps));
            let mut decoder = Decoder::new().unwrap();
            for counter in 0..90 {
                let stamp = Stamp { counter, sent: 0x1234_5678u32.wrapping_add(counter * 333) };
                let frame = scaler.scale(&Arc::new(draw(320, 240, 1, stamp)), size);
                let at = Duration::from_millis(u64::from(counter) * 33);
                let coded = encoder.encode(&frame, at, false).unwrap().unwrap();
                let frame = decoder.decode(&coded.data).unwrap().unwrap();
                assert_eq!(read(&frame), Some(stamp), "{size:?}");
            }
        }
    }

    #[test]
    fn nothing_is_read_off_other_pictures() {
        assert_eq!(read(&Frame::black(320, 240)), None);
        assert_eq!(read(&Frame::black(2, 2)), None);
    }

    proptest! {
        #[test]
        fn reads_what_was_drawn(counter in 0u32..1 << 20, sent: u32, w in 40usize..400, h in 30usize..300) {
            let stamp = Stamp { counter, sent };
            prop_assert_eq!(read(&draw(w * 2, h * 2, 0, stamp)), Some(stamp));
        }

        #[test]
        fn a_flipped_bit_is_noticed(counter in 0u32..1 << 20, sent: u32, bit in 0u32..64) {
            let code = Stamp { counter, sent }.to_code();
            prop_assert_eq!(Stamp::from_code(code ^ 1 << bit), None);
        }
    }
}
