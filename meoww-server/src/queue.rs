//! A queue to one task, bounded in items and in bytes. Unlike tokio's channels it takes no memory
//! while nothing waits in it, and most connections are quiet most of the time.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use futures_util::task::AtomicWaker;

/// Room for so many items is kept once it was needed.
const KEPT: usize = 8;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

/// Why something was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotQueued {
    /// It would be too much.
    Full,
    /// Nobody reads any more.
    Gone,
}

/// A queue and the end its reader has.
pub(crate) fn bounded<T>(bounds: Bounds) -> (Sender<T>, Receiver<T>) {
    let waiting = Waiting { items: VecDeque::new(), bytes: 0, closed: false };
    let shared =
        Arc::new(Shared { bounds, waiting: Mutex::new(waiting), reader: AtomicWaker::new() });
    (Sender(shared.clone()), Receiver(shared))
}

#[derive(Debug)]
struct Shared<T> {
    bounds: Bounds,
    waiting: Mutex<Waiting<T>>,
    reader: AtomicWaker,
}

#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
}

impl<T> Shared<T> {
    /// Whoever holds the lock only moves items, so a panic leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end to write to.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Sender<T> {
    /// Queues an item that weighs so many bytes, never waiting.
    pub(crate) fn push(&self, item: T, bytes: usize) -> Result<(), NotQueued> {
        let bounds = self.0.bounds;
        let mut waiting = self.0.lock();
        if waiting.closed {
            return Err(NotQueued::Gone);
        }
        if waiting.items.len() >= bounds.items || waiting.bytes.saturating_add(bytes) > bounds.bytes
        {
            return Err(NotQueued::Full);
        }
        waiting.bytes += bytes;
        waiting.items.push_back((item, bytes));
        drop(waiting);
        self.0.reader.wake();
        Ok(())
    }
}

/// The end to read.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

impl<T> Receiver<T> {
    /// The next item; it takes as long as it takes. Cancel safe.
    pub(crate) async fn recv(&mut self) -> T {
        poll_fn(|context| {
            // First, so that what is pushed meanwhile wakes us.
            self.0.reader.register(context.waker());
            self.try_recv().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// The next item, if one waits.
    pub(crate) fn try_recv(&mut self) -> Option<T> {
        let mut waiting = self.0.lock();
        let (item, bytes) = waiting.items.pop_front()?;
        waiting.bytes -= bytes;
        if waiting.items.is_empty() && waiting.items.capacity() > KEPT {
            waiting.items = VecDeque::new();
        }
        Some(item)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        waiting.items = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { items: 3, bytes: 10 };

    #[tokio::test]
    async fn what_is_read_makes_room() {
        let (sender, mut receiver) = bounded(BOUNDS);
        for round in 0..3 {
            assert_eq!(sender.push(1, 5), Ok(()), "{round}");
            assert_eq!(sender.push(2, 6), Err(NotQueued::Full), "too many bytes");
            assert_eq!(sender.push(2, 5), Ok(()));
            assert_eq!(sender.push(3, 0), Ok(()), "no bytes, no weight");
            assert_eq!(sender.push(4, 0), Err(NotQueued::Full), "too many items");
            for expected in 1..=3 {
                assert_eq!(receiver.recv().await, expected);
            }
            assert_eq!(receiver.try_recv(), None, "nothing waits");
        }
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (sender, mut receiver) = bounded(BOUNDS);
        let (read, ()) = tokio::join!(receiver.recv(), async {
            tokio::task::yield_now().await;
            assert_eq!(sender.push(1, 1), Ok(()));
        });
        assert_eq!(read, 1);
    }

    #[tokio::test]
    async fn nothing_is_queued_for_a_reader_that_is_gone() {
        let (sender, receiver) = bounded(BOUNDS);
        drop(receiver);
        assert_eq!(sender.push(1, 1), Err(NotQueued::Gone));
    }
}
