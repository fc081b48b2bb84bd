//! Pictures from files, over and over: plain YUV4MPEG2 by itself, all else through ffmpeg.

use std::{
    fs::{self, File},
    io::{BufReader, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ::y4m::Decoder;
use meoww_paint::{Frame, Scaler};

use super::{
    CARD_INTERVAL, INTERVAL, Next, Pictures, SourceError,
    ffmpeg::{self, Ffmpeg},
    worker::{PATIENCE, Pace, Stop},
    y4m::{self, Y4m},
};

/// Files with no more pictures than a second are played from memory: a new process for each pass of
/// them would be most of the work.
const MAX_KEPT: usize = 30;
/// A file of so many is a still: its picture may have been doubled on the way to 30 a second.
const STILL: usize = 2;

/// Opens a file of any kind.
///
/// # Errors
/// There are no pictures in it, or they cannot be had.
pub(super) fn open(path: &Path, stop: &Stop) -> Result<Box<dyn Pictures>, SourceError> {
    let is_file = look(path)?;
    // A pipe is read by a process that can be ended while it waits.
    if is_file && let Some(y4m) = Y4m::open(path)? {
        return Ok(Box::new(y4m));
    }
    if !ffmpeg::is_installed() {
        return Err(SourceError::NoFfmpeg { path: path.to_owned() });
    }
    Ok(Box::new(Clip::open(path, is_file, stop)?))
}

/// Refuses what is not even for ffmpeg; returns whether it is a regular file.
pub(super) fn look(path: &Path) -> Result<bool, SourceError> {
    let failed = |error: std::io::Error| unreadable(path, &error.to_string());
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(unreadable(path, "it is a folder"));
    }
    if metadata.is_file() {
        File::open(path).map_err(failed)?;
        if metadata.len() == 0 {
            return Err(unreadable(path, "it is empty"));
        }
    }
    Ok(metadata.is_file())
}

pub(super) fn unreadable(path: &Path, reason: &str) -> SourceError {
    SourceError::Unreadable { path: path.to_owned(), reason: reason.to_owned() }
}

/// A file through ffmpeg, which is started again at its end: not every format can be rewound.
struct Clip {
    path: PathBuf,
    /// A pipe can be read by one at a time.
    is_file: bool,
    /// `None` once the file is played from memory.
    run: Option<Run>,
    /// Read, and not shown yet.
    first: Option<Arc<Frame>>,
    /// The first run so far, while it is short.
    kept: Option<Vec<Arc<Frame>>>,
    /// Pictures since the run began, or in all from memory.
    shown: usize,
    /// Pictures of the run before.
    length: Option<usize>,
    /// The next run, begun in time to be ready when this one ends.
    spare: Option<Ffmpeg>,
    pace: Pace,
}

impl Clip {
    fn open(path: &Path, is_file: bool, stop: &Stop) -> Result<Self, SourceError> {
        let (run, first) = Run::start(path, start(path, stop)?)?;
        Ok(Self {
            path: path.to_owned(),
            is_file,
            run: Some(run),
            kept: Some(vec![first.clone()]),
            first: Some(first),
            shown: 0,
            length: None,
            spare: None,
            pace: Pace::new(INTERVAL),
        })
    }

    fn keep(&mut self, picture: &Arc<Frame>) {
        self.kept = self.kept.take().filter(|kept| kept.len() < MAX_KEPT);
        if let Some(kept) = &mut self.kept {
            kept.push(picture.clone());
        }
    }

    /// Begins the next run a second before this one ends, if that is known.
    fn prepare(&mut self, stop: &Stop) -> Result<(), SourceError> {
        let is_near = self.length.is_some_and(|length| self.shown + MAX_KEPT >= length);
        if is_near && self.is_file && self.spare.is_none() {
            self.spare = Some(start(&self.path, stop)?);
        }
        Ok(())
    }

    /// At the end of a run.
    fn again(&mut self, stop: &Stop) -> Next {
        self.run = None;
        self.length = Some(std::mem::take(&mut self.shown));
        match &mut self.kept {
            Some(kept) => {
                if kept.len() <= STILL {
                    self.pace = Pace::new(CARD_INTERVAL);
                    kept.drain(..kept.len() - 1);
                }
                Ok(self.replayed())
            }
            None if stop.wait(Duration::ZERO) => Ok(None),
            None => {
                let ffmpeg = self.spare.take().map_or_else(|| start(&self.path, stop), Ok)?;
                let (run, first) = Run::start(&self.path, ffmpeg)?;
                (self.run, self.shown) = (Some(run), 1);
                Ok(Some(first))
            }
        }
    }

    fn replayed(&mut self) -> Option<Arc<Frame>> {
        let kept = self.kept.as_ref()?;
        let picture = kept[self.shown % kept.len()].clone();
        self.shown += 1;
        Some(picture)
    }
}

impl Pictures for Clip {
    fn next(&mut self, stop: &Stop) -> Next {
        if !self.pace.wait(stop) {
            return Ok(None);
        }
        if let Some(first) = self.first.take() {
            self.shown = 1;
            return Ok(Some(first));
        }
        let Some(run) = &mut self.run else { return Ok(self.replayed()) };
        match run.next()? {
            Some(picture) => {
                self.keep(&picture);
                self.shown += 1;
                self.prepare(stop)?;
                Ok(Some(picture))
            }
            None => self.again(stop),
        }
    }
}

fn start(path: &Path, stop: &Stop) -> Result<Ffmpeg, SourceError> {
    Ffmpeg::start(path, Duration::ZERO, stop).map_err(|error| unreadable(path, &error.to_string()))
}

/// One run of ffmpeg.
pub(super) struct Run {
    decoder: Decoder<BufReader<Ffmpeg>>,
    scaler: Scaler,
    what: String,
}

impl Run {
    /// With the first picture of it.
    pub(super) fn start(path: &Path, ffmpeg: Ffmpeg) -> Result<(Self, Arc<Frame>), SourceError> {
        let (said, what) = (ffmpeg.said(), path.display().to_string());
        let decoder = match Decoder::new(BufReader::new(ffmpeg)) {
            Ok(decoder) => decoder,
            Err(error) if is_silence(&error) => return Err(silent(&what)),
            Err(_) => return Err(unreadable(path, &said.reason(path))),
        };
        let mut run = Self { decoder, scaler: Scaler::default(), what };
        match run.next()? {
            Some(first) => Ok((run, first)),
            None => Err(unreadable(path, &said.reason(path))),
        }
    }

    /// `None` at the end.
    pub(super) fn next(&mut self) -> Next {
        match y4m::read(&mut self.decoder, &mut self.scaler) {
            Ok(picture) => Ok(Some(picture)),
            Err(error) if is_silence(&error) => Err(silent(&self.what)),
            Err(_) => Ok(None),
        }
    }
}

fn is_silence(error: &::y4m::Error) -> bool {
    matches!(error, ::y4m::Error::IoError(error) if error.kind() == ErrorKind::TimedOut)
}

fn silent(what: &str) -> SourceError {
    SourceError::Silent { what: what.to_owned(), limit: PATIENCE }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
