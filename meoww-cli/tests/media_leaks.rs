//! Alone in its process: counts threads and file descriptors.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests are their own edge")]
#![cfg(target_os = "linux")]

mod media;

use std::time::Duration;

use media::{connect, pair};

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_closed_connections() {
    let mut before = None;
    for _ in 0..20 {
        let (mut a, mut b) = pair().await;
        connect(&mut a, &mut b).await;
        a.close().await;
        b.close().await;
        // The first leaves what is made once for the process.
        before.get_or_insert((threads(), descriptors()));
    }
    let (threads_before, descriptors_before) = before.unwrap();
    let settled = async {
        while threads() > threads_before || descriptors() > descriptors_before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(10), settled).await;
    let now = (threads(), descriptors());
    assert!(settled.is_ok(), "threads, descriptors: {now:?}, of {:?}", before.unwrap());
}
