//! Where one's own pictures come from: a webcam, a file, or the program itself.

#[cfg(feature = "camera")]
mod camera;
mod card;
mod drawn;
mod file;
pub mod pattern;
mod worker;

use std::{convert::Infallible, path::PathBuf, str::FromStr, time::Duration};

use meoww_paint::Frame;
use thiserror::Error;

use self::{drawn::Drawn, file::Ffmpeg, worker::Worker};
use super::slot::FrameSlot;

/// 30 pictures a second.
const INTERVAL: Duration = Duration::from_nanos(33_333_333);
/// Interval of the still card; repeated frames let the encoder sharpen it.
const CARD_INTERVAL: Duration = Duration::from_millis(200);

/// What to film with, as `--camera` takes it.
#[derive(Debug, Clone)]
pub enum Camera {
    /// The first webcam, or a card that says there is none.
    Auto,
    /// Nothing: the partner sees no picture.
    None,
    /// The webcam with this number.
    Index(u32),
    /// The test pattern; the number turns its colours.
    Pattern(u8),
    /// Frames drawn by a function of the time since the first frame; not selectable by name.
    Drawn(fn(Duration) -> Frame),
    /// A `.y4m` file, or with ffmpeg any other; played over and over.
    File(PathBuf),
}

impl FromStr for Camera {
    type Err = Infallible;

    /// `auto`, `none`, `pattern`, `pattern:N`, a number; all else is a path.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let variant = text.strip_prefix("pattern:").and_then(|variant| variant.parse().ok());
        Ok(match (text, text.parse(), variant) {
            ("auto", ..) => Self::Auto,
            ("none", ..) => Self::None,
            ("pattern", ..) => Self::Pattern(0),
            (_, Ok(index), _) => Self::Index(index),
            (_, _, Some(variant)) => Self::Pattern(variant),
            (path, Err(_), None) => Self::File(path.into()),
        })
    }
}

/// Why there are no pictures, and what to do about it.
#[derive(Debug, Error)]
pub enum SourceError {
    /// There is no such webcam.
    #[error("There is no camera {0}. Plug one in, or use --camera FILE or --camera none.")]
    NoCamera(u32),
    /// The webcam does not open; mostly because another program has it.
    #[error("Camera {index} does not open ({reason}). Close other programs that use it.")]
    CameraBusy {
        /// Which.
        index: u32,
        /// What the system says.
        reason: String,
    },
    /// This program cannot use webcams.
    #[error("This build has no camera support. Use --camera pattern, a file, or none.")]
    CameraUnsupported,
    /// The file cannot be read.
    #[error("{} cannot be read: {reason}. Name a readable file after --camera.", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system or ffmpeg says.
        reason: String,
    },
    /// A Y4M file of another kind.
    #[error("{} is not 8-bit 4:2:0. Convert it: ffmpeg -i IN -pix_fmt yuv420p OUT.y4m", path.display())]
    UnsupportedPixels {
        /// Which.
        path: PathBuf,
    },
    /// A file other than Y4M, and no ffmpeg.
    #[error("{} needs ffmpeg, which is not installed. Install it, or name a .y4m file.", path.display())]
    NoFfmpeg {
        /// Which.
        path: PathBuf,
    },
    /// No thread to be had.
    #[error("The system has no thread left for the camera. Close other programs.")]
    NoThread(#[source] std::io::Error),
}

/// Pictures, until it is dropped; then the camera is free again.
pub struct Source {
    pictures: FrameSlot,
    notice: Option<&'static str>,
    // In this order: a worker that reads from ffmpeg ends when that does.
    _ffmpeg: Option<Ffmpeg>,
    _worker: Option<Worker>,
}

impl Source {
    /// Waits until the camera or file is open; up to some seconds, so not on an async thread.
    ///
    /// # Errors
    ///
    /// When there are no pictures to be had from it.
    pub fn open(camera: &Camera) -> Result<Self, SourceError> {
        match camera {
            Camera::Auto => auto(),
            Camera::None => Ok(Self {
                pictures: tokio::sync::watch::channel(None).1,
                notice: None,
                _ffmpeg: None,
                _worker: None,
            }),
            Camera::Index(index) => webcam(*index),
            Camera::Pattern(variant) => {
                let variant = *variant;
                Self::start(None, move || Ok(pattern::Film::new(variant)))
            }
            Camera::Drawn(draw) => {
                let draw = *draw;
                Self::start(None, move || Ok(Drawn::new(INTERVAL, draw)))
            }
            Camera::File(path) if path.extension().is_some_and(|end| end == "y4m") => {
                let path = path.clone();
                Self::start(None, move || file::Y4m::open(path))
            }
            Camera::File(path) => {
                let (ffmpeg, output) = Ffmpeg::start(path)?;
                let path = path.clone();
                Self::start(Some(ffmpeg), move || file::Piped::open(path, output))
            }
        }
    }

