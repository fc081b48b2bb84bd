//! Names of nodes, and the connections they hold.

use std::{fmt, num::NonZeroU32};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::core::lobby::ConnId;

/// Bits of a [`ConnId`] that count the connections of one node; the node is in those above.
const COUNTER_BITS: u32 = 40;
const MAX_NODE: u32 = (1 << (u64::BITS - COUNTER_BITS)) - 1;

/// One run of one node: 24 bits, never 0. A node that starts again has another; they come round after
/// 16,777,215 starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct NodeId(NonZeroU32);

impl NodeId {
    /// Returns the node of this number, 1 to 2^24 - 1.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).filter(|number| number.get() <= MAX_NODE).map(Self)
    }

    /// Returns its number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// Returns the id of this node's connection number `counter`; only the lower 40 bits count.
    pub fn conn(self, counter: u64) -> ConnId {
        let counter = counter & ((1 << COUNTER_BITS) - 1);
        ConnId(u64::from(self.get()) << COUNTER_BITS | counter)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.get())
    }
}

impl TryFrom<u32> for NodeId {
    type Error = &'static str;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        Self::new(number).ok_or("node is not 1 to 2^24 - 1")
    }
}

impl From<NodeId> for u32 {
    fn from(node: NodeId) -> Self {
        node.get()
    }
}

impl ConnId {
    /// Returns the node that holds the connection; `None` for one of a server that runs alone.
    pub fn node(self) -> Option<NodeId> {
        NodeId::new(u32::try_from(self.0 >> COUNTER_BITS).ok()?)
    }
}

impl Serialize for ConnId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ConnId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let conn = u64::deserialize(deserializer).map(Self)?;
        let has_node = conn.node().is_some();
        has_node.then_some(conn).ok_or_else(|| de::Error::custom("connection of no node"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_names_its_node() {
        let last = NodeId::new(0xff_ffff).expect("24 bits");
        assert_eq!(last.conn(3), ConnId(0xffff_ff00_0000_0003));
        assert_eq!(last.conn(1 << 40), last.conn(0));
        assert_eq!(last.conn(3).node(), Some(last));
        assert_eq!(ConnId(7).node(), None);
        assert_eq!((NodeId::new(0), NodeId::new(1 << 24)), (None, None));
    }
}
