//! The memory broker: one node, no network; with a [`MemoryBus`] several nodes in one process. The default, and the
//! reference for every other broker.
//!
//! # Locks
//! Taken in this order, and none is held while a sink is called but the first:
//! 1. a topic's state (`TopicCell::state`), at most one at a time: appending and delivering are one step under it;
//! 2. any one of these, for a few instructions: the keys (`Keys`), the shelves (`Aging`), a shard of the map of topics (its
//!    guards never leave the function that took them), the list of nodes, a node's sink.
//!
//! A sink therefore must not call its broker from within a call: it hands on what it got and returns.

mod aging;
mod bus;
mod clock;
mod keys;
mod log;
mod node;
mod presence;
#[cfg(test)]
mod tests;
mod topic;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use self::node::Node;
use super::{Broker, BrokerError, HistoryPage, HistoryQuery, Offers, Publication, Receipt, Sink, Topic};
use crate::{History, Member, SessionId};

pub use bus::MemoryBus;

/// One node's broker on a [`MemoryBus`]. Offers everything but durability.
///
/// Dropping it ends the node's subscriptions; what it said about presence ends with the leases, as after a crash.
///
/// ```
/// # use fanfare::broker::{Broker, MemoryBroker, Publication, Topic};
/// # use fanfare::{EventName, History, Namespace, Payload, RoomName};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = MemoryBroker::new();
/// let lobby = Topic::room(Namespace::default(), RoomName::new("lobby")?);
/// let hello = Publication::event(EventName::new("message")?, Payload::new("hello")?, 0);
/// let receipt = broker.publish(&lobby, hello.into(), Some(History::last(10))).await?;
/// assert_eq!(receipt.position.map(|position| position.offset), Some(1));
/// # Ok(())
/// # }
/// ```
pub struct MemoryBroker {
    bus: MemoryBus,
    node: Arc<Node>,
}

/// The bounds of a [`MemoryBus`].
#[derive(Debug, Clone)]
#[allow(clippy::exhaustive_structs, reason = "plain fields over a default are how users set knobs")]
pub struct MemoryOptions {
    /// How long a publication with an idempotency key is applied only once; 5 min, which is what C3 promises. Longer costs
    /// memory for each key.
    pub idempotency_window: Duration,
    /// Most idempotency keys remembered, of all topics together; 100,000. While all of them are within their window, further
    /// publications with a key are refused with [`BrokerError::Full`].
    pub max_idempotency_keys: usize,
    /// Most logs, of all topics together; 100,000, at least 1. One more, and a log that never had a message is forgotten,
    /// or else the one that was unused longest. Its topic begins a new epoch later, which members see as a gap.
    pub max_logs: usize,
    /// How long the place of a log without messages is kept after it was last asked for; 1 h. Logs with messages are kept
    /// until the last message is too old by its [`History`].
    pub empty_log_age: Duration,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            idempotency_window: Duration::from_secs(300),
            max_idempotency_keys: 100_000,
            max_logs: 100_000,
            empty_log_age: Duration::from_secs(3600),
        }
    }
}

impl MemoryBroker {
    /// The only node of a bus of its own: the broker of a hub that has no other.
    pub fn new() -> Self {
        MemoryBus::new().broker()
    }

    /// The bus that this node is on.
    pub const fn bus(&self) -> &MemoryBus {
        &self.bus
    }
}

impl Default for MemoryBroker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBroker").field("node", &self.node.id).finish_non_exhaustive()
    }
}

impl Drop for MemoryBroker {
    fn drop(&mut self) {
        self.bus.remove(&self.node);
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    fn offers(&self) -> Offers {
        Offers::full(self.bus.options().idempotency_window)
    }

    async fn publish(
        &self,
        topic: &Topic,
        publication: Arc<Publication>,
        history: Option<History>,
    ) -> Result<Receipt, BrokerError> {
        self.node.check()?;
        self.bus.publish(topic, &publication, history)
    }

    async fn subscribe(&self, topic: &Topic, sink: &Arc<dyn Sink>) -> Result<(), BrokerError> {
        self.node.check()?;
        self.bus.subscribe(&self.node, topic, sink);
        Ok(())
    }

    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BrokerError> {
        // Works while cut, too: which topics a node wants is the node's own matter.
        self.bus.unsubscribe(&self.node, topic);
        Ok(())
    }

    async fn history(&self, topic: &Topic, query: HistoryQuery) -> Result<HistoryPage, BrokerError> {
        self.node.check()?;
        Ok(self.bus.history(topic, query))
    }

    async fn track(&self, topic: &Topic, member: &Member, lease: Duration) -> Result<(), BrokerError> {
        self.node.check()?;
        self.bus.track(&self.node, topic, member, lease);
        Ok(())
    }

    async fn untrack(&self, topic: &Topic, session: SessionId) -> Result<(), BrokerError> {
        self.node.check()?;
        self.bus.untrack(&self.node, topic, session);
        Ok(())
    }

    async fn presence(&self, topic: &Topic, limit: usize) -> Result<(Vec<Member>, usize), BrokerError> {
        self.node.check()?;
        Ok(self.bus.presence(topic, limit))
    }
}
