//! One microphone or speaker while sound runs, whatever becomes of it. Never waits for a device.

use std::{
    sync::mpsc::{Receiver, TryRecvError},
    time::{Duration, Instant},
};

use super::{
    DeviceError, Kind,
    plan::{Next, Plan},
    stream::Stream,
};
use crate::text::SafeText;

/// How long a device may take to open: some wait for a radio.
const OPENING: Duration = Duration::from_secs(10);
/// How long an open device may do nothing.
const PATIENCE: Duration = Duration::from_secs(3);
/// A longer time between two polls is a time in which this program stood still (it was suspended, or
/// the machine was busy), which says nothing of the device.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Line {
    kind: Kind,
    plan: Plan,
    state: State,
}

enum State {
    Opening { outcome: Receiver<Result<Stream, DeviceError>>, name: String, since: Instant },
    Open { stream: Stream, frames: u64, moved: Instant, polled: Instant },
    Waiting(Instant),
    Stopped,
}

/// Changes of a line since it was polled last.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Whether another device is open.
    pub(super) is_new: bool,
    /// A notice for the user.
    pub(super) notice: Option<String>,
}

impl Line {
    /// Begins with the device of that name, or the default one.
    pub(super) fn new(kind: Kind, chosen: Option<String>, now: Instant) -> Self {
        Self { kind, plan: Plan::new(kind, chosen), state: State::Waiting(now) }
    }

    /// Begins with a device that is open.
    #[cfg(test)]
    pub(super) fn with(kind: Kind, stream: Stream, now: Instant) -> Self {
        let state = State::Open { stream, frames: 0, moved: now, polled: now };
        Self { kind, plan: Plan::new(kind, None), state }
    }

    /// The device, if one is open.
    pub(super) fn stream(&mut self) -> Option<&mut Stream> {
        match &mut self.state {
            State::Open { stream, .. } => Some(stream),
            State::Opening { .. } | State::Waiting(_) | State::Stopped => None,
        }
    }

    /// Whether there is none, as far as is known.
    pub(super) fn is_without(&self) -> bool {
        self.plan.is_without()
    }

    /// Whether there is none because there is no sound system.
    pub(super) fn is_without_system(&self) -> bool {
        self.plan.is_without_system()
    }

    /// Gives the device back; the next [`poll`](Self::poll) opens it again.
    pub(super) fn close(&mut self, now: Instant) {
        if !matches!(self.state, State::Stopped) {
            self.state = State::Waiting(now);
        }
    }

    /// Goes on opening a device, or sees whether it still works. To be called from the thread that the
    /// device is to wake.
    pub(super) fn poll(&mut self, now: Instant) -> Change {
        match &mut self.state {
            State::Waiting(until) if now >= *until => {
                let first = self.plan.begin();
                self.open(first, now);
                Change::default()
            }
            State::Waiting(_) | State::Stopped => Change::default(),
            State::Opening { outcome, name, since } => match outcome.try_recv() {
                Ok(Ok(stream)) => {
                    let name = SafeText::new(&stream.name).to_string();
                    self.state = State::Open { stream, frames: 0, moved: now, polled: now };
                    Change { is_new: true, notice: self.plan.opened(&name, now) }
                }
                Ok(Err(error)) => self.fail(error, now),
                Err(TryRecvError::Empty) if now - *since < OPENING => Change::default(),
                // The thread waits for the driver, which may be for ever, and is left behind.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                    let error = stuck(self.kind, std::mem::take(name), OPENING);
                    self.fail(error, now)
                }
            },
            State::Open { stream, frames, moved, polled } => {
                let name = || SafeText::new(&stream.name).to_string();
                if stream.has_failed() {
                    let error = DeviceError::Gone { kind: self.kind, name: name() };
                    return self.fail(error, now);
                }
                let past = now - std::mem::replace(polled, now);
                if past > PAUSE {
                    *moved += past;
                }
                if stream.frames() != *frames {
                    (*frames, *moved) = (stream.frames(), now);
                } else if now - *moved >= PATIENCE {
                    let error = stuck(self.kind, name(), PATIENCE);
                    return self.fail(error, now);
                }
                Change::default()
            }
        }
    }

    fn open(&mut self, name: Option<String>, now: Instant) {
        let outcome = Stream::open(self.kind, name.clone(), std::thread::current());
        let name =
            name.map_or_else(|| "default".to_owned(), |name| SafeText::new(&name).to_string());
        self.state = State::Opening { outcome, name, since: now };
    }

    fn fail(&mut self, error: DeviceError, now: Instant) -> Change {
        tracing::info!(%error, "no device");
        let (next, notice) = self.plan.failed(error, now);
        match next {
            Next::Open(name) => self.open(name, now),
            Next::Wait(until) => self.state = State::Waiting(until),
            Next::Stop => self.state = State::Stopped,
        }
        Change { is_new: false, notice }
    }
}

fn stuck(kind: Kind, name: String, limit: Duration) -> DeviceError {
    DeviceError::Stuck { kind, name, limit }
}
