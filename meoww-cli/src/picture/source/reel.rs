//! A film that is read ahead on a thread of its own, and can be wound to any moment.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tokio::sync::mpsc;

use super::{Film, Shot, SourceError, worker::Stop};

/// Pictures read ahead: enough for ffmpeg to work in bursts. When it is full, the thread waits.
const AHEAD: usize = 8;

/// A film, from the moment it was last wound to.
pub struct Reel {
    path: PathBuf,
    interval: Duration,
    length: Option<Duration>,
    shots: mpsc::Receiver<Result<Shot, SourceError>>,
    stop: Stop,
}

impl Reel {
    /// Waits until the file is open, so not on an async thread.
    ///
    /// # Errors
    ///
    /// As [`Film::open`].
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let stop = Stop::default();
        let film = Film::open_until(path, Duration::ZERO, &stop)?;
        let (interval, length) = (film.interval(), film.length());
        let shots = start(move || Ok(film))?;
        Ok(Self { path: path.to_owned(), interval, length, shots, stop })
    }

    /// The time from one picture to the next.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How long the film is, where that can be known.
    pub fn length(&self) -> Option<Duration> {
        self.length
    }

    /// Goes on at another moment. Pictures that were read ahead are forgotten.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub fn wind(&mut self, to: Duration) -> Result<(), SourceError> {
        self.stop.order();
        let (path, stop) = (self.path.clone(), Stop::default());
        self.stop = stop.clone();
        self.shots = start(move || Film::open_until(&path, to, &stop))?;
        Ok(())
    }

    /// Waits for the next picture; `None` at the end.
    ///
    /// Cancel safe.
    pub async fn shot(&mut self) -> Option<Result<Shot, SourceError>> {
        self.shots.recv().await
    }

    /// The next picture, if it is there already.
    pub fn shot_at_hand(&mut self) -> Option<Result<Shot, SourceError>> {
        self.shots.try_recv().ok()
    }
}

impl Drop for Reel {
    /// The thread ends by itself: at the next picture, or when ffmpeg is told.
    fn drop(&mut self) {
        self.stop.order();
    }
}

fn start(
    open: impl FnOnce() -> Result<Film, SourceError> + Send + 'static,
) -> Result<mpsc::Receiver<Result<Shot, SourceError>>, SourceError> {
    let (outbox, shots) = mpsc::channel(AHEAD);
    let read = move || {
        let mut film = match open() {
            Ok(film) => film,
            Err(error) => return drop(outbox.blocking_send(Err(error))),
        };
        while let Some(shot) = film.read().transpose() {
            let is_last = shot.is_err();
            if outbox.blocking_send(shot).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("meoww-film".to_owned())
        .spawn(read)
        .map_err(|error| SourceError::NoThread(error.to_string()))?;
    Ok(shots)
}