    /// The newest picture; `None` in it before the first, and when there will be no more.
    pub fn pictures(&self) -> FrameSlot {
        self.pictures.clone()
    }

    /// Something the user should know, in one line.
    pub fn notice(&self) -> Option<&'static str> {
        self.notice
    }

    fn start<P: Pictures>(
        ffmpeg: Option<Ffmpeg>,
        open: impl FnOnce() -> Result<P, SourceError> + Send + 'static,
    ) -> Result<Self, SourceError> {
        let (worker, pictures) = Worker::start(open)?;
        Ok(Self { pictures, notice: None, _ffmpeg: ffmpeg, _worker: Some(worker) })
    }
}

/// A thing that has one picture after the other.
trait Pictures: 'static {
    /// Waits for the next; `None` when there are no more, or `stop` says so.
    fn next(&mut self, stop: &worker::Stop) -> Option<Frame>;
}

/// A machine may list devices that are no cameras, such as the metadata of one.
fn auto() -> Result<Source, SourceError> {
    for index in webcams() {
        match webcam(index) {
            Ok(source) => return Ok(source),
            Err(error) => tracing::info!(%error, "a webcam that is of no use"),
        }
    }
    let card = Source::start(None, || {
        let card = card::draw();
        Ok(Drawn::new(CARD_INTERVAL, move |_| card.clone()))
    })?;
    let notice = Some("No camera was found; your partner sees a card that says so.");
    Ok(Source { notice, ..card })
}

#[cfg(feature = "camera")]
fn webcams() -> Vec<u32> {
    camera::indices()
}

#[cfg(feature = "camera")]
fn webcam(index: u32) -> Result<Source, SourceError> {
    Source::start(None, move || camera::Webcam::open(index))
}

#[cfg(not(feature = "camera"))]
fn webcams() -> Vec<u32> {
    Vec::new()
}

#[cfg(not(feature = "camera"))]
fn webcam(_: u32) -> Result<Source, SourceError> {
    Err(SourceError::CameraUnsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_moves_and_tells_the_time() {
        let source = Source::open(&Camera::Pattern(1)).unwrap();
        let mut pictures = source.pictures();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut next = || {
            runtime.block_on(pictures.changed()).unwrap();
            let picture = pictures.borrow_and_update().clone().unwrap();
            pattern::read(&picture).unwrap()
        };
        let (first, second) = (next(), next());
        assert!(second.counter > first.counter);
        assert!(second.sent.wrapping_sub(first.sent) < 1 << 31);
        drop(source);
        // The thread is gone, and said so.
        assert_eq!(pictures.borrow().as_deref(), None);
    }

    #[test]
    fn without_a_webcam_there_is_a_card_and_a_word_about_it() {
        let source = Source::open(&Camera::Auto).unwrap();
        assert_eq!(source.notice().is_some(), webcams().is_empty());
    }

    #[test]
    fn a_missing_camera_is_named() {
        let refused = Source::open(&Camera::Index(99)).err().unwrap();
        let expected = "There is no camera 99. Plug one in, or use --camera FILE or --camera none.";
        assert!(cfg!(not(feature = "camera")) || refused.to_string() == expected, "{refused}");
    }

    #[test]
    fn names_of_cameras() {
        let parsed = |text: &str| format!("{:?}", text.parse::<Camera>().unwrap());
        assert_eq!(parsed("auto"), "Auto");
        assert_eq!(parsed("none"), "None");
        assert_eq!(parsed("2"), "Index(2)");
        assert_eq!(parsed("pattern"), "Pattern(0)");
        assert_eq!(parsed("pattern:3"), "Pattern(3)");
        assert_eq!(parsed("cat.mp4"), r#"File("cat.mp4")"#);
        assert_eq!(parsed("pattern:cat"), r#"File("pattern:cat")"#);
    }
}
