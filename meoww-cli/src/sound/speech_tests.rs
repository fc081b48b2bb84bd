//! Speech of `espeak-ng` through codec, path and playout, judged by STOI (C. Taal and others, 2011):
//! 1 is as intelligible as the original.

use std::{
    fs,
    path::{Path as FilePath, PathBuf},
    process::Command,
};

use super::{
    codec::{Decoder, FRAME_SAMPLES},
    limiter::Limiter,
    ogg,
    room::OpusFrame,
    testing::{Path, encoded, pitch},
};

const TEXT: &str = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue \
    background. It is easy to tell the depth of a well. These days a chicken leg is a rare dish. \
    Rice is often served in round bowls. The juice of lemons makes fine punch. The box was thrown \
    beside the parked truck. The hogs were fed chopped corn and garbage. Four hours of steady work \
    faced us. A large size in stockings is hard to sell.";

fn run(command: &mut Command) -> Vec<u8> {
    let name = command.get_program().to_owned();
    let output = command.output().unwrap_or_else(|error| panic!("{name:?}: {error}"));
    assert!(output.status.success(), "{name:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// About 30 s of speech at 48 kHz.
fn speech(folder: &FilePath) -> Vec<f32> {
    let spoken = folder.join("spoken.wav");
    run(Command::new("espeak-ng").args(["-v", "en", "-s", "150", "-w"]).arg(&spoken).arg(TEXT));
    decoded(&spoken)
}

/// A file as ffmpeg reads it, Opus by libopus.
fn decoded(file: &FilePath) -> Vec<f32> {
    let opus = file.extension().is_some_and(|end| end == "opus");
    let decoder = if opus { &["-c:a", "libopus"][..] } else { &[] };
    let mut command = Command::new("ffmpeg");
    command.args(["-loglevel", "error"]).args(decoder).arg("-i").arg(file);
    floats(&run(command.args(["-ac", "1", "-ar", "48000", "-f", "f32le", "-"])))
}

/// How intelligible each of `heard` is, wherever in it `original` begins.
fn stoi(folder: &FilePath, original: &[f32], heard: &[Vec<f32>]) -> Vec<f64> {
    const SCRIPT: &str = "\
import sys, numpy
from pystoi import stoi
a, *heard = (numpy.fromfile(name, dtype='<f4').astype(float) for name in sys.argv[1:])
for b in heard:
    n = 1 << (len(a) + len(b)).bit_length()
    lags = numpy.fft.irfft(numpy.fft.rfft(b, n) * numpy.conj(numpy.fft.rfft(a, n)))
    b = b[numpy.argmax(lags[:48000]):]
    n = min(len(a), len(b))
    print(stoi(a[:n], b[:n], 48000))";
    let write = |(at, samples): (usize, &[f32])| -> PathBuf {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let path = folder.join(format!("{at}.f32"));
        fs::write(&path, bytes).unwrap();
        path
    };
    let all = std::iter::once(original).chain(heard.iter().map(Vec::as_slice));
    let files: Vec<PathBuf> = all.enumerate().map(write).collect();
    let exe = std::env::current_exe().unwrap();
    let target = exe.ancestors().nth(3).expect("a target folder");
    let python = target.join("pystoi/bin/python");
    assert!(python.exists(), "pystoi is not installed: run `scripts/setup test`");
    let scores = run(Command::new(python).args(["-c", SCRIPT]).args(files));
    String::from_utf8(scores).unwrap().lines().map(|score| score.parse().unwrap()).collect()
}

/// Each score is at least as high as the expected one.
fn assert_scores(scores: &[f64], expected: &[f64]) {
    assert_eq!(scores.len(), expected.len());
    let all = scores.iter().zip(expected).all(|(score, expected)| score >= expected);
    assert!(all, "{scores:?} where {expected:?} are expected");
}

#[test]
fn speech_is_understood_at_5_percent_loss() {
    let folder = tempfile::tempdir().unwrap();
    let speech = speech(folder.path());
    let blocks = speech.len() / 480 + 20;
    let heard = [(0.0, 0.0), (0.05, 0.02), (0.1, 0.02), (0.2, 0.02)].map(|(loss, jitter)| {
        let path = Path { loss, jitter, ..Path::default() };
        path.carry(encoded(&speech).into_iter(), blocks).samples
    });
    assert_scores(&stoi(folder.path(), &speech, &heard), &[0.97, 0.93, 0.9, 0.85]);
}

#[test]
fn ffmpeg_understands_us() {
    let folder = tempfile::tempdir().unwrap();
    let speech = speech(folder.path());
    let ours = folder.path().join("ours.opus");
    let packets: Vec<Vec<u8>> =
        filled(encoded(&speech)).into_iter().map(|frame| frame.payload.to_vec()).collect();
    fs::write(&ours, ogg::written(&packets)).unwrap();
    assert_scores(&stoi(folder.path(), &speech, &[decoded(&ours)]), &[0.97]);
}

#[test]
fn we_understand_ffmpeg_with_every_loss() {
    let folder = tempfile::tempdir().unwrap();
    let speech = speech(folder.path());
    let theirs = folder.path().join("theirs.opus");
    let mut command = Command::new("ffmpeg");
    command.args(["-loglevel", "error", "-i"]).arg(folder.path().join("spoken.wav"));
    command.args(["-ar", "48000", "-c:a", "libopus", "-b:a", "32k", "-application", "voip"]);
    run(command.args(["-fec", "1", "-packet_loss", "10"]).arg(&theirs));
    let packets = ogg::read(&fs::read(&theirs).unwrap());
    // 0, 2, 6, 10 and 20 %.
    let heard = [usize::MAX, 50, 16, 10, 5].map(|lost_every| received(&packets, lost_every));
    let scores = stoi(folder.path(), &speech, &heard);
    assert_scores(&scores, &[0.97, 0.96, 0.95, 0.94, 0.91]);
}

/// Three seconds of 440 Hz as ffmpeg codes them, played.
fn tone_of_ffmpeg(frame_samples: u32, arguments: &[&str]) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("theirs.opus");
    let mut command = Command::new("ffmpeg");
    command.args(["-loglevel", "error", "-f", "lavfi", "-i", "sine=frequency=440:duration=3"]);
    run(command.args(["-ar", "48000", "-c:a", "libopus"]).args(arguments).arg(&theirs));
    let packets = ogg::read(&fs::read(&theirs).unwrap()).into_iter().enumerate();
    let frames = packets.map(|(at, payload)| OpusFrame {
        captured: crate::clock::now(),
        timestamp: at as u32 * frame_samples,
        starts_talk: at == 0,
        payload: payload.into(),
    });
    Path::default().carry(frames, 300).samples
}

#[test]
fn the_shortest_frames_of_ffmpeg_are_a_tone() {
    let heard = tone_of_ffmpeg(120, &["-ac", "1", "-frame_duration", "2.5"]);
    let pitch = pitch(&heard[48_000..2 * 48_000]);
    assert!((pitch / 440.0 - 1.0).abs() < 0.001, "{pitch} Hz");
}

/// Several streams in one packet (RFC 7845, section 5.1.1.2), where one is expected: it may sound like
/// anything, but loud.
#[test]
fn surround_sound_of_ffmpeg_is_survived() {
    let mut heard = tone_of_ffmpeg(960, &["-ac", "6", "-mapping_family", "1"]);
    let mut limiter = Limiter::default();
    let (blocks, []) = heard.as_chunks_mut() else { unreachable!("it is whole blocks") };
    for block in blocks {
        limiter.process(block);
        assert!(block.iter().all(|sample| sample.abs() < 0.9));
    }
}

/// Frames with those that silence left out, of one byte each, as libopus makes them.
fn filled(frames: Vec<OpusFrame>) -> Vec<OpusFrame> {
    let mut filled: Vec<OpusFrame> = Vec::new();
    for frame in frames {
        while let Some(last) = filled.last().filter(|last| last.timestamp + 960 < frame.timestamp) {
            let payload = bytes::Bytes::copy_from_slice(&last.payload[..1]);
            let (captured, timestamp) = (last.captured, last.timestamp + 960);
            filled.push(OpusFrame { captured, timestamp, starts_talk: false, payload });
        }
        filled.push(frame);
    }
    filled
}

fn received(packets: &[Vec<u8>], lost_every: usize) -> Vec<f32> {
    let (mut decoder, mut heard) = (Decoder::new().unwrap(), Vec::new());
    let is_lost = |at: usize| at % lost_every == lost_every - 1;
    for (at, packet) in packets.iter().enumerate() {
        match packets.get(at + 1) {
            _ if !is_lost(at) => assert!(decoder.decode(packet, &mut heard)),
            Some(next) => {
                decoder.recover(next, FRAME_SAMPLES, &mut heard);
            }
            None => decoder.conceal(FRAME_SAMPLES, &mut heard),
        }
    }
    heard
}
