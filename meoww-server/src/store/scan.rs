//! Ranges of keys, and going through them.

use super::StoreError;

/// A key and what lies under it.
pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// Keys from the first on, and before `end` where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub(super) first: Vec<u8>,
    pub(super) end: Option<Vec<u8>>,
}

impl KeyRange {
    pub(super) fn all() -> Self {
        Self::from(Vec::new())
    }

    pub(super) fn from(first: Vec<u8>) -> Self {
        Self { first, end: None }
    }

    /// Those after a key, or all.
    pub(super) fn after(key: Option<&[u8]>) -> Self {
        Self::from(key.map_or_else(Vec::new, successor))
    }

    /// Those that begin with these bytes.
    pub(super) fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        // The first key after them all: of bytes that cannot be more, the one before is one more.
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                break;
            }
        }
        Self { first: prefix.to_vec(), end: (!end.is_empty()).then_some(end) }
    }
}

/// The first key after this one.
pub(super) fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Goes through a range of one table.
pub(super) type Scan<'a> = Box<dyn Iterator<Item = Result<Entry, StoreError>> + 'a>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        let range = |first: &[u8], end: &[u8]| KeyRange {
            first: first.to_vec(),
            end: (!end.is_empty()).then(|| end.to_vec()),
        };
        assert_eq!(KeyRange::prefix(b"ab"), range(b"ab", b"ac"));
        assert_eq!(KeyRange::prefix(b"a\xff"), range(b"a\xff", b"b"));
        assert_eq!(KeyRange::prefix(b"\xff\xff"), range(b"\xff\xff", b""));
        assert_eq!(KeyRange::prefix(b""), KeyRange::all());
        assert_eq!(KeyRange::after(Some(b"a")), range(b"a\0", b""));
    }
}
