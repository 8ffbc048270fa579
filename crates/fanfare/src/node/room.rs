//! One topic as this node knows it: which shards have members, and how far its order has come.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::Arc;

use crate::{
    Position, RoomPolicy,
    broker::{Publication, Topic},
};

/// A topic with interest on this node. Shared by the node and the shards that have members.
pub(crate) struct RoomEntry {
    pub(crate) topic: Topic,
    /// Names the entry within the process; never used twice.
    pub(crate) id: u64,
    pub(crate) policy: RoomPolicy,
    pub(crate) local: Mutex<RoomLocal>,
    /// Serialises subscribing and unsubscribing. Taken without `local`.
    pub(crate) subscription: tokio::sync::Mutex<()>,
    /// Whether the broker knows of our interest. Written under `subscription`.
    pub(crate) subscribed: AtomicBool,
}

/// What changes about an entry. The lock is held while a delivery is handed to the shards, so that all of them see one
/// order; nothing waits under it.
pub(crate) struct RoomLocal {
    /// Sessions of each shard that are in the room or on their way into it.
    pub(crate) interest: SmallVec<[u32; 4]>,
    /// Sessions that are in the room.
    pub(crate) members: u32,
    /// The last place that went to the shards.
    pub(crate) last: Option<Position>,
    /// Deliveries held back while the log is read again. `None`: nothing is missing.
    pub(crate) repair: Option<Vec<(Position, Arc<Publication>)>>,
    /// Gaps that a shard has yet to be told because its queue was full: the range that they span. Bounded by the shards.
    pub(crate) owed: SmallVec<[Owed; 1]>,
    /// The entry is out of the registry: whoever found it looks again.
    pub(crate) dead: bool,
}

/// A gap that a shard has yet to be told.
pub(crate) struct Owed {
    pub(crate) shard: u16,
    pub(crate) from: Option<Position>,
    pub(crate) to: Option<Position>,
}

impl RoomEntry {
    pub(crate) fn new(topic: Topic, id: u64, policy: RoomPolicy, shards: usize) -> Self {
        Self {
            topic,
            id,
            policy,
            local: Mutex::new(RoomLocal {
                interest: SmallVec::from_elem(0, shards),
                members: 0,
                last: None,
                repair: None,
                owed: SmallVec::new(),
                dead: false,
            }),
            subscription: tokio::sync::Mutex::new(()),
            subscribed: AtomicBool::new(false),
        }
    }

    /// Whether messages of the room have positions.
    pub(crate) fn keeps_history(&self) -> bool {
        self.policy.history.is_some()
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscribed.load(Ordering::Acquire)
    }

    /// Sessions of this node that are in the room or on their way into it.
    pub(crate) fn interest(&self) -> usize {
        self.local.lock().total()
    }
}

impl RoomLocal {
    pub(crate) fn total(&self) -> usize {
        self.interest.iter().map(|&count| count as usize).sum()
    }
}
