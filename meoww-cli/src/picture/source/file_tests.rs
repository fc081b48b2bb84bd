use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use ::y4m::Colorspace;
use meoww_paint::Frame;
use tempfile::TempDir;

use super::{super::worker::Stop, Clip, Pictures};
use crate::picture::source::{Camera, Source, SourceError, pattern};

const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with `pattern.y4m`: pictures with a counter, 30 a second.
struct Folder(TempDir);

impl Folder {
    fn new(pictures: u32) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let encoder = ::y4m::encode(320, 240, ::y4m::Ratio::new(30, 1));
        let file = std::fs::File::create(folder.path("pattern.y4m")).unwrap();
        let mut encoder = encoder.with_colorspace(Colorspace::C420).write_header(file).unwrap();
        for counter in 0..pictures {
            let picture = pattern::draw(320, 240, 0, pattern::Stamp { counter, sent: 7 });
            encoder.write_frame(&::y4m::Frame::new(picture.planes(), None)).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes the file `name` by ffmpeg, whose arguments name files of this folder.
    fn make(&self, arguments: &str, name: &str) -> PathBuf {
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-y"])
            .args(arguments.split_whitespace())
            .arg(name)
            .current_dir(&self.0)
            .status();
        assert!(made.expect("scripts/setup test installs ffmpeg").success(), "{name}");
        self.path(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::File::create(self.path(name)).unwrap().write_all(bytes).unwrap();
        self.path(name)
    }
}

fn open(path: &Path) -> Source {
    Source::open(&Camera::File(path.to_owned())).unwrap()
}

fn refusal(path: &Path) -> String {
    Source::open(&Camera::File(path.to_owned())).err().expect("it was opened").to_string()
}

/// The next picture that comes.
fn next(source: &Source, pictures: &mut crate::picture::slot::FrameSlot) -> Arc<Frame> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let changed = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, pictures.changed()).await.expect("no picture comes")
    });
    let picture = changed.ok().and_then(|()| pictures.borrow_and_update().clone());
    picture.unwrap_or_else(|| panic!("it ended: {:?}", source.ended()))
}

fn first(path: &Path) -> Arc<Frame> {
    let source = open(path);
    let mut pictures = source.pictures();
    next(&source, &mut pictures)
}

/// Counters of the pictures as they come, until the first comes again for the second time.
fn two_passes(path: &Path) -> Vec<u32> {
    let source = open(path);
    let mut pictures = source.pictures();
    let mut seen: Vec<u32> = Vec::new();
    let mut passes = 0;
    while passes < 2 {
        let picture = next(&source, &mut pictures);
        let Some(stamp) = pattern::read(&picture) else { continue };
        passes += u32::from(seen.last().is_some_and(|last| stamp.counter < *last));
        seen.push(stamp.counter);
    }
    seen
}

/// Waits until no process has `path` on its command line.
fn wait_for_nobody_at(path: &Path) {
    let path = path.to_str().unwrap().to_owned();
    let is_at_work = move || {
        std::fs::read_dir("/proc").unwrap().flatten().any(|process| {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&path)
        })
    };
    let (over, waited) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        while is_at_work() {
            std::thread::yield_now();
        }
        over.send(())
    });
    waited.recv_timeout(PATIENCE).expect("it goes on");
}

#[test]
fn a_y4m_file_is_played_over_and_over() {
    let folder = Folder::new(5);
    assert!(two_passes(&folder.path("pattern.y4m")).iter().all(|counter| *counter < 5));
}

/// Containers that cannot be rewound, that have no times, or that begin elsewhere; longer and
/// shorter than what is kept in memory.
#[test]
fn files_of_all_kinds_are_played_over_and_over() {
    for length in [12, 40] {
        let folder = Folder::new(length);
        let coded = "-i pattern.y4m -g 10 -c:v mpeg4 -q:v 2";
        for (arguments, name) in [
            (coded.to_owned(), "it's.mkv"),
            (format!("{coded} -f m4v"), "raw.m4v"),
            ("-i pattern.y4m -c:v mpeg2video -q:v 2".to_owned(), "live.ts"),
            ("-i pattern.y4m -c:v mjpeg -q:v 2 -f mjpeg".to_owned(), "raw.mjpeg"),
        ] {
            let path = folder.make(&arguments, name);
            let seen = two_passes(&path);
            assert!(seen.iter().all(|counter| *counter < length), "{name}: {seen:?}");
            wait_for_nobody_at(&path);
        }
    }
}

