//! Sessions that may be resumed: live ones by their token, lost ones for a while.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{Epoch, Namespace, ResumeToken, RoomName, SessionId, session::Session};

/// A lost session that goes on with a new connection.
pub(crate) struct Revived {
    pub(crate) id: SessionId,
    pub(crate) rooms: Vec<RoomName>,
    /// The epoch that its inbox began in.
    pub(crate) inbox_epoch: Option<Epoch>,
    /// Where the client was last, as it says.
    pub(crate) cursors: crate::Resume,
}

/// What is left of a session whose connection is lost.
pub(crate) struct Lost {
    pub(crate) id: SessionId,
    pub(crate) namespace: Namespace,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) rooms: Vec<RoomName>,
    pub(crate) inbox_epoch: Option<Epoch>,
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
        let Some(lost) = lost else { return };
        if max == 0 {
            return;
        }
        while inner.lost_count >= max {
            inner.forget_oldest();
        }
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
        if let Resumable::Lost(_, until) = &resumable {
            inner.lost_count -= 1;
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
            return;
        };
        if matches!(self.by_token.get(&token), Some(Resumable::Lost(..))) {
            self.by_token.remove(&token);
            self.lost_count -= 1;
        }
    }
}
