//! YUV4MPEG2 of the plain kind (8-bit 4:2:0) without another program.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ::y4m::{Colorspace, Decoder, Error, Ratio};
use meoww_paint::{Frame, Scaler};

use super::{
    Next, Pictures, SourceError,
    file::unreadable,
    worker::{Pace, Stop},
};
use crate::picture::filter::square;

/// Bytes of one picture, at most: 3840x2160 in 4:2:0. Larger ones are worth scaling by ffmpeg.
const MAX_PICTURE: usize = 3840 * 2160 * 3 / 2;
/// Smaller pictures cannot be coded.
const MIN_SIDE: usize = 16;
/// Pictures a second where a file does not say, as ffmpeg has it.
const USUAL_RATE: f64 = 25.0;
/// Pictures shown a second: others are left out, or shown again, which sharpens them.
const RATES: std::ops::RangeInclusive<f64> = 5.0..=60.0;
/// Pictures read for one that is shown, at most.
const MAX_STEP: f64 = 16.0;

type Reader = Decoder<BufReader<File>>;

/// A file, over and over.
pub(super) struct Y4m {
    path: PathBuf,
    decoder: Reader,
    scaler: Scaler,
    newest: Arc<Frame>,
    /// Pictures of the file for one that is shown.
    step: f64,
    /// Pictures to read before the next is shown.
    due: f64,
    pace: Pace,
}

impl Y4m {
    /// `None` where it takes ffmpeg: a file of another kind, or larger than it is worth.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, SourceError> {
        let Some(mut decoder) = decoder(path)? else { return Ok(None) };
        let mut scaler = Scaler::default();
        let newest = read(&mut decoder, &mut scaler)
            .map_err(|_| unreadable(path, "it holds no picture, or it is cut short"))?;
        let rate = rate(&decoder);
        let shown = rate.clamp(*RATES.start(), *RATES.end());
        let step = (rate / shown).min(MAX_STEP);
        let pace = Pace::new(Duration::from_secs_f64(1.0 / shown));
        // The first is due at once, and was read to see that there is one.
        let path = path.to_owned();
        Ok(Some(Self { path, decoder, scaler, newest, step, due: -step, pace }))
    }

    /// Reads on to the picture that is due.
    fn advance(&mut self) -> Result<(), SourceError> {
        self.due += self.step;
        // A step of one third, three times, is a little less than one.
        while self.due > 0.999 {
            self.due -= 1.0;
            self.newest = match read(&mut self.decoder, &mut self.scaler) {
                Ok(picture) => picture,
                // At its end, or where it is damaged.
                Err(_) => self.rewind()?,
            };
        }
        Ok(())
    }

    fn rewind(&mut self) -> Result<Arc<Frame>, SourceError> {
        let gone = || unreadable(&self.path, "it changed while it was played");
        self.decoder = decoder(&self.path)?.ok_or_else(gone)?;
        read(&mut self.decoder, &mut self.scaler).map_err(|_| gone())
    }
}

impl Pictures for Y4m {
    fn next(&mut self, stop: &Stop) -> Next {
        if !self.pace.wait(stop) {
            return Ok(None);
        }
        self.advance()?;
        Ok(Some(self.newest.clone()))
    }
}

/// `None` where it takes ffmpeg.
pub(super) fn decoder(path: &Path) -> Result<Option<Reader>, SourceError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error.to_string()))?;
    let limits = ::y4m::Limits { bytes: MAX_PICTURE };
    let Ok(decoder) = Decoder::new_with_limits(BufReader::new(file), limits) else {
        return Ok(None);
    };
    let is_full_range = decoder.get_raw_params().ends_with(b"XCOLORRANGE=FULL");
    let is_small = decoder.get_width().min(decoder.get_height()) < MIN_SIDE;
    let is_plain = is_plain(decoder.get_colorspace()) && !is_full_range && !is_small;
    Ok(is_plain.then_some(decoder))
}

/// Whether its planes are those of a [`Frame`].
pub(super) fn is_plain(space: Colorspace) -> bool {
    matches!(
        space,
        Colorspace::C420 | Colorspace::C420jpeg | Colorspace::C420paldv | Colorspace::C420mpeg2
    )
}

/// The next picture, in square pixels.
pub(super) fn read<R: Read>(
    decoder: &mut Decoder<R>,
    scaler: &mut Scaler,
) -> Result<Arc<Frame>, Error> {
    let (stride, rows) = (decoder.get_width(), decoder.get_height());
    let aspect = fraction(decoder.get_pixel_aspect()).unwrap_or(1.0);
    let picture = decoder.read_frame()?;
    let planes = [picture.get_y_plane(), picture.get_u_plane(), picture.get_v_plane()];
    let half = stride.div_ceil(2);
    // A last odd row or column is left out.
    let (width, height) = (stride & !1, rows & !1);
    let frame = Frame::from_planes(width, height, planes, [stride, half, half]);
    let frame = Arc::new(frame.ok_or(Error::BadInput)?);
    Ok(scaler.scale(&frame, square::size(width, height, aspect)))
}

/// Pictures a second, as the file says or is taken to say.
pub(super) fn rate<R: Read>(decoder: &Decoder<R>) -> f64 {
    fraction(decoder.get_framerate()).unwrap_or(USUAL_RATE)
}

/// `None` where the file leaves it open, as `0:0`.
fn fraction(ratio: Ratio) -> Option<f64> {
    (ratio.num > 0 && ratio.den > 0).then(|| ratio.num as f64 / ratio.den as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::source::pattern;

    /// Counters of the pictures that are shown for a file of six, and how long each is.
    fn shown(rate: (usize, usize), count: usize) -> (Vec<u32>, Duration) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pattern.y4m");
        let encoder = ::y4m::encode(160, 120, Ratio::new(rate.0, rate.1));
        let mut encoder = encoder.write_header(File::create(&path).unwrap()).unwrap();
        for counter in 0..6 {
            let picture = pattern::draw(160, 120, 0, pattern::Stamp { counter, sent: 7 });
            encoder.write_frame(&::y4m::Frame::new(picture.planes(), None)).unwrap();
        }
        let mut y4m = Y4m::open(&path).unwrap().unwrap();
        let counters = (0..count).map(|_| {
            y4m.advance().unwrap();
            pattern::read(&y4m.newest).unwrap().counter
        });
        (counters.collect(), y4m.pace.interval())
    }

    /// A rate that is not given is 25, as ffmpeg has it.
    #[test]
    fn files_are_played_at_their_own_rate() {
        let ms = Duration::from_millis;
        assert_eq!(shown((20, 1), 8), (vec![0, 1, 2, 3, 4, 5, 0, 1], ms(50)));
        assert_eq!(shown((0, 0), 3), (vec![0, 1, 2], ms(40)));
        assert_eq!(shown((25, 0), 3), (vec![0, 1, 2], ms(40)));
        let sixtieth = Duration::from_secs_f64(1.0 / 60.0);
        assert_eq!(shown((120, 1), 4), (vec![0, 2, 4, 0], sixtieth));
        assert_eq!(shown((90, 1), 5), (vec![0, 1, 3, 4, 0], sixtieth));
        assert_eq!(shown((1, 1), 11), (vec![0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2], ms(200)));
        assert_eq!(shown((usize::MAX, 1), 2).1, sixtieth);
    }
}
