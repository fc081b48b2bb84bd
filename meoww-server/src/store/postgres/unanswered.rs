//! Commits that the database has not answered in time. Most of all it waits for a synchronous standby
//! that is away, and its process for the connection waits on when the connection is closed. So those
//! connections keep their places in the pool: else new ones would take all that the database allows.

use std::sync::Arc;

use deadpool_postgres::Object;
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore},
};

/// The connections of a pool that wait for the answer to a commit longer than a request does.
pub(super) struct Unanswered {
    /// For so many more.
    places: Arc<Semaphore>,
    /// How many there are at most.
    most: usize,
    /// Another host takes writes: what those before it would answer is of no use.
    moved: Arc<Notify>,
}

impl Unanswered {
    /// Lets them have most of a pool of so many connections, and leaves some to what reads.
    pub(super) fn of(connections: usize, moved: Arc<Notify>) -> Self {
        let most = connections - connections.div_ceil(4);
        Self { places: Arc::new(Semaphore::new(most)), most, moved }
    }

    /// Whether so many commits wait that another one would only wait with them.
    pub(super) fn is_full(&self) -> bool {
        self.most > 0 && self.places.available_permits() == 0
    }

    /// Keeps a connection until it is answered, breaks, or is of no use.
    pub(super) fn keep(&self, client: Object, runtime: &Handle) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            drop(Object::take(client));
            return;
        };
        let moved = self.moved.clone();
        runtime.spawn(async move {
            tokio::select! {
                // Answered after the commit before it.
                _ = client.batch_execute("") => {}
                () = moved.notified() => {}
            }
            drop(Object::take(client));
            drop(place);
        });
    }
}
