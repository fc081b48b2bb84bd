use std::{io::Write, process::Command};

use super::*;
use crate::picture::source::pattern;

/// A folder with `pattern.y4m`: so many pictures with a counter, 10 a second.
fn folder(pictures: u32, parameters: Option<&[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pattern.y4m");
    let encoder = ::y4m::encode(162, 120, ::y4m::Ratio::new(10, 1));
    let mut encoder = encoder.write_header(File::create(&path).unwrap()).unwrap();
    for counter in 0..pictures {
        let picture = pattern::draw(162, 120, 0, pattern::Stamp { counter, sent: 7 });
        let parameters = parameters.map(<[u8]>::to_vec);
        encoder.write_frame(&::y4m::Frame::new(picture.planes(), parameters)).unwrap();
    }
    (folder, path)
}

/// Moments in milliseconds, and counters.
fn shots(path: &Path, from: u64) -> Vec<(u128, u32)> {
    let mut film = Film::open(path, Duration::from_millis(from)).unwrap();
    std::iter::from_fn(|| film.read().unwrap())
        .map(|shot| (shot.at.as_millis(), pattern::read(&shot.picture).unwrap().counter))
        .collect()
}

#[test]
fn a_film_is_read_from_any_moment_to_its_end() {
    for parameters in [None, Some(&b"Ip"[..])] {
        let (_folder, path) = folder(5, parameters);
        assert_eq!(shots(&path, 0), [(0, 0), (100, 1), (200, 2), (300, 3), (400, 4)]);
        assert_eq!(shots(&path, 320), [(300, 3), (400, 4)], "the nearest");
        assert_eq!(shots(&path, 60_000), [(400, 4)], "the last one");
    }
    let (_folder, path) = folder(5, None);
    let film = Film::open(&path, Duration::ZERO).unwrap();
    assert_eq!((film.interval().as_millis(), film.length().unwrap().as_millis()), (100, 500));
}

#[test]
fn a_film_that_takes_ffmpeg_is_read_from_any_moment_to_its_end() {
    let (folder, path) = folder(30, None);
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-i"])
        .arg(&path)
        .args(["-c:v", "mpeg4", "-q:v", "2", "-r", "10", "made.mkv"])
        .current_dir(&folder)
        .status();
    assert!(made.expect("scripts/setup test installs ffmpeg").success());
    let path = folder.path().join("made.mkv");
    let film = Film::open(&path, Duration::ZERO).unwrap();
    assert_eq!(film.length().map(|length| length.as_millis()), Some(3000));
    // 30 a second, so each three times; ffmpeg 5 and 7 differ about the last one.
    let all = shots(&path, 0);
    assert!((88..=90).contains(&all.len()), "{}", all.len());
    assert_eq!((all[0], all.last().unwrap().1), ((0, 0), 29));
    let late = shots(&path, 2000);
    assert_eq!((late[0].0, late.last().unwrap().1), (2000, 29));
    assert!((19..=21).contains(&late[0].1), "{late:?}");
    assert!(!shots(&path, 60_000).is_empty(), "the end");
}

#[test]
fn a_file_without_pictures_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.y4m");
    File::create(&path).unwrap().write_all(b"YUV4MPEG2 W64 H48 F30:1\nFRAME\nshort").unwrap();
    let refused = Film::open(&path, Duration::ZERO).err().expect("it was opened");
    assert!(refused.to_string().contains("it holds no picture, or it is cut short"), "{refused}");
    let refused = Film::open(&folder.path().join("none"), Duration::ZERO).err().expect("opened");
    assert!(refused.to_string().ends_with("Name a readable file."), "{refused}");
}
