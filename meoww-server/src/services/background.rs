//! Work that goes on after its request was answered, so that neither the time an answer takes nor
//! a client that hangs up says anything about it or stops it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// Tasks that may be under way at once. They wait for the database.
const MAX_TASKS: usize = 64;

/// Owns the tasks.
pub(crate) struct Background {
    tasks: TaskTracker,
    permits: Arc<Semaphore>,
}

/// The right to one task.
pub(crate) struct TaskPermit(OwnedSemaphorePermit);

impl Background {
    pub(crate) fn new() -> Self {
        Self { tasks: TaskTracker::new(), permits: Arc::new(Semaphore::new(MAX_TASKS)) }
    }

    /// A place for one task; `None` when all are taken.
    pub(crate) fn permit(&self) -> Option<TaskPermit> {
        self.permits.clone().try_acquire_owned().ok().map(TaskPermit)
    }

    /// Starts the task; its place is free again when it ends.
    pub(crate) fn run(&self, permit: TaskPermit, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            let TaskPermit(_permit) = permit;
            task.await;
        });
    }

    /// Starts a task that is bounded by its caller in number and time.
    pub(crate) fn follow_up(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Runs an operation in a task of its own, so that it completes even if the caller is dropped.
    pub(crate) async fn to_its_end<T: Send + 'static>(
        &self,
        operation: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self.tasks.spawn(operation).await {
            Ok(outcome) => outcome,
            // Nothing aborts it, so it panicked: as it would have in the caller's own task.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Returns when nothing is under way.
    #[cfg(test)]
    pub(crate) async fn settle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    /// Returns when everything that was started has ended.
    pub(crate) async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
