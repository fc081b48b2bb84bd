//! Threads that stay. Each password takes 19 MB while it is hashed, and the allocator keeps them for
//! the thread that had them: on threads that come and go, hundreds of logins left gigabytes behind.

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use tokio::sync::mpsc;

type Job = Box<dyn FnOnce() + Send>;

/// Its threads end with it, once what waits is done.
pub(super) struct Pool {
    jobs: mpsc::Sender<Job>,
}

/// More jobs wait than may.
#[derive(Debug)]
pub(super) struct Full;

impl Pool {
    /// So many threads, and so many jobs that wait for them or run.
    pub(super) fn start(threads: usize, jobs: usize) -> io::Result<Self> {
        let (sender, waiting) = mpsc::channel::<Job>(jobs);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = waiting.clone();
            thread::Builder::new().name("hash".into()).spawn(move || {
                while let Some(job) = next(&waiting) {
                    // It was logged, and whoever waits for the job hears that it is gone.
                    let _ = panic::catch_unwind(AssertUnwindSafe(job));
                }
            })?;
        }
        Ok(Self { jobs: sender })
    }

    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Full> {
        self.jobs.try_send(Box::new(job)).map_err(|_| Full)
    }
}

/// Whoever holds the lock waits for the next job, and the others for the lock.
fn next(waiting: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_panic_costs_no_thread() {
        let pool = Pool::start(1, 2).expect("started");
        pool.run(|| panic!("on purpose")).expect("room");
        let (answer, done) = oneshot::channel();
        pool.run(move || answer.send(7).expect("awaited")).expect("room");
        assert_eq!(done.await, Ok(7));
    }

    #[test]
    fn jobs_are_bounded() {
        let pool = Pool::start(1, 1).expect("started");
        let (began, has_begun) = sync_channel(1);
        let (hold, held) = sync_channel::<()>(0);
        pool.run(move || {
            began.send(()).expect("awaited");
            let _ = held.recv();
        })
        .expect("room");
        has_begun.recv().expect("it begins");
        assert!(pool.run(|| {}).is_ok(), "one may wait");
        assert!(pool.run(|| {}).is_err(), "and no more");
        drop(hold);
    }
}
