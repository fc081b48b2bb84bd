//! Square pixels: everything behind the sources takes a pixel to be as wide as it is high.

/// Smaller pictures cannot be coded.
const MIN_SIDE: usize = 16;

/// Returns the size at which a picture of `width` x `height` pixels, each `aspect` times as wide as
/// high, has square ones: even, and smaller rather than blown up.
pub fn size(width: usize, height: usize, aspect: f64) -> (usize, usize) {
    let even = |side: f64| ((side / 2.0).round() as usize * 2).max(MIN_SIDE);
    if aspect > 1.0 {
        (width, even(height as f64 / aspect).min(height))
    } else if aspect < 1.0 {
        (even(width as f64 * aspect).min(width), height)
    } else {
        (width, height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixel aspects of ITU-R BT.601 pictures, as they are used for 16:9 and 4:3.
    #[test]
    fn broadcast_sizes_become_what_they_are_seen_as() {
        assert_eq!(size(720, 576, 64.0 / 45.0), (720, 406), "PAL at 16:9 is 720 x 405");
        assert_eq!(size(720, 480, 8.0 / 9.0), (640, 480), "NTSC at 4:3");
        assert_eq!(size(1440, 1080, 4.0 / 3.0), (1440, 810), "HDV");
        assert_eq!(size(320, 240, 1.0), (320, 240));
    }

    #[test]
    fn odd_aspects_leave_a_picture() {
        assert_eq!(size(64, 48, 1e9), (64, 16));
        assert_eq!(size(64, 48, 1e-9), (16, 48));
    }
}
