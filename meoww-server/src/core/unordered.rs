//! Collections without an order as values: equal ones have equal hashes, so that states which hold them
//! can be told apart and counted.

use std::{
    hash::{BuildHasher, DefaultHasher, Hash, Hasher},
    ops::{Deref, DerefMut},
};

/// A hash map that can be hashed.
pub(in crate::core) type Map<K, V> = Unordered<foldhash::HashMap<K, V>>;
/// A hash set that can be hashed.
pub(in crate::core) type Set<T> = Unordered<foldhash::HashSet<T>>;

/// A collection whose hash is the sum of the hashes of its entries.
#[derive(Debug, Clone, Default)]
pub(in crate::core) struct Unordered<C>(C);

impl<C> Deref for Unordered<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> DerefMut for Unordered<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.0
    }
}

impl<C> Hash for Unordered<C>
where
    for<'a> &'a C: IntoIterator<Item: Hash>,
{
    fn hash<H: Hasher>(&self, state: &mut H) {
        let hasher = std::hash::BuildHasherDefault::<DefaultHasher>::default();
        let entries = (&self.0).into_iter().map(|entry| hasher.hash_one(entry));
        entries.fold(0, u64::wrapping_add).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(map: &Map<u32, u32>) -> u64 {
        let mut state = DefaultHasher::new();
        map.hash(&mut state);
        state.finish()
    }

    #[test]
    fn equal_maps_have_equal_hashes() {
        let [mut up, mut down, mut other] = [(); 3].map(|()| Map::default());
        up.extend((0..100).map(|n| (n, n)));
        down.extend((0..100).rev().map(|n| (n, n)));
        other.extend((0..100).map(|n| (n, 99 - n)));
        assert_eq!(hash(&up), hash(&down));
        assert_ne!(hash(&up), hash(&other));
    }
}
