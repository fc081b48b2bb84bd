//! Pictures from files: YUV4MPEG2 by itself, all else through an ffmpeg process.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    time::Duration,
};

use meoww_paint::Frame;
use y4m::{Colorspace, Decoder, Error};

use super::{
    Pictures, SourceError,
    worker::{Pace, Stop},
};

/// Bytes of one picture, at most: 3840x2160 in 4:2:0.
const MAX_PICTURE: usize = 3840 * 2160 * 3 / 2;
/// What ffmpeg says, at most.
const MAX_REASON: usize = 200;

/// A Y4M file, over and over.
pub(super) struct Y4m {
    path: PathBuf,
    decoder: Decoder<BufReader<File>>,
    /// Read when the file was opened, to see that there is one.
    first: Option<Frame>,
    pace: Pace,
}

impl Y4m {
    pub(super) fn open(path: PathBuf) -> Result<Self, SourceError> {
        let file = File::open(&path).map_err(|error| unreadable(&path, &error.to_string()))?;
        let mut decoder = decoder(&path, BufReader::new(file))?;
        let first = read(&mut decoder);
        if first.is_none() {
            return Err(unreadable(&path, "it holds no picture"));
        }
        let pace = Pace::new(interval(&decoder));
        Ok(Self { path, decoder, first, pace })
    }

    fn rewind(&mut self) -> Option<Frame> {
        let file = File::open(&self.path).ok()?;
        self.decoder = decoder(&self.path, BufReader::new(file)).ok()?;
        read(&mut self.decoder)
    }
}

impl Pictures for Y4m {
    fn next(&mut self, stop: &Stop) -> Option<Frame> {
        if !self.pace.wait(stop) {
            return None;
        }
        let next = self.first.take().or_else(|| read(&mut self.decoder));
        next.or_else(|| self.rewind())
    }
}

/// What ffmpeg writes, at the pace at which it does.
pub(super) struct Piped(Decoder<BufReader<ChildStdout>>);

impl Piped {
    pub(super) fn open(path: PathBuf, output: Output) -> Result<Self, SourceError> {
        let decoder = decoder(&path, BufReader::new(output.pictures));
        decoder.map(Self).map_err(|_| unreadable(&path, &last_line(output.complaints)))
    }
}

impl Pictures for Piped {
    fn next(&mut self, _: &Stop) -> Option<Frame> {
        read(&mut self.0)
    }
}

/// A running ffmpeg; ends when it is dropped.
pub(super) struct Ffmpeg(Child);

/// Its ends of the pipes.
pub(super) struct Output {
    pictures: ChildStdout,
    complaints: ChildStderr,
}

