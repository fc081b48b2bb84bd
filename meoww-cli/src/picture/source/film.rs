//! A video file from a moment to its end, at its own rate: for a player, where the file of a camera
//! is played over and over.

use std::{
    fs::{self, File},
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ::y4m::Decoder;
use meoww_paint::{Frame, Scaler};

use super::{
    INTERVAL, SourceError,
    ffmpeg::{self, Ffmpeg},
    file::{self, Run, unreadable},
    worker::Stop,
    y4m,
};

/// Pictures a second that are believed of a file.
const RATES: std::ops::RangeInclusive<f64> = 0.1..=240.0;
/// Begins a file of YUV4MPEG2.
const MAGIC: &[u8] = b"YUV4MPEG2 ";
/// Begins a picture of it that has no parameters of its own.
const FRAME: &[u8; 6] = b"FRAME\n";

/// A picture and its moment.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Since the beginning of the file.
    pub at: Duration,
    /// In square pixels.
    pub picture: Arc<Frame>,
}

/// What is left of a file.
pub struct Film {
    reader: Reader,
    /// The first picture, until it is read.
    first: Option<Arc<Frame>>,
    /// The moment of the first picture.
    from: Duration,
    /// Pictures read.
    count: u32,
    interval: Duration,
    length: Option<Duration>,
}

enum Reader {
    Plain(Decoder<Box<dyn Read + Send>>, Scaler),
    /// ffmpeg.
    Run(Run),
}

impl Film {
    /// Opens a file of any kind at a moment, or at its last picture if that comes before. It may take
    /// seconds, so not on an async thread.
    ///
    /// # Errors
    ///
    /// There are no pictures in it, or they cannot be had.
    pub fn open(path: &Path, from: Duration) -> Result<Self, SourceError> {
        Self::open_until(path, from, &Stop::default())
    }

    /// [`Film::open`], and no picture after the order to stop.
    pub(super) fn open_until(
        path: &Path,
        from: Duration,
        stop: &Stop,
    ) -> Result<Self, SourceError> {
        let is_file = file::look(path)?;
        if is_file && let Some(film) = plain(path, from)? {
            return Ok(film);
        }
        if !ffmpeg::is_installed() {
            return Err(SourceError::NoFfmpeg { path: path.to_owned() });
        }
        let length = if is_file { ffmpeg::length(path) } else { None };
        // Past the end there is no picture: a little before it there is.
        let last = length.map(|length| length.saturating_sub(3 * INTERVAL));
        let from = last.map_or(from, |last| from.min(last));
        let ffmpeg = Ffmpeg::start(path, from, stop);
        let ffmpeg = ffmpeg.map_err(|error| unreadable(path, &error.to_string()))?;
        let (run, first) = Run::start(path, ffmpeg)?;
        let (reader, first) = (Reader::Run(run), Some(first));
        Ok(Self { reader, first, from, count: 0, interval: INTERVAL, length })
    }

    /// The time from one picture to the next.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How long the whole file is, where that can be known.
    pub fn length(&self) -> Option<Duration> {
        self.length
    }

    /// Reads the next picture; `None` at the end, or where the file is damaged.
    pub fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        let picture = match (self.first.take(), &mut self.reader) {
            (Some(first), _) => Some(first),
            (None, Reader::Plain(decoder, scaler)) => y4m::read(decoder, scaler).ok(),
            (None, Reader::Run(run)) => run.next()?,
        };
        let at = self.from + self.interval * self.count;
        self.count += u32::from(picture.is_some());
        Ok(picture.map(|picture| Shot { at, picture }))
    }
}

/// `None` where it takes ffmpeg.
fn plain(path: &Path, from: Duration) -> Result<Option<Film>, SourceError> {
    let Some(decoder) = y4m::decoder(path)? else { return Ok(None) };
    let failed = |error: io::Error| unreadable(path, &error.to_string());
    let rate = y4m::rate(&decoder).clamp(*RATES.start(), *RATES.end());
    let layout = Layout::of(path, &decoder).map_err(failed)?;
    let interval = Duration::from_secs_f64(1.0 / rate);
    let wanted = (from.as_secs_f64() * rate).round() as u64;
    let last = layout.pictures.saturating_sub(1);
    let skipped = u32::try_from(wanted.min(last)).unwrap_or(u32::MAX);
    let mut decoder = layout.open_at(skipped).map_err(failed)?;
    let mut scaler = Scaler::default();
    let first = y4m::read(&mut decoder, &mut scaler)
        .map_err(|_| unreadable(path, "it holds no picture, or it is cut short"))?;
    let count = u32::try_from(layout.pictures).unwrap_or(u32::MAX);
    Ok(Some(Film {
        reader: Reader::Plain(decoder, scaler),
        first: Some(first),
        from: interval * skipped,
        count: 0,
        interval,
        length: Some(interval * count),
    }))
}

/// Where the pictures of a YUV4MPEG2 file lie, if none of them has parameters of its own.
struct Layout {
    path: PathBuf,
    header: Vec<u8>,
    /// Bytes from one picture to the next.
    stride: u64,
    /// How many there are.
    pictures: u64,
}

impl Layout {
    fn of<R: Read>(path: &Path, decoder: &Decoder<R>) -> io::Result<Self> {
        let header = [MAGIC, decoder.get_raw_params(), b"\n"].concat();
        let (width, height) = (decoder.get_width() as u64, decoder.get_height() as u64);
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        let stride = FRAME.len() as u64 + width * height + 2 * chroma;
        let pictures = (fs::metadata(path)?.len().saturating_sub(header.len() as u64)) / stride;
        Ok(Self { path: path.to_owned(), header, stride, pictures })
    }

    /// A decoder whose next picture is the one with this number.
    fn open_at(&self, number: u32) -> io::Result<Decoder<Box<dyn Read + Send>>> {
        let mut file = File::open(&self.path)?;
        let start = self.header.len() as u64;
        file.seek(SeekFrom::Start(start + self.stride * u64::from(number)))?;
        let mut mark = [0; FRAME.len()];
        let is_there = file.read_exact(&mut mark).is_ok() && mark == *FRAME;
        let (at, to_read) = if is_there { (number, 0) } else { (0, number) };
        file.seek(SeekFrom::Start(start + self.stride * u64::from(at)))?;
        let header = Cursor::new(self.header.clone());
        let reader: Box<dyn Read + Send> = Box::new(header.chain(BufReader::new(file)));
        let mut decoder = Decoder::new(reader).map_err(io::Error::other)?;
        for _ in 0..to_read {
            decoder.read_frame().map_err(io::Error::other)?;
        }
        Ok(decoder)
    }
}

#[cfg(test)]
#[path = "film_tests.rs"]
mod tests;
