//! A running ffmpeg: its pictures as YUV4MPEG2, in at most 640x640 square pixels, 30 a second.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use super::worker::{PATIENCE, Stop};
use crate::clock;

/// Of the messages of one run, the last bytes are kept.
const MAX_SAID: usize = 8 * 1024;
/// Characters of a reason, at most.
const MAX_REASON: usize = 200;
/// Between two looks at the order to stop.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// How long ffprobe may take.
const PROBE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Outcomes where the input is of no format, or of a damaged one.
const UNKNOWN: [&str; 2] = ["Invalid data found when processing input", "Invalid argument"];

/// Runs a program until it ends or stdin is closed. The kernel closes it also when this process is
/// killed, on every Unix; a decoder that writes nothing would not notice its broken pipe.
const GUARD: &str = r#"
trap '' HUP INT QUIT TERM
"$0" "$@" </dev/null &
exec >/dev/null 2>&1
read -r _
kill -9 $!
wait"#;

/// Fits the picture as it is meant to be seen (`sar`: width of a pixel by its height) in 640x640,
/// in even sides that the codec takes, and in the colours of [`meoww_paint::Frame`].
const FILTER: &str = "scale=\
    w='max(16,2*round(iw*sar*min(1,640/max(iw*sar,ih))/2))':\
    h='max(16,2*round(ih*min(1,640/max(iw*sar,ih))/2))':\
    out_color_matrix=bt601:out_range=tv,setsar=1";

/// Whether `PATH` leads to an ffmpeg.
pub(super) fn is_installed() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join("ffmpeg").is_file())
}

/// One run over a file. Reading yields what it writes; it ends when this is dropped.
pub(super) struct Ffmpeg {
    guard: Child,
    /// Closing it ends the run.
    leash: Option<ChildStdin>,
    pictures: ChildStdout,
    messages: Option<ChildStderr>,
    said: Said,
    stop: Stop,
    _alias: Option<(TempDir, PathBuf)>,
}

/// Another name for a picture called like `my%20dog.png`: to ffmpeg, `%20d` stands for a number, and
/// the name for all the files that have one there.
fn alias(path: &Path) -> io::Result<Option<(TempDir, PathBuf)>> {
    if !path.as_os_str().as_encoded_bytes().contains(&b'%') {
        return Ok(None);
    }
    let folder = tempfile::tempdir()?;
    let alias = folder.path().join("picture").with_extension(path.extension().unwrap_or_default());
    std::os::unix::fs::symlink(std::path::absolute(path)?, &alias)?;
    Ok(Some((folder, alias)))
}

/// The name of a file that cannot be taken for an address.
fn input(path: &Path) -> OsString {
    let mut input = OsString::from("file:");
    input.push(path);
    input
}

/// Returns how long a file is, where ffprobe is installed, knows it, and takes no time to say so.
pub(super) fn length(path: &Path) -> Option<Duration> {
    let mut probe = Command::new("ffprobe")
        .args(["-loglevel", "error", "-show_entries", "format=duration", "-of", "csv=p=0"])
        .arg(input(path))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut said = String::new();
    if let Some(answer) = probe.stdout.take()
        && poll(&mut [PollFd::new(&answer, PollFlags::IN)], Some(&PROBE)).is_ok_and(|n| n > 0)
    {
        let _ = answer.take(MAX_SAID as u64).read_to_string(&mut said);
    }
    let _ = probe.kill();
    let _ = probe.wait();
    Duration::try_from_secs_f64(said.trim().parse().ok()?).ok()
}

/// What a run complained about; outlives it.
#[derive(Clone, Default)]
pub(super) struct Said(Arc<Mutex<Vec<u8>>>);