/// It takes a while to begin, in which the picture would stand still.
#[test]
fn the_next_run_is_ready_when_one_ends() {
    let folder = Folder::new(40);
    let path = folder.make("-i pattern.y4m -c:v mpeg4 -q:v 2", "film.mkv");
    let stop = Stop::default();
    let mut clip = Clip::open(&path, true, &stop).unwrap();
    let mut before = 0;
    for runs in 1..=3 {
        while clip.shown >= before {
            before = clip.shown;
            clip.next(&stop).unwrap().unwrap();
        }
        assert_eq!((before, clip.shown), (40, 1), "run {runs}");
        before = 1;
        assert!(clip.spare.is_none());
        for _ in 1..15 {
            before = clip.shown;
            clip.next(&stop).unwrap().unwrap();
        }
        assert!(clip.spare.is_some(), "in its last second");
    }
}

#[test]
fn a_still_is_shown_again_and_again() {
    let folder = Folder::new(1);
    folder.make("-f lavfi -i sine=d=2", "song.flac");
    for (arguments, name) in [
        ("-i pattern.y4m -q:v 2", "still.jpg"),
        ("-i pattern.y4m", "still.png"),
        ("-i pattern.y4m", "still.gif"),
        ("-i pattern.y4m -f image2 -update 1", "my%20dog.png"),
        (
            "-i song.flac -i still.png -map 0 -map 1 -c copy -disposition:v attached_pic",
            "cover.flac",
        ),
    ] {
        let path = folder.make(arguments, name);
        let source = open(&path);
        let mut pictures = source.pictures();
        for _ in 0..4 {
            let picture = next(&source, &mut pictures);
            assert_eq!(pattern::read(&picture).map(|stamp| stamp.counter), Some(0), "{name}");
        }
    }
}

/// Red by BT.601 is 81, 90, 240; white is 235, 128, 128.
#[test]
fn y4m_of_every_kind_is_played() {
    let folder = Folder::new(1);
    for (format, red) in [
        ("yuv420p", true),
        ("yuv422p", true),
        ("yuv444p", true),
        ("yuv411p", true),
        ("yuva444p", true),
        ("yuv420p10le", true),
        ("yuv444p12le", true),
        ("gray", false),
        ("yuvj420p", true),
    ] {
        let colour = if red { "red" } else { "white" };
        let arguments = format!(
            "-f lavfi -i color={colour}:s=64x48:d=0.2 -vf scale=out_color_matrix=bt601 \
             -pix_fmt {format} -strict -1"
        );
        let picture = first(&folder.make(&arguments, "kind.y4m"));
        assert_eq!((picture.width(), picture.height()), (64, 48), "{format}");
        let seen = picture.planes().map(|plane| plane[plane.len() / 2]);
        let expected = if red { [81, 90, 240] } else { [235, 128, 128] };
        let is_near = seen.iter().zip(expected).all(|(seen, value)| seen.abs_diff(value) <= 2);
        assert!(is_near, "{format}: {seen:?} instead of {expected:?}");
    }
    let large = folder.make("-f lavfi -i color=red:s=4096x2160 -frames:v 1", "large.y4m");
    let large = first(&large);
    assert_eq!((large.width(), large.height()), (640, 338), "640 x 337.5");
    let tiny = first(&folder.make("-f lavfi -i color=red:s=2x2 -frames:v 1", "tiny.y4m"));
    assert_eq!((tiny.width(), tiny.height()), (16, 16), "the least that is coded");
}

