//! What can be published to: a room, one session's inbox, or everyone.

use std::fmt;

use crate::{Namespace, RoomName, SessionId};

/// An address of publications within the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "brokers map it to names of their own")]
pub struct Topic {
    /// Which namespace.
    pub namespace: Namespace,
    /// Whom.
    pub target: Target,
}

/// Whom a publication is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a broker must map every one")]
pub enum Target {
    /// The members of a room.
    Room(RoomName),
    /// One session: a room of one, so that direct messages are recoverable by the same cursor.
    Inbox(SessionId),
    /// Every session of the namespace.
    Everyone,
}

impl Topic {
    /// The room `room` of `namespace`.
    pub const fn room(namespace: Namespace, room: RoomName) -> Self {
        Self { namespace, target: Target::Room(room) }
    }

    /// The inbox of `session`.
    pub const fn inbox(namespace: Namespace, session: SessionId) -> Self {
        Self { namespace, target: Target::Inbox(session) }
    }

    /// Every session of `namespace`.
    pub const fn everyone(namespace: Namespace) -> Self {
        Self { namespace, target: Target::Everyone }
    }

    /// The room's name, if it is a room.
    pub const fn room_name(&self) -> Option<&RoomName> {
        match &self.target {
            Target::Room(room) => Some(room),
            Target::Inbox(_) | Target::Everyone => None,
        }
    }
}

impl fmt::Display for Topic {
    /// For logs: `/#room`, `/@session`, `/*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Room(room) => write!(f, "{}#{room}", self.namespace),
            Target::Inbox(session) => write!(f, "{}@{session}", self.namespace),
            Target::Everyone => write!(f, "{}*", self.namespace),
        }
    }
}
