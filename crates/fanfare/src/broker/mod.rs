//! The port for how nodes talk: publish, subscribe, and, where the engine behind it can, history and presence.
//!
//! # What a broker promises
//! | | rooms with history | rooms without |
//! |---|---|---|
//! | order | one per room, `(epoch, offset)`, the same on every node | each publisher's messages in its order |
//! | position | assigned atomically with the append; offsets 1, 2, 3, … without holes | none |
//! | loss | [`Sink::gap`] the moment it is possible | [`Sink::gap`] the moment it is possible |
//! | doubles | allowed in deliveries (the hub drops offsets it has seen), never in the log | never |
//!
//! **Append and fan-out are one step**: two publications to a room reach every sink in the order of their offsets. A broker
//! that cannot do that says so in [`Offers::ordered`]; the hub puts what arrives out of order right by reading the log.
//!
//! A minimal broker implements [`publish`](Broker::publish), [`subscribe`](Broker::subscribe) and
//! [`unsubscribe`](Broker::unsubscribe). The rest defaults to "not offered", and the hub says so when asked.

mod envelope;
mod memory;
mod publication;
mod shared;
mod topic;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use smallvec::SmallVec;

use crate::{History, Member, Position, SessionId};

pub use crate::error::BrokerError;
pub use envelope::EnvelopeError;
pub use memory::{MemoryBroker, MemoryBus, MemoryOptions};
pub use publication::{Publication, PublicationKind};
pub use topic::{Target, Topic};

/// How nodes talk: what one implements for a fan-out of one's own.
///
/// A broker supervises its own connection: it reconnects, subscribes again, and calls [`Sink::gap`] for whatever it may have
/// missed. No method may wait without a bound; the hub gives each 5 s ([`Config::check_timeout`](crate::Config)).
///
/// # Cancel safety
/// The hub may drop any of these futures. A dropped `publish` has an unknown outcome; the others are repeated until they
/// answer.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// What this broker can do beyond the minimum. Asked once.
    fn offers(&self) -> Offers {
        Offers::default()
    }

    /// Sends `publication` to every node that is subscribed to `topic`, this one included, and appends it to the topic's log
    /// where `history` asks for one.
    ///
    /// # Errors
    /// [`BrokerError`]; [`BrokerError::Unknown`] when it may or may not have happened.
    async fn publish(
        &self,
        topic: &Topic,
        publication: Arc<Publication>,
        history: Option<History>,
    ) -> Result<Receipt, BrokerError>;

    /// From now on hands what is published to `topic` to `sink`. Returns when nothing published later can be missed.
    /// Subscribing twice is subscribing once. The same sink comes with every call of one hub.
    ///
    /// # Errors
    /// [`BrokerError`]; the hub tries again.
    async fn subscribe(&self, topic: &Topic, sink: &Arc<dyn Sink>) -> Result<(), BrokerError>;

    /// Ends a subscription. Deliveries under way may still come.
    ///
    /// # Errors
    /// [`BrokerError`]; the hub lets it be, a subscription too many costs work but breaks nothing.
    async fn unsubscribe(&self, topic: &Topic) -> Result<(), BrokerError>;

    /// Reads the log of `topic`, oldest first.
    ///
    /// # Errors
    /// [`BrokerError::NotOffered`] unless implemented.
    async fn history(&self, topic: &Topic, query: HistoryQuery) -> Result<HistoryPage, BrokerError> {
        let _ = (topic, query);
        Err(BrokerError::NotOffered("history"))
    }

    /// Says that `member` is in `topic` on this node. Repeating it renews it; unless renewed within `lease` it ends by
    /// itself, so that a dead node leaves no ghosts.
    ///
    /// # Errors
    /// [`BrokerError::NotOffered`] unless implemented: presence is then this node's alone.
    async fn track(&self, topic: &Topic, member: &Member, lease: Duration) -> Result<(), BrokerError> {
        let _ = (topic, member, lease);
        Err(BrokerError::NotOffered("presence"))
    }

    /// Says that `session` is no longer in `topic` on this node.
    ///
    /// # Errors
    /// As [`track`](Self::track).
    async fn untrack(&self, topic: &Topic, session: SessionId) -> Result<(), BrokerError> {
        let _ = (topic, session);
        Err(BrokerError::NotOffered("presence"))
    }

    /// At most `limit` sessions in `topic` on all nodes, and how many there are.
    ///
    /// # Errors
    /// As [`track`](Self::track).
    async fn presence(&self, topic: &Topic, limit: usize) -> Result<(Vec<Member>, usize), BrokerError> {
        let _ = (topic, limit);
        Err(BrokerError::NotOffered("presence"))
    }
}

