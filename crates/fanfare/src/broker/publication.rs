//! What travels between nodes: one event for many sessions.

use std::sync::Arc;

use super::Except;
use crate::{EventName, Member, Payload, RoomName, SessionId};

/// One event on its way to the members of a topic. Immutable and shared: no node copies its payload.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "brokers carry every field")]
pub struct Publication {
    /// What it says.
    pub kind: PublicationKind,
    /// The session that published it; `None` for the server's own.
    pub sender: Option<SessionId>,
    /// When it was published, milliseconds since 1970, by the publishing node's clock. For people, never for order.
    pub timestamp: u64,
    /// Sessions that do not get it.
    pub except: Except,
    /// Rooms whose members do not get it.
    pub except_rooms: Vec<RoomName>,
    /// For [`Target::Everyone`](super::Target): where not empty, only the members of at least one of these rooms, each once.
    pub rooms: Vec<RoomName>,
    /// Applied once for each topic within the idempotency window.
    pub idempotency_key: Option<Arc<str>>,
    /// Replaces waiting publications of the same key in rooms that conflate.
    pub conflation_key: Option<Arc<str>>,
    /// Dropped for members who are behind, without a gap: for what is worthless late, such as "is typing". Never in a log.
    pub volatile: bool,
}

/// What a publication says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PublicationKind {
    /// An application's event.
    Event {
        /// Its name.
        name: EventName,
        /// Its content.
        payload: Payload,
    },
    /// Bytes that are no event.
    Raw(bytes::Bytes),
    /// A session joined the room. Never in a log.
    Joined(Member),
    /// A session left the room. Never in a log.
    Left(Member),
}

impl Publication {
    /// An event from the server to all members.
    pub fn event(name: EventName, payload: Payload, timestamp: u64) -> Self {
        Self::new(PublicationKind::Event { name, payload }, timestamp)
    }

    /// A publication of `kind` to all members.
    pub fn new(kind: PublicationKind, timestamp: u64) -> Self {
        Self {
            kind,
            sender: None,
            timestamp,
            except: Except::new(),
            except_rooms: Vec::new(),
            rooms: Vec::new(),
            idempotency_key: None,
            conflation_key: None,
            volatile: false,
        }
    }

    /// Length of the content, in bytes: what bounds on bytes count.
    pub fn len(&self) -> usize {
        match &self.kind {
            PublicationKind::Event { name, payload } => name.as_str().len() + payload.len(),
            PublicationKind::Raw(bytes) => bytes.len(),
            PublicationKind::Joined(_) | PublicationKind::Left(_) => 0,
        }
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it may stand in a log.
    pub const fn is_kept(&self) -> bool {
        !self.volatile && matches!(self.kind, PublicationKind::Event { .. } | PublicationKind::Raw(_))
    }
}
