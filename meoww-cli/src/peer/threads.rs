//! The media threads of a session.

use std::thread::JoinHandle;

use tokio::{runtime::Handle, sync::mpsc};

/// Media threads; each drops its sender when it ends.
pub(super) struct Threads {
    handles: Vec<JoinHandle<()>>,
    running: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Threads {
    pub(super) fn new() -> Self {
        let (running, ended) = mpsc::channel(1);
        Self { handles: Vec::new(), running, ended }
    }

    pub(super) fn start(
        &mut self,
        name: &str,
        work: impl FnOnce(&Handle) + Send + 'static,
    ) -> std::io::Result<()> {
        let (runtime, running) = (Handle::current(), self.running.clone());
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            work(&runtime);
            drop(running);
        })?;
        self.handles.push(thread);
        Ok(())
    }

    /// Waits until all have ended, which they do when the session drops its ends of their channels.
    pub(super) async fn join(self) {
        let Self { handles, running, mut ended } = self;
        drop(running);
        while ended.recv().await.is_some() {}
        for thread in handles {
            // A thread that has dropped its sender has nothing left to do.
            let _ = thread.join();
        }
    }
}
