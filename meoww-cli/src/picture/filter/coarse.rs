//! A picture so coarse that it shows that somebody is there, and little of what they do.

use meoww_paint::Frame;

/// Areas across and down.
const COLUMNS: usize = 8;
const ROWS: usize = 6;

/// Returns the picture with each of 8 by 6 areas in its mean colour.
pub fn coarse(frame: &Frame) -> Frame {
    let mut coarse = frame.clone();
    let (width, height) = (frame.width(), frame.height());
    for (plane, half) in coarse.planes_mut().into_iter().zip([1, 2, 2]) {
        flatten(plane, width / half, height / half);
    }
    coarse
}

fn flatten(plane: &mut [u8], width: usize, height: usize) {
    let edge = |index: usize, count: usize, size: usize| index * size / count;
    for row in 0..ROWS {
        let rows = edge(row, ROWS, height)..edge(row + 1, ROWS, height);
        for column in 0..COLUMNS {
            let columns = edge(column, COLUMNS, width)..edge(column + 1, COLUMNS, width);
            let count = (rows.len() * columns.len()) as u64;
            let lines = || rows.clone().map(|y| y * width + columns.start);
            let pieces = lines().map(|from| &plane[from..from + columns.len()]);
            let sum: u64 = pieces.flatten().map(|pixel| u64::from(*pixel)).sum();
            let Some(mean) = (sum + count / 2).checked_div(count) else { continue };
            for from in lines() {
                plane[from..from + columns.len()].fill(mean as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_have_the_mean_of_their_pixels() {
        // 32x24: areas of 4x4 pixels, that begin with 0, 10, 20 and 30 in each row of them.
        let mut frame = Frame::black(32, 24);
        let [luma, _, _] = frame.planes_mut();
        luma.iter_mut().enumerate().for_each(|(at, pixel)| *pixel = (at % 4 * 10) as u8);
        luma[0] = 160;
        let coarse = coarse(&frame);
        let [luma, chroma, _] = coarse.planes();
        // (16 pixels with a mean of 15, one of them 160 higher) = 15 + 10.
        assert_eq!((luma[0], luma[3], luma[3 * 32 + 3]), (25, 25, 25));
        assert!(luma[4..32].iter().all(|pixel| *pixel == 15), "{:?}", &luma[..32]);
        assert!(chroma.iter().all(|pixel| *pixel == 128));
    }

    #[test]
    fn the_smallest_picture_stays_one() {
        let tiny = Frame::black(2, 2);
        assert_eq!(coarse(&tiny), tiny);
    }
}
