//! The camera and its switch. Off releases the device, so that its light goes out.

use std::{sync::Arc, time::Duration};

use meoww_paint::Frame;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use crate::{
    core::event::CallEvent,
    error::Error,
    picture::{
        slot::FrameSlot,
        source::{Camera, Source},
    },
};

/// How long a camera may give no picture before that is told. The reader of a file is a little sooner
/// to give up on it, and says why.
const SILENCE: Duration = Duration::from_secs(11);
const SILENT: &str = "The camera gives no pictures any more. Is it still plugged in? Switch it off and on \
                      to try again.";

/// An open camera that follows `wanted` until that is dropped.
pub(super) struct Switch {
    slot: FrameSlot,
    task: JoinHandle<()>,
}

impl Switch {
    /// Opens the camera; what to know about the choice is told as a notice.
    pub(super) async fn open(
        camera: Camera,
        wanted: watch::Receiver<bool>,
        told: mpsc::Sender<CallEvent>,
    ) -> Result<Self, Error> {
        let (sender, slot) = watch::channel(None);
        let worker = Worker { camera, slot: sender, told };
        let source = worker.start().await?;
        #[expect(clippy::disallowed_methods, reason = "ended with the switch")]
        let task = tokio::spawn(worker.follow(wanted, source));
        Ok(Self { slot, task })
    }

    /// Its newest picture; `None` while it is off.
    pub(super) fn slot(&self) -> FrameSlot {
        self.slot.clone()
    }

    /// Releases the device.
    pub(super) async fn close(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

struct Worker {
    camera: Camera,
    slot: watch::Sender<Option<Arc<Frame>>>,
    told: mpsc::Sender<CallEvent>,
}

impl Worker {
    /// Devices are slow to open, and block.
    async fn start(&self) -> Result<Source, Error> {
        let camera = self.camera.clone();
        let opened = spawn_blocking(move || Source::open(&camera)).await;
        let source = opened.map_err(|error| Error::Other(error.to_string()))??;
        if let Some(notice) = source.notice() {
            self.tell(notice.to_owned());
        }
        Ok(source)
    }

    async fn follow(self, mut wanted: watch::Receiver<bool>, source: Source) {
        let mut source = Some(source);
        loop {
            let mut pictures = source.as_ref().map(Source::pictures);
            let on = tokio::select! {
                changed = wanted.changed() => match changed {
                    Ok(()) => *wanted.borrow_and_update(),
                    Err(_) => return,
                },
                () = self.pass_on(pictures.as_mut()) => {
                    self.tell(stopped(source.take().as_ref()));
                    continue;
                }
            };
            if on && source.is_none() {
                match self.start().await {
                    Ok(opened) => source = Some(opened),
                    Err(error) => self.tell(error.to_string()),
                }
            } else if !on && let Some(open) = source.take() {
                let _ = spawn_blocking(move || drop(open)).await;
                self.slot.send_replace(None);
            }
        }
    }

    /// Returns when there will be no more pictures, which of no camera is no news. A camera that falls
    /// silent may come back, as its driver waits for it; meanwhile its last picture is not shown as if
    /// it were new.
    async fn pass_on(&self, pictures: Option<&mut FrameSlot>) {
        let Some(pictures) = pictures.filter(|_| !matches!(self.camera, Camera::None)) else {
            return std::future::pending().await;
        };
        let mut is_silent = false;
        loop {
            match timeout(SILENCE, pictures.changed()).await {
                Ok(Ok(())) => {
                    self.slot.send_replace(pictures.borrow_and_update().clone());
                    if std::mem::take(&mut is_silent) {
                        self.tell("The camera gives pictures again.".to_owned());
                    }
                }
                Ok(Err(_)) => break,
                Err(_) => {
                    self.slot.send_replace(None);
                    if !std::mem::replace(&mut is_silent, true) {
                        self.tell(SILENT.to_owned());
                    }
                }
            }
        }
        self.slot.send_replace(None);
    }

    /// A user who does not read misses a line, not a camera.
    fn tell(&self, notice: String) {
        let _ = self.told.try_send(CallEvent::Notice(notice));
    }
}

fn stopped(source: Option<&Source>) -> String {
    let reason = source.and_then(Source::ended).map(|reason| format!("{reason} "));
    let reason = reason.unwrap_or_default();
    format!("The camera stopped. {reason}Switch it off and on to try again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A driver that delivers nothing any more, for an hour; then it does.
    #[tokio::test(start_paused = true)]
    async fn a_camera_that_falls_silent_is_told_once_and_so_is_its_return() {
        let (slot, shown) = watch::channel(None);
        let (told, mut notices) = mpsc::channel(8);
        let worker = Worker { camera: Camera::Index(0), slot, told };
        let (device, mut pictures) = watch::channel(None);
        let picture = || Some(Arc::new(Frame::black(2, 2)));
        let filming = async {
            device.send_replace(picture());
            tokio::time::sleep(SILENCE / 2).await;
            device.send_replace(picture());
            tokio::time::sleep(SILENCE / 2).await;
            assert!(notices.is_empty() && shown.borrow().is_some(), "it is slow, and not silent");
            tokio::time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(notices.recv().await, Some(CallEvent::Notice(SILENT.to_owned())));
            assert!(notices.is_empty() && shown.borrow().is_none());
            device.send_replace(picture());
            let back = CallEvent::Notice("The camera gives pictures again.".to_owned());
            assert_eq!(notices.recv().await, Some(back));
            assert!(shown.borrow().is_some());
            drop(device);
        };
        let both = async { tokio::join!(worker.pass_on(Some(&mut pictures)), filming) };
        timeout(Duration::from_secs(2 * 3600), both).await.expect("it is told");
        assert!(shown.borrow().is_none(), "it has ended");
    }
}
