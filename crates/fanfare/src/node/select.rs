//! Which sessions an operation on many of them means.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{Namespace, RoomName, SessionId, session::Session};

/// Which sessions are meant. Conditions add up; without any, all sessions of the namespace `/`.
#[derive(Debug, Clone, Default)]
pub struct Select {
    pub(crate) namespace: Namespace,
    pub(crate) rooms: Vec<RoomName>,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) session: Option<SessionId>,
    pub(crate) except_rooms: Vec<RoomName>,
    pub(crate) except: SmallVec<[SessionId; 1]>,
}

impl Select {
    /// All sessions of the namespace `/`.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those of another namespace.
    #[must_use]
    pub fn of(mut self, namespace: Namespace) -> Self {
        self.namespace = namespace;
        self
    }

    /// Those in this room; given several times, those in at least one of the rooms.
    #[must_use]
    pub fn in_room(mut self, room: impl Into<RoomName>) -> Self {
        self.rooms.push(room.into());
        self
    }

    /// Those of this user.
    #[must_use]
    pub fn of_user(mut self, user: impl Into<Arc<str>>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// This one session.
    #[must_use]
    pub fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// But not those in this room.
    #[must_use]
    pub fn except_room(mut self, room: impl Into<RoomName>) -> Self {
        self.except_rooms.push(room.into());
        self
    }

    /// But not this session.
    #[must_use]
    pub fn except(mut self, session: SessionId) -> Self {
        self.except.push(session);
        self
    }

    pub(crate) fn matches(&self, session: &Session) -> bool {
        *session.namespace() == self.namespace
            && self.session.is_none_or(|id| id == session.id())
            && self.user.as_ref().is_none_or(|user| session.user_id().as_ref() == Some(user))
            && (self.rooms.is_empty() || self.rooms.iter().any(|room| session.is_in(room)))
            && !self.except.contains(&session.id())
            && !self.except_rooms.iter().any(|room| session.is_in(room))
    }
}