/// Where a broker hands what arrives. No call blocks or waits, and each is cheap, so a broker may call it from its read loop
/// and under its own locks.
pub trait Sink: Send + Sync + 'static {
    /// A publication arrived. For topics with history it carries its position.
    fn deliver(&self, topic: &Topic, publication: Arc<Publication>, position: Option<Position>);

    /// Publications of `topic` may have been missed; `None`: of every topic. The hub reads the log again where there is one,
    /// and tells the members where there is none.
    fn gap(&self, topic: Option<&Topic>);

    /// The state of the broker's connection changed.
    fn state(&self, state: BrokerState);
}

/// The state of a broker's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerState {
    /// It works.
    Up,
    /// It is cut off or struggles: publishing may fail, deliveries may be late.
    Degraded,
}

/// What a broker can do beyond the minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Offers {
    /// It keeps logs and assigns positions.
    pub history: bool,
    /// It keeps presence.
    pub presence: bool,
    /// Append and fan-out are one step.
    pub ordered: bool,
    /// It can lose nothing while it is up, so that nobody needs to look for gaps.
    pub gapless: bool,
    /// It applies a publication with an idempotency key once, for so long, on all nodes.
    pub idempotent: Option<Duration>,
    /// The strongest level that a receipt can state.
    pub level: Level,
}

impl Offers {
    /// Everything but durability: what the memory broker offers.
    pub const fn full(idempotent: Duration) -> Self {
        Self {
            history: true,
            presence: true,
            ordered: true,
            gapless: true,
            idempotent: Some(idempotent),
            level: Level::Appended,
        }
    }
}

/// What a successful publish means (promise C4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Level {
    /// The broker took it.
    #[default]
    Accepted,
    /// It stands in the room's log at the broker and has a position.
    Appended,
    /// The log that it stands in survives the loss of a broker's node.
    Durable,
}

/// The answer to a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "brokers build it")]
pub struct Receipt {
    /// Where it stands, in rooms with history.
    pub position: Option<Position>,
    /// What this answer means.
    pub level: Level,
    /// The idempotency key was known: nothing was published now, and `position` is that of the first time.
    pub duplicate: bool,
}

/// Which part of a log is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "the hub builds it, brokers read it")]
pub struct HistoryQuery {
    /// Only what came after this place. `None`: the last `max_messages`.
    pub since: Option<Position>,
    /// At most so many messages. 0 asks for the top alone.
    pub max_messages: usize,
    /// At most so many bytes of payload; one message is returned even if it is larger.
    pub max_bytes: usize,
}

/// A part of a log.
#[derive(Debug, Clone)]
#[allow(clippy::exhaustive_structs, reason = "brokers build it")]
pub struct HistoryPage {
    /// Oldest first, without holes.
    pub entries: Vec<HistoryEntry>,
    /// The last place of the log now: the position of the newest message, offset 0 of the epoch if there is none.
    pub top: Position,
    /// Whether everything after `since` up to `top` is here. `false` when it was trimmed, the epoch is another, or the limits
    /// cut it; then `entries` is empty (all or nothing). Without `since`: always `true`.
    pub complete: bool,
}

/// One message of a log.
#[derive(Debug, Clone)]
#[allow(clippy::exhaustive_structs, reason = "brokers build it")]
pub struct HistoryEntry {
    /// Its place.
    pub position: Position,
    /// The message.
    pub publication: Arc<Publication>,
}

/// Session ids that a publication leaves out; mostly one, the publisher.
pub type Except = SmallVec<[SessionId; 1]>;
