//! Who a session is.

use std::{
    any::Any,
    fmt,
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use crate::{Member, Payload, SessionId};

/// Who a session is: what authentication found out.
///
/// Several sessions may have the same user; they stand side by side in presence.
#[derive(Clone, Default)]
pub struct Identity {
    user: Option<Arc<str>>,
    value: Option<Arc<dyn Any + Send + Sync>>,
    info: Option<Payload>,
    expires_at: Option<SystemTime>,
}

impl Identity {
    /// A user with this id.
    pub fn user(id: impl Into<Arc<str>>) -> Self {
        Self { user: Some(id.into()), ..Self::default() }
    }

    /// Nobody in particular.
    pub fn guest() -> Self {
        Self::default()
    }

    /// Adds the application's own type, for the extractor `Auth<T>`.
    #[must_use]
    pub fn with_value<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.value = Some(Arc::new(value));
        self
    }

    /// Adds what other members of a room see of this one: an object, such as a name and a colour.
    #[must_use]
    pub fn with_info(mut self, info: Payload) -> Self {
        self.info = Some(info);
        self
    }

    /// Lets the identity end at this time of the wall clock. The client is told to refresh before; a session that was not
    /// refreshed is closed with 4002.
    #[must_use]
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// The user's id.
    pub fn user_id(&self) -> Option<&Arc<str>> {
        self.user.as_ref()
    }

    /// The application's own type.
    pub fn value<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.value.clone()?.downcast().ok()
    }

    /// What other members see.
    pub fn info(&self) -> Option<&Payload> {
        self.info.as_ref()
    }

    /// How long it is still valid by the wall clock. `None`: for ever.
    pub fn valid_for(&self) -> Option<Duration> {
        self.expires_at.map(|time| time.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO))
    }

    /// The identity to share; all guests share one.
    pub(crate) fn shared(self) -> Arc<Self> {
        static GUEST: LazyLock<Arc<Identity>> = LazyLock::new(Arc::default);
        let is_guest = self.user.is_none() && self.value.is_none() && self.info.is_none() && self.expires_at.is_none();
        if is_guest { GUEST.clone() } else { Arc::new(self) }
    }

    pub(crate) fn member(&self, session: SessionId) -> Member {
        Member { client_id: session, user: self.user.clone(), info: self.info.clone() }
    }
}

impl fmt::Debug for Identity {
    /// Shows the user alone: the application's value may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