impl Ffmpeg {
    pub(super) fn start(path: &Path, from: Duration, stop: &Stop) -> io::Result<Self> {
        let alias = alias(path)?;
        let input = input(alias.as_ref().map_or(path, |(_, alias)| alias));
        let arguments = ["-nostdin", "-hide_banner", "-nostats", "-loglevel", "error"];
        let from = from.as_secs_f64().to_string();
        // Where nothing is left out, it is not asked to look for a place: not every format can.
        let place = if from == "0" { &[][..] } else { &["-ss", from.as_str()] };
        let output = ["-an", "-sn", "-dn", "-vf", FILTER, "-r", "30", "-pix_fmt", "yuv420p"];
        let mut guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "ffmpeg"])
            .args(arguments)
            .args(place)
            .arg("-i")
            .arg(input)
            .args(output)
            .args(["-f", "yuv4mpegpipe", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (leash, messages) = (guard.stdin.take(), guard.stderr.take());
        let pictures = guard.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let said = Said::default();
        let stop = stop.clone();
        Ok(Self { guard, leash, pictures, messages, said, stop, _alias: alias })
    }

    pub(super) fn said(&self) -> Said {
        self.said.clone()
    }

    /// Takes up messages until there are pictures, or the end of them.
    fn wait(&mut self) -> io::Result<()> {
        let began = clock::now();
        while !self.stop.wait(Duration::ZERO) {
            let mut ready = vec![PollFd::new(&self.pictures, PollFlags::IN)];
            ready.extend(self.messages.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            match poll(&mut ready, Some(&GLANCE)) {
                Err(rustix::io::Errno::INTR) => continue,
                other => _ = other?,
            }
            let has_said = ready.get(1).is_some_and(|pipe| !pipe.revents().is_empty());
            let has_pictures = !ready[0].revents().is_empty();
            if has_said && !self.said.listen(self.messages.as_mut()) {
                self.messages = None;
            }
            if has_pictures {
                return Ok(());
            }
            if clock::now().saturating_duration_since(began) > PATIENCE {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

impl Read for Ffmpeg {
    /// Waits no longer than [`PATIENCE`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        let read = self.pictures.read(buffer)?;
        if read == 0 {
            // All of it is there: the program has ended.
            while self.said.listen(self.messages.as_mut()) {}
        }
        Ok(read)
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.guard.wait();
    }
}

impl Said {
    /// Takes up what `pipe` has; returns whether there may be more.
    fn listen(&self, pipe: Option<&mut ChildStderr>) -> bool {
        let mut bytes = [0; 4096];
        let Some(Ok(read @ 1..)) = pipe.map(|pipe| pipe.read(&mut bytes)) else { return false };
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&bytes[..read]);
        let excess = said.len().saturating_sub(MAX_SAID);
        said.drain(..excess);
        true
    }

    /// Why `path` has no pictures, in words for the user.
    pub(super) fn reason(&self, path: &Path) -> String {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reason(&String::from_utf8_lossy(&said), path.as_os_str())
    }
}

/// Of the last lines, one names the outcome, and one before it what the format's reader found. They
/// may quote the file, so control characters go.
fn reason(said: &str, path: &OsStr) -> String {
    let file = format!("file:{}: ", path.to_string_lossy());
    let lines = || said.lines().filter(|line| !line.trim().is_empty());
    let reason = if said.contains("does not contain any stream") {
        "it has no video".to_owned()
    } else if UNKNOWN.iter().any(|unknown| said.contains(unknown)) {
        let detail = lines().find_map(|line| Some(line.strip_prefix('[')?.split_once("] ")?.1));
        let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
        format!("it is no video that ffmpeg knows, or it is cut short{detail}")
    } else {
        let last = lines().next_back().unwrap_or("it has no picture");
        last.strip_prefix(&file).unwrap_or(last).to_owned()
    };
    reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of ffmpeg 5.1.
    #[test]
    fn reasons_are_said_in_words_for_the_user() {
        let path = OsStr::new("a: b.mp4");
        for (said, expected) in [
            ("", "it has no picture"),
            ("Output file #0 does not contain any stream\n", "it has no video"),
            (
                "[mov,mp4 @ 0x5] moov atom not found\n\
                 file:a: b.mp4: Invalid data found when processing input\n",
                "it is no video that ffmpeg knows, or it is cut short (moov atom not found)",
            ),
            ("file:a: b.mp4: Permission denied\n", "Permission denied"),
            ("\x1b[2Jm\u{9b}eow", "[2Jmeow"),
        ] {
            assert_eq!(reason(said, path), expected);
        }
    }
}
