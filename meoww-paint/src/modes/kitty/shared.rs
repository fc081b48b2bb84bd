//! Pictures in shared memory (POSIX `shm_open`), for a terminal on the same machine.
//!
//! A terminal removes each object once it has read it. What is left, of updates that were never sent, is
//! removed by its number: there are few.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Write},
    process,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::{fs::Mode, shm};

/// As many pictures may be under way as a terminal far away has, and more.
const NUMBERS: u32 = 16;

/// Owners whose objects may be there.
static OWNERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Objects of one painter.
#[derive(Debug)]
pub(super) struct Shared {
    /// Of this process alone, and never given to another painter.
    owner: u32,
    next: u32,
}

impl Shared {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self { owner: NEXT.fetch_add(1, Ordering::Relaxed), next: 0 }
    }

    /// Makes an object that holds `bytes`; returns its name.
    ///
    /// # Errors
    ///
    /// There is no memory for it, or no such system.
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<String> {
        owners().insert(self.owner);
        let name = name(self.owner, self.next);
        self.next = (self.next + 1) % NUMBERS;
        put(&name, bytes)?;
        Ok(name)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if owners().remove(&self.owner) {
            remove(self.owner);
        }
    }
}

fn owners() -> MutexGuard<'static, BTreeSet<u32>> {
    OWNERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes an object of this name that holds `bytes`, in the place of an older one.
pub(super) fn put(name: &str, bytes: &[u8]) -> io::Result<()> {
    unlink(name);
    let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
    let mut object = File::from(shm::open(name, flags, Mode::RUSR | Mode::WUSR)?);
    object.write_all(bytes)
}

/// Removes an object, if it is there.
pub(super) fn unlink(name: &str) {
    let _ = shm::unlink(name);
}

/// Removes what no terminal has read, of every painter.
pub(super) fn remove_all() {
    for owner in owners().iter() {
        remove(*owner);
    }
}

fn remove(owner: u32) {
    for number in 0..NUMBERS {
        unlink(&name(owner, number));
    }
}

fn name(owner: u32, number: u32) -> String {
    format!("/meoww-{}-{owner}-{number}", process::id())
}
