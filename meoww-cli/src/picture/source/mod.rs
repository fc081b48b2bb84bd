//! Where one's own pictures come from: a webcam, a file, or the program itself.

#[cfg(feature = "camera")]
mod camera;
mod card;
mod drawn;
mod error;
mod ffmpeg;
mod file;
mod film;
pub mod pattern;
mod reel;
mod worker;
mod y4m;

use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use meoww_paint::Frame;
use serde::Serialize;

use self::{
    drawn::Drawn,
    worker::{PATIENCE, Stop, Worker},
};
pub use self::{
    error::SourceError,
    film::{Film, Shot},
    reel::Reel,
};
use super::slot::FrameSlot;
use crate::text::SafeText;

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
    /// A plain `.y4m` file, or with ffmpeg any other; played over and over.
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

impl fmt::Display for Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("the camera"),
            Self::None => f.write_str("no camera"),
            Self::Index(index) => write!(f, "camera {index}"),
            Self::Pattern(_) | Self::Drawn(_) => f.write_str("the test pattern"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Pictures, until it is dropped; then the camera is free again.
pub struct Source {
    pictures: FrameSlot,
    notice: Option<&'static str>,
    worker: Option<Worker>,
}

impl Source {
    /// Waits until the camera or file is open, ten seconds at most, so not on an async thread.
    ///
    /// # Errors
    ///
    /// When there are no pictures to be had from it.
    pub fn open(camera: &Camera) -> Result<Self, SourceError> {
        Self::open_within(camera, PATIENCE)
    }

    fn open_within(camera: &Camera, patience: Duration) -> Result<Self, SourceError> {
        let what = camera.to_string();
        match camera {
            Camera::Auto => auto(),
            Camera::None => Ok(Self {
                pictures: tokio::sync::watch::channel(None).1,
                notice: None,
                worker: None,
            }),
            Camera::Index(index) => webcam(*index),
            Camera::Pattern(variant) => {
                let variant = *variant;
                Self::start(&what, patience, move |_| Ok(pattern::Film::new(variant)))
            }
            Camera::Drawn(draw) => {
                let draw = *draw;
                let drawn = move |_: &Stop| Ok(Drawn::new(INTERVAL, move |at| Arc::new(draw(at))));
                Self::start(&what, patience, drawn)
            }
            Camera::File(path) => {
                let path = path.clone();
                Self::start(&what, patience, move |stop| file::open(&path, stop))
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

    /// Why there are no more pictures, once they have ended by themselves.
    pub fn ended(&self) -> Option<&SourceError> {
        self.worker.as_ref()?.ended()
    }

    fn start<P: Pictures>(
        what: &str,
        patience: Duration,
        open: impl FnOnce(&Stop) -> Result<P, SourceError> + Send + 'static,
    ) -> Result<Self, SourceError> {
        let (worker, pictures) = Worker::start(what, patience, open)?;
        Ok(Self { pictures, notice: None, worker: Some(worker) })
    }
}

/// The next picture; `Ok(None)` when it was told to stop, and an error when there are no more.
type Next = Result<Option<Arc<Frame>>, SourceError>;

/// A thing that has one picture after the other.
trait Pictures: 'static {
    /// Waits for the next, or until `stop` says so.
    fn next(&mut self, stop: &Stop) -> Next;
}

impl Pictures for Box<dyn Pictures> {
    fn next(&mut self, stop: &Stop) -> Next {
        (**self).next(stop)
    }
}

/// A machine may list devices that are no cameras, such as the metadata of one.
fn auto() -> Result<Source, SourceError> {
    for index in webcams() {
        match webcam(index) {
            Ok(source) => return Ok(source),
            Err(error) => tracing::info!(%error, "a webcam that is of no use"),
        }
    }
    let card = Source::start("the card", PATIENCE, |_| {
        let card = Arc::new(card::draw());
        Ok(Drawn::new(CARD_INTERVAL, move |_| card.clone()))
    })?;
    let notice = Some("No camera was found; your partner sees a card that says so.");
    Ok(Source { notice, ..card })
}

/// Whether there is an ffmpeg, for files other than `.y4m`.
pub fn has_ffmpeg() -> bool {
    ffmpeg::is_installed()
}

/// A webcam of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CameraInfo {
    /// Its number, as `--camera` takes it.
    pub name: String,
    /// For people.
    pub description: SafeText,
}

/// The webcams of this machine, in order of their numbers.
///
/// # Errors
///
/// When this build has no use for one.
#[cfg(feature = "camera")]
pub fn cameras() -> Result<Vec<CameraInfo>, SourceError> {
    let cameras = camera::list().into_iter();
    let info = |(index, description): (u32, String)| CameraInfo {
        name: index.to_string(),
        description: SafeText::new(&description),
    };
    Ok(cameras.map(info).collect())
}

/// Likewise.
#[cfg(not(feature = "camera"))]
pub fn cameras() -> Result<Vec<CameraInfo>, SourceError> {
    Err(SourceError::CameraUnsupported)
}

#[cfg(feature = "camera")]
fn webcams() -> Vec<u32> {
    camera::list().into_iter().map(|(index, _)| index).collect()
}

#[cfg(feature = "camera")]
fn webcam(index: u32) -> Result<Source, SourceError> {
    Source::start(&Camera::Index(index).to_string(), PATIENCE, move |_| camera::Webcam::open(index))
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
        let expected = match cfg!(feature = "camera") {
            true => "There is no camera 99. Plug one in, or use --camera FILE or --camera none.",
            false => "This build has no camera support. Use --camera pattern, a file, or none.",
        };
        assert_eq!(refused.to_string(), expected);
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
