//! What a search asks for, in the shape the queue compares.

use std::time::Duration;

use meoww_proto::{
    signal::Search,
    tags::{DEFAULT_TAG_WAIT, MAX_TAG_WAIT, MAX_TAGS, Tag},
};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// A tag as the queue compares it: by 64 bits of its SHA-256. Two of 100 000 different tags agree in
/// them once in billions of times, and then two strangers meet, which is what they came for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interest(u64);

impl From<&Tag> for Interest {
    fn from(tag: &Tag) -> Self {
        let digest = digest(&SHA256, tag.as_str().as_bytes());
        Self(digest.as_ref().iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
    }
}

/// What a search asks for; by default anyone, at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "EncodedCriteria", into = "EncodedCriteria")]
pub struct SearchCriteria {
    interests: [Interest; MAX_TAGS],
    count: usize,
    wait: Duration,
}

impl SearchCriteria {
    /// Somebody with one of these tags, or after `wait` anyone. Without tags anyone will do at once;
    /// more than [`MAX_TAGS`] are not looked at.
    pub fn new(tags: &[Tag], wait: Duration) -> Self {
        let mut interests = [Interest::default(); MAX_TAGS];
        for (interest, tag) in interests.iter_mut().zip(tags) {
            *interest = tag.into();
        }
        let wait = if tags.is_empty() { Duration::ZERO } else { wait };
        Self { interests, count: tags.len().min(MAX_TAGS), wait }
    }

    pub(super) fn interests(&self) -> &[Interest] {
        &self.interests[..self.count]
    }

    pub(super) fn wait(&self) -> Duration {
        self.wait
    }
}

impl From<&Search> for SearchCriteria {
    fn from(search: &Search) -> Self {
        let wait = search.wait_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        Self::new(&search.tags, wait.unwrap_or(DEFAULT_TAG_WAIT))
    }
}

/// A [`SearchCriteria`] as nodes tell it each other.
#[derive(Serialize, Deserialize)]
struct EncodedCriteria {
    interests: Vec<Interest>,
    wait_ms: u32,
}

impl From<SearchCriteria> for EncodedCriteria {
    fn from(criteria: SearchCriteria) -> Self {
        let wait_ms = u32::try_from(criteria.wait.as_millis()).unwrap_or(u32::MAX);
        Self { interests: criteria.interests().to_vec(), wait_ms }
    }
}

impl TryFrom<EncodedCriteria> for SearchCriteria {
    type Error = &'static str;

    fn try_from(encoded: EncodedCriteria) -> Result<Self, Self::Error> {
        let EncodedCriteria { interests: given, wait_ms } = encoded;
        let (count, wait) = (given.len(), Duration::from_millis(wait_ms.into()));
        if count > MAX_TAGS || wait > MAX_TAG_WAIT || (count == 0 && !wait.is_zero()) {
            return Err("criteria that no search has");
        }
        let mut interests = [Interest::default(); MAX_TAGS];
        interests[..count].copy_from_slice(&given);
        Ok(Self { interests, count, wait })
    }
}
