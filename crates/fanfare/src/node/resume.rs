//! Sessions that may be resumed: live ones by their token, lost ones for a while.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Node;
use crate::{Epoch, Namespace, Resume, ResumeToken, RoomName, SessionId, session::Session};

/// A lost session that goes on with a new connection. Dropped before that connection is open, it is lost again under its
/// old token: a connection that fails burns nothing.
pub(crate) struct Revived {
    node: Arc<Node>,
    /// `None` once the session is open.
    lost: Option<Lost>,
    /// Where the client was last, as it says.
    cursors: Resume,
}

impl Revived {
    pub(crate) fn new(node: Arc<Node>, lost: Lost, cursors: Resume) -> Self {
        Self { node, lost: Some(lost), cursors }
    }

    pub(crate) fn id(&self) -> Option<SessionId> {
        self.lost.as_ref().map(|lost| lost.id)
    }

    /// The session is open: what it was, and where its client stands.
    pub(crate) fn open(mut self) -> Option<(Lost, Resume)> {
        Some((self.lost.take()?, self.cursors.clone()))
    }
}

impl Drop for Revived {
    fn drop(&mut self) {
        if let Some(lost) = self.lost.take() {
            let config = &self.node.config;
            let until = Instant::now() + config.resume_window;
            self.node.resumables.keep(&self.cursors.token, lost, until, config.max_resumable_sessions);
        }
    }
}

/// What is left of a session whose connection is lost.
pub(crate) struct Lost {
    pub(crate) id: SessionId,
    pub(crate) namespace: Namespace,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) rooms: Vec<RoomName>,
    pub(crate) inbox_epoch: Option<Epoch>,
}

/// Bytes of all lost sessions' room names, beside their number: 128 rooms of 255 bytes each would be 33 KB a session.
const MAX_LOST_BYTES: usize = 16 * 1024 * 1024;

impl Lost {
    fn bytes(&self) -> usize {
        self.rooms.iter().map(|room| room.as_str().len() + size_of::<RoomName>()).sum()
    }
}

/// What a token stands for.
pub(crate) enum Resumable {
    /// Its connection is still there, perhaps because nobody noticed its end yet.
    Live(Session),
    Lost(Lost, Instant),
}

/// All tokens of a node. One-shot: taking a token removes it.
#[derive(Default)]
pub(crate) struct Resumables {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_token: HashMap<ResumeToken, Resumable>,
    /// Lost sessions, oldest first. May name tokens that are gone.
    lost: VecDeque<ResumeToken>,
    lost_count: usize,
    lost_bytes: usize,
}

impl Resumables {
    pub(crate) fn insert_live(&self, token: ResumeToken, session: Session) {
        self.inner.lock().by_token.insert(token, Resumable::Live(session));
    }

    /// The connection of this token ended. `None`: it may not be resumed.
    pub(crate) fn end(&self, token: &ResumeToken, lost: Option<Lost>, until: Instant, max: usize) {
        let mut inner = self.inner.lock();
        if inner.by_token.remove(token).is_none() {
            // Taken by a newer connection.
            return;
        }
        drop(inner);
        if let Some(lost) = lost {
            self.keep(token, lost, until, max);
        }
    }

    /// Keeps a lost session for a while; the oldest makes room.
    pub(crate) fn keep(&self, token: &ResumeToken, lost: Lost, until: Instant, max: usize) {
        if max == 0 {
            return;
        }
        let mut inner = self.inner.lock();
        let bytes = lost.bytes();
        while inner.lost_count > 0 && (inner.lost_count >= max || inner.lost_bytes + bytes > MAX_LOST_BYTES) {
            inner.forget_oldest();
        }
        inner.lost_bytes += bytes;
        inner.by_token.insert(token.clone(), Resumable::Lost(lost, until));
        inner.lost.push_back(token.clone());
        inner.lost_count += 1;
    }

    /// Takes what the token stands for, if it is this user's. Of two that ask, one gets it; a stranger gets nothing and
    /// spoils nothing.
    pub(crate) fn take(
        &self,
        token: &ResumeToken,
        user: Option<&Arc<str>>,
        namespace: &Namespace,
        now: Instant,
    ) -> Option<Resumable> {
        let mut inner = self.inner.lock();
        let is_theirs = match inner.by_token.get(token)? {
            Resumable::Live(session) => session.user_id().as_ref() == user && session.namespace() == namespace,
            Resumable::Lost(lost, _) => lost.user.as_ref() == user && lost.namespace == *namespace,
        };
        if !is_theirs {
            return None;
        }
        let resumable = inner.by_token.remove(token)?;
        if let Resumable::Lost(lost, until) = &resumable {
            inner.lost_count -= 1;
            inner.lost_bytes -= lost.bytes();
            if *until <= now {
                return None;
            }
        }
        Some(resumable)
    }

    /// Forgets lost sessions whose time is over.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut inner = self.inner.lock();
        while let Some(token) = inner.lost.front() {
            match inner.by_token.get(token) {
                Some(Resumable::Lost(_, until)) if *until > now => break,
                _ => inner.forget_oldest(),
            }
        }
    }

    pub(crate) fn lost(&self) -> usize {
        self.inner.lock().lost_count
    }

    pub(crate) fn clear(&self) {
        *self.inner.lock() = Inner::default();
    }
}

impl Inner {
    fn forget_oldest(&mut self) {
        let Some(token) = self.lost.pop_front() else {
            self.lost_count = 0;
            self.lost_bytes = 0;
            return;
        };
        if matches!(self.by_token.get(&token), Some(Resumable::Lost(..))) {
            if let Some(Resumable::Lost(lost, _)) = self.by_token.remove(&token) {
                self.lost_count -= 1;
                self.lost_bytes -= lost.bytes();
            }
        }
    }
}