impl Ffmpeg {
    pub(super) fn start(path: &Path) -> Result<(Self, Output), SourceError> {
        File::open(path).map_err(|error| unreadable(path, &error.to_string()))?;
        let mut input = std::ffi::OsString::from("file:");
        input.push(path);
        let child = Command::new("ffmpeg")
            .args(["-nostdin", "-hide_banner", "-loglevel", "fatal", "-re", "-stream_loop", "-1"])
            .arg("-i")
            .arg(input)
            .args(["-an", "-sn", "-vf", "scale=w='min(640,iw)':h=-2,fps=30", "-pix_fmt", "yuv420p"])
            .args(["-f", "yuv4mpegpipe", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(SourceError::NoFfmpeg { path: path.to_owned() });
            }
            Err(error) => return Err(unreadable(path, &error.to_string())),
        };
        let pipes = (child.stdout.take(), child.stderr.take());
        let ffmpeg = Self(child);
        match pipes {
            (Some(pictures), Some(complaints)) => Ok((ffmpeg, Output { pictures, complaints })),
            (None, _) | (_, None) => Err(unreadable(path, "ffmpeg has no output")),
        }
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        // Fails when it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn decoder<R: Read>(path: &Path, reader: R) -> Result<Decoder<R>, SourceError> {
    let limits = y4m::Limits { bytes: MAX_PICTURE };
    let decoder = Decoder::new_with_limits(reader, limits)
        .map_err(|error| unreadable(path, &error.to_string()))?;
    match decoder.get_colorspace() {
        Colorspace::C420 | Colorspace::C420jpeg | Colorspace::C420paldv | Colorspace::C420mpeg2 => {
            Ok(decoder)
        }
        _ => Err(SourceError::UnsupportedPixels { path: path.to_owned() }),
    }
}

/// The next picture; `None` at the end, and where the file is damaged.
fn read<R: Read>(decoder: &mut Decoder<R>) -> Option<Frame> {
    let (width, height) = (decoder.get_width(), decoder.get_height());
    match decoder.read_frame() {
        Ok(picture) => {
            let planes = [picture.get_y_plane(), picture.get_u_plane(), picture.get_v_plane()];
            let half = width.div_ceil(2);
            // A last odd row or column is left out.
            Frame::from_planes(width & !1, height & !1, planes, [width, half, half])
        }
        Err(Error::EOF) => None,
        Err(error) => {
            tracing::debug!(%error, "the video file ends early");
            None
        }
    }
}

/// Between two pictures: 1 to 60 a second.
fn interval<R: Read>(decoder: &Decoder<R>) -> Duration {
    let rate = decoder.get_framerate();
    let per_second = rate.num as f64 / rate.den.max(1) as f64;
    Duration::from_secs_f64(1.0 / per_second.clamp(1.0, 60.0))
}

fn unreadable(path: &Path, reason: &str) -> SourceError {
    SourceError::Unreadable { path: path.to_owned(), reason: reason.to_owned() }
}

/// Of what ffmpeg complained about; it may quote the file, so without control characters.
fn last_line(complaints: ChildStderr) -> String {
    let mut text = String::new();
    let _ = complaints.take(16 * 1024).read_to_string(&mut text);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it has no video");
    line.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::picture::source::{Camera, Source, pattern};

    fn write_y4m(path: &Path, size: (usize, usize), space: Colorspace, pictures: u32) {
        let encoder = y4m::encode(size.0, size.1, y4m::Ratio::new(60, 1)).with_colorspace(space);
        let mut encoder = encoder.write_header(File::create(path).unwrap()).unwrap();
        for counter in 0..pictures {
            let stamp = pattern::Stamp { counter, sent: 7 };
            let picture = pattern::draw(size.0, size.1, 0, stamp);
            encoder.write_frame(&y4m::Frame::new(picture.planes(), None)).unwrap();
        }
    }

    /// Pictures as they come, until `count` different ones were read.
    fn counters(source: &Source, count: usize) -> Vec<u32> {
        let mut pictures = source.pictures();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut seen = Vec::new();
        while seen.len() < count {
            let changed = async {
                let limit = Duration::from_secs(20);
                tokio::time::timeout(limit, pictures.changed()).await
            };
            runtime.block_on(changed).expect("no picture comes").unwrap();
            let picture = pictures.borrow_and_update().clone();
            seen.extend(picture.and_then(|picture| pattern::read(&picture)).map(|s| s.counter));
        }
        seen
    }

    fn refusal(path: &Path) -> SourceError {
        Source::open(&Camera::File(path.to_owned())).err().expect("it was opened")
    }

    #[test]
    fn a_y4m_file_is_played_over_and_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pattern.y4m");
        write_y4m(&path, (160, 120), Colorspace::C420, 5);
        let source = Source::open(&Camera::File(path)).unwrap();
        let seen = counters(&source, 12);
        assert!(seen.iter().all(|counter| *counter < 5), "{seen:?}");
        assert!(seen.windows(2).any(|pair| pair[1] < pair[0]), "{seen:?}");
    }

    #[test]
    fn other_files_go_through_ffmpeg() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, coded) = (folder.path().join("pattern.y4m"), folder.path().join("it's.mkv"));
        write_y4m(&plain, (320, 240), Colorspace::C420, 20);
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-i"])
            .arg(&plain)
            .args(["-c:v", "mpeg4", "-q:v", "3"])
            .arg(&coded)
            .status();
        match made {
            Ok(status) => assert!(status.success()),
            Err(_) => {
                let refused = refusal(&plain.with_extension("mp4"));
                return assert!(matches!(refused, SourceError::Unreadable { .. }));
            }
        }
        let source = Source::open(&Camera::File(coded)).unwrap();
        let ffmpeg = source._ffmpeg.as_ref().unwrap().0.id();
        assert!(counters(&source, 5).iter().all(|counter| *counter < 20));
        drop(source);
        assert!(!Path::new(&format!("/proc/{ffmpeg}")).exists());
    }

    #[test]
    fn files_that_are_no_video() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(matches!(refusal(&path("missing.y4m")), SourceError::Unreadable { .. }));
        assert!(matches!(refusal(&path("missing.mp4")), SourceError::Unreadable { .. }));
        for name in ["text.y4m", "text.mp4"] {
            File::create(path(name)).unwrap().write_all(b"meow\x1b[2J").unwrap();
            let refused = refusal(&path(name));
            assert!(!refused.to_string().contains('\x1b'), "{refused}");
        }
        write_y4m(&path("empty.y4m"), (16, 16), Colorspace::C420, 0);
        assert!(matches!(refusal(&path("empty.y4m")), SourceError::Unreadable { .. }));
        File::create(path("deep.y4m"))
            .unwrap()
            .write_all(b"YUV4MPEG2 W16 H16 F30:1 C420p10\n")
            .unwrap();
        assert!(matches!(refusal(&path("deep.y4m")), SourceError::UnsupportedPixels { .. }));
        File::create(path("huge.y4m"))
            .unwrap()
            .write_all(b"YUV4MPEG2 W99999 H99999 F30:1 C420\n")
            .unwrap();
        assert!(matches!(refusal(&path("huge.y4m")), SourceError::Unreadable { .. }));
    }
}