/// PAL at 16:9 is seen as 720 x 405 or 640 x 360.
#[test]
fn pixels_are_made_square() {
    let folder = Folder::new(1);
    let wide = "-f lavfi -i testsrc2=s=720x576:d=0.2 -vf setsar=64/45 -pix_fmt yuv420p";
    for (name, expected) in [("wide.y4m", (720, 406)), ("wide.mkv", (640, 360))] {
        let picture = first(&folder.make(&format!("{wide} -c:v {}", codec(name)), name));
        assert_eq!((picture.width(), picture.height()), expected, "{name}");
    }
    let tall = "-f lavfi -i testsrc2=s=480x480:d=0.2 -vf setsar=1/2 -c:v mpeg4";
    let picture = first(&folder.make(tall, "tall.mkv"));
    assert_eq!((picture.width(), picture.height()), (240, 480));
}

fn codec(name: &str) -> &str {
    if name.ends_with(".y4m") { "wrapped_avframe" } else { "mpeg4" }
}

#[test]
fn what_is_no_video_is_called_what_it_is() {
    let folder = Folder::new(40);
    let long = folder.make("-i pattern.y4m -c:v mpeg4", "whole.mp4");
    let whole = std::fs::read(long).unwrap();
    std::fs::create_dir(folder.path("folder.mp4")).unwrap();
    for (path, expected) in [
        (folder.path("missing.mp4"), "No such file"),
        (folder.path("missing.y4m"), "No such file"),
        (folder.path("folder.mp4"), "it is a folder"),
        (folder.write("empty.mp4", b""), "it is empty"),
        (folder.write("cut.mp4", &whole[..whole.len() / 2]), "cut short"),
        (folder.write("text.mp4", b"meow\x1b[2J"), "no video that ffmpeg knows"),
        (folder.write("text.y4m", b"meow\x1b[2J"), "no video that ffmpeg knows"),
        (folder.write("none.y4m", b"YUV4MPEG2 W64 H48 F30:1 C420\n"), "it holds no picture"),
        (folder.make("-f lavfi -i sine=d=1", "song.wav"), "it has no video"),
        (folder.write("huge.y4m", b"YUV4MPEG2 W99999 H99999 F30:1 C420\n"), "cannot be read"),
    ] {
        let refused = refusal(&path);
        assert!(refused.contains(expected), "{refused}");
        assert!(!refused.contains('\x1b'), "{refused}");
    }
}

#[test]
fn a_pipe_that_stays_silent_is_not_waited_for_and_its_reader_ends() {
    let folder = Folder::new(1);
    for name in ["silent.mp4", "silent.y4m"] {
        let path = folder.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Whoever opens it waits for a writer.
        let camera = Camera::File(path.clone());
        let refused = Source::open_within(&camera, Duration::from_millis(300)).err().unwrap();
        assert!(matches!(refused, SourceError::Silent { .. }), "{refused}");
        wait_for_nobody_at(&path);
    }
}

/// The pictures stop in the middle of one, and the writer keeps the pipe open.
#[test]
fn a_film_that_stalls_is_given_up_on_and_its_reader_ends() {
    let folder = Folder::new(40);
    let whole = std::fs::read(folder.path("pattern.y4m")).unwrap();
    let path = folder.path("stalling.y4m");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let pipe = path.clone();
    let (seen_to_its_end, wait) = std::sync::mpsc::sync_channel::<()>(0);
    let writer = std::thread::spawn(move || {
        let mut pipe = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
        let written = pipe.write_all(&whole[..whole.len() - 1000]);
        let _ = wait.recv();
        written
    });
    let source = open(&path);
    let mut pictures = source.pictures();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut newest = None;
    let end = async {
        while pictures.changed().await.is_ok() {
            newest = pictures.borrow_and_update().clone().or(newest.take());
        }
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, end).await.expect("it goes on") });
    let last = newest.as_deref().and_then(pattern::read).expect("a picture");
    assert!(last.counter > 0, "it was played, as far as it came");
    let ended = source.ended().expect("a reason");
    assert!(matches!(ended, SourceError::Silent { .. }), "{ended}");
    assert!(ended.to_string().contains("gave no picture for 10 seconds"), "{ended}");
    wait_for_nobody_at(&path);
    drop(seen_to_its_end);
    writer.join().unwrap().expect("all of it was taken");
}
