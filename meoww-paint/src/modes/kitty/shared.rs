//! Pictures in shared memory (POSIX `shm_open`), for a terminal on the same machine.
//!
//! A terminal removes each object once it has read it. What is left, of updates that were never sent, is
//! removed by its number: there are few.

use std::{
    fs::File,
    io::{self, Write},
    process,
};

use rustix::{fs::Mode, shm};

/// As many pictures may be under way as a terminal far away has, and more.
const NUMBERS: u32 = 16;

/// Objects of one painter.
#[derive(Debug)]
pub(super) struct Shared {
    /// Of all painters of the process.
    painter: u32,
    next: u32,
}

impl Shared {
    pub(super) fn new(painter: u32) -> Self {
        Self { painter, next: 0 }
    }

    /// Makes an object that holds `bytes`; returns its name.
    ///
    /// # Errors
    ///
    /// There is no memory for it, or no such system.
    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<String> {
        let name = name(self.painter, self.next);
        self.next = (self.next + 1) % NUMBERS;
        put(&name, bytes)?;
        Ok(name)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        remove(self.painter);
    }
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

/// Removes what no terminal has read.
pub(super) fn remove(painter: u32) {
    for number in 0..NUMBERS {
        unlink(&name(painter, number));
    }
}

fn name(painter: u32, number: u32) -> String {
    format!("/meoww-{}-{painter}-{number}", process::id())
}
