//! Reads what the tables held at one moment, in steps, while others write. sled keeps no versions, so
//! writers help: before a transaction commits, it leaves the old value of each key it changes, unless
//! the snapshot has read that key (copy on write).
//!
//! A step reads records without a lock and then puts the old values in their place. A value too new
//! can only have been read after its commit, and by then its old value had been left.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use sled::IVec;
use tokio::sync::OwnedMutexGuard;

use super::trees::Trees;
use crate::store::{
    StoreError,
    kinds::{KINDS, Kind},
    scan::{Entry, KeyRange, successor},
    tables::Table,
};

/// Records read in one step.
const STEP: usize = 512;
/// Bytes of old values kept at most; a snapshot that is so slow has failed.
const MAX_KEPT: usize = 32 << 20;
/// What an old value takes beside its key and itself.
const OVERHEAD: usize = 64;

/// Where transactions leave old values, as long as somebody reads a snapshot.
#[derive(Default)]
pub(super) struct OldValues {
    is_wanted: AtomicBool,
    kept: Mutex<Option<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// The first kind that is not read through, and the last key of it that was read.
    position: (usize, Option<IVec>),
    /// By kind and key; `None` where there was nothing.
    values: BTreeMap<(usize, IVec), Option<IVec>>,
    bytes: usize,
}

impl OldValues {
    /// Keeps the value a transaction is about to replace. Only the first of a key is old.
    pub(super) fn keep(&self, table: Table, key: &[u8], value: Option<IVec>) {
        // Set while no transaction runs, so none that begins after a snapshot misses it.
        if !self.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        let Some(kind) = KINDS.iter().position(|kind| kind.table == table) else { return };
        if let Some(kept) = &mut *self.lock() {
            kept.keep(kind, key, value);
        }
    }

    fn begin(&self) {
        *self.lock() = Some(Kept::default());
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    fn end(&self) {
        self.is_wanted.store(false, Ordering::Relaxed);
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, kind: usize, key: &[u8], value: Option<IVec>) {
        let (at, last) = &self.position;
        let is_read =
            kind < *at || (kind == *at && last.as_deref().is_some_and(|last| key <= last));
        if is_read || self.is_too_much() {
            return;
        }
        let (length, key) = (key.len(), (kind, IVec::from(key)));
        self.values.entry(key).or_insert_with(|| {
            self.bytes += length + value.as_ref().map_or(0, |value| value.len()) + OVERHEAD;
            value
        });
        if self.is_too_much() {
            self.values.clear();
        }
    }

    fn is_too_much(&self) -> bool {
        self.bytes > MAX_KEPT
    }

    /// Puts old values in the place of those that were read, from the position on and up to `last`,
    /// or to the end of the kind, and moves the position there.
    fn restore(&mut self, read: Vec<(IVec, IVec)>, last: Option<IVec>) -> Vec<(IVec, IVec)> {
        let kind = self.position.0;
        let next = if last.is_some() { (kind, last) } else { (kind + 1, None) };
        let rest = match &next {
            (_, Some(last)) => self.values.split_off(&(kind, successor(last).into())),
            (kind, None) => self.values.split_off(&(*kind, IVec::default())),
        };
        let old = std::mem::replace(&mut self.values, rest);
        self.position = next;
        if old.is_empty() {
            return read;
        }
        let mut records: BTreeMap<IVec, IVec> = read.into_iter().collect();
        for ((_, key), value) in old {
            self.bytes -= key.len() + value.as_ref().map_or(0, |value| value.len()) + OVERHEAD;
            match value {
                Some(value) => records.insert(key, value),
                None => records.remove(&key),
            };
        }
        records.into_iter().collect()
    }
}

/// The records of one moment, read once from first to last. There is one of these at a time.
pub(in crate::store) struct Snapshot {
    trees: Arc<Trees>,
    _turn: OwnedMutexGuard<()>,
}

impl Snapshot {
    /// Takes the moment, at which no transaction may run.
    pub(super) fn begin(trees: Arc<Trees>, turn: OwnedMutexGuard<()>) -> Self {
        trees.old_values.begin();
        Self { trees, _turn: turn }
    }

    /// Reads the next records, of one kind, in the order of kinds and keys; `None` after the last.
    pub(in crate::store) fn next(
        &mut self,
    ) -> Result<Option<(&'static Kind, Vec<Entry>)>, StoreError> {
        let too_slow = || {
            let what = "more was changed meanwhile than is kept for it; write it to a faster disk";
            StoreError::Export(what.into())
        };
        let position = self.trees.old_values.lock().as_ref().map(|kept| kept.position.clone());
        let (at, last) = position.ok_or_else(too_slow)?;
        let Some(kind) = KINDS.get(at) else { return Ok(None) };
        let range = self.trees.range(kind.table, KeyRange::after(last.as_deref()));
        let read: Vec<_> = range.take(STEP).collect::<Result<_, _>>()?;
        let last = read.last().filter(|_| read.len() == STEP).map(|(key, _)| key.clone());
        let mut kept = self.trees.old_values.lock();
        let kept = kept.as_mut().filter(|kept| !kept.is_too_much()).ok_or_else(too_slow)?;
        let records = kept.restore(read, last).into_iter();
        Ok(Some((kind, records.map(|(key, value)| (key.to_vec(), value.to_vec())).collect())))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.trees.old_values.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_old_once_and_only_if_it_was_not_read() {
        let mut kept = Kept::default();
        kept.keep(0, b"b", Some("old".into()));
        kept.keep(0, b"b", Some("new".into()));
        kept.keep(0, b"c", None);
        kept.keep(0, b"x", Some("later".into()));
        kept.keep(1, b"a", Some("other kind".into()));
        let read = vec![("a".into(), "1".into()), ("c".into(), "2".into())];
        let records = kept.restore(read, Some("d".into()));
        assert_eq!(records, [("a".into(), "1".into()), ("b".into(), "old".into())]);
        kept.keep(0, b"a", Some("read".into()));
        let records = kept.restore(Vec::new(), None);
        assert_eq!(records, [("x".into(), "later".into())]);
        kept.keep(0, b"y", Some("read".into()));
        assert_eq!(kept.restore(Vec::new(), None), [("a".into(), "other kind".into())]);
        assert_eq!((kept.bytes, kept.values.len()), (0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Kept::default();
        let value = IVec::from(vec![0; 1 << 20]);
        for n in 0..100_u8 {
            kept.keep(0, &[n], Some(value.clone()));
            assert!(kept.values.len() <= 32);
        }
        assert!(kept.is_too_much() && kept.values.is_empty());
    }
}
