//! A film into a file, as fast as it is drawn, to be compared with other programs.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use meoww_paint::{Mode, Rect, Size, Traits, kitty::KittyTraits, sixel::SixelTraits};
use serde::Serialize;

use crate::{clock, error::Error, files::file_error, picture::source::Film};

/// As xterm is, but for the colours and with cells of 8 x 16 pixels, and as kitty is on another machine.
const TERMINAL: Traits = Traits {
    repeats: true,
    kitty: KittyTraits { edits: true, ..Traits::USUAL.kitty },
    sixel: SixelTraits { keeps_colors: true, ..Traits::USUAL.sixel },
    ..Traits::USUAL
};

/// What is drawn, and where the bytes go.
#[derive(Debug)]
pub struct Measurement {
    /// The film.
    pub film: PathBuf,
    /// How to draw; `None` reads the pictures and draws nothing.
    pub mode: Option<Mode>,
    /// The size of the picture, in cells of the usual shape.
    pub cells: Size,
    /// How many pictures; the film begins again where it is shorter. `None` for each of it once.
    pub frames: Option<u64>,
    /// Gets what a terminal would.
    pub out: Option<PathBuf>,
    /// Gets the offset in `out` at which each picture ends, one a line.
    pub index: Option<PathBuf>,
}

/// What was drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Pictures.
    pub frames: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes of the first, which draws everything.
    pub first_frame_bytes: u64,
    /// The time it took to draw them, without reading them.
    #[serde(rename = "drawMicroseconds", serialize_with = "microseconds")]
    pub drawing: Duration,
}

fn microseconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(time.as_micros() as u64)
}

/// Draws it. It blocks.
///
/// # Errors
///
/// The film cannot be read, or a file not be written.
pub fn run(measurement: &Measurement) -> Result<Measured, Error> {
    let mut out = Sink::open(measurement.out.as_deref())?;
    let mut index = Sink::open(measurement.index.as_deref())?;
    let mut painter = measurement.mode.map(|mode| mode.painter(TERMINAL));
    let (area, mut measured) = (Rect::from(measurement.cells), Measured::default());
    let mut film = Film::open(&measurement.film, Duration::ZERO)?;
    let mut bytes = Vec::new();
    while measurement.frames.is_none_or(|frames| measured.frames < frames) {
        let Some(shot) = film.read()? else {
            match measurement.frames {
                Some(_) => film = Film::open(&measurement.film, Duration::ZERO)?,
                None => break,
            }
            continue;
        };
        if let Some(painter) = &mut painter {
            let began = clock::now();
            painter.draw(&shot.picture, area, &[], &mut bytes);
            measured.drawing += began.elapsed();
        }
        out.write(&bytes)?;
        measured.add(bytes.len() as u64);
        index.write(format!("{}\n", measured.bytes).as_bytes())?;
        bytes.clear();
    }
    out.finish()?;
    index.finish()?;
    Ok(measured)
}

impl Measured {
    fn add(&mut self, bytes: u64) {
        if self.frames == 0 {
            self.first_frame_bytes = bytes;
        }
        (self.frames, self.bytes) = (self.frames + 1, self.bytes + bytes);
    }
}

/// A file to write, or none.
struct Sink<'a>(Option<(&'a Path, BufWriter<File>)>);

impl<'a> Sink<'a> {
    fn open(path: Option<&'a Path>) -> Result<Self, Error> {
        let open = |path: &'a Path| {
            let file = File::create(path).map_err(|error| file_error(path, error))?;
            Ok((path, BufWriter::new(file)))
        };
        path.map(open).transpose().map(Self)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.then(|file| file.write_all(bytes))
    }

    fn finish(mut self) -> Result<(), Error> {
        self.then(Write::flush)
    }

    fn then(
        &mut self,
        act: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Error> {
        match &mut self.0 {
            Some((path, file)) => act(file).map_err(|error| file_error(path, error)),
            None => Ok(()),
        }
    }
}
