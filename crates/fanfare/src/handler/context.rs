//! What a handler is called with.

use std::{fmt, mem, sync::Arc};

use bytes::Bytes;

use super::StateMap;
use crate::{
    EventName, Payload, RoomName,
    error::{DisconnectReason, Reject},
    session::Session,
};

/// One event of a client, as it came in. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "middleware takes it apart and makes it anew")]
pub struct Incoming {
    /// Which event.
    pub name: EventName,
    /// The room that it names, if it does.
    pub room: Option<RoomName>,
    /// Its fields, the room included.
    pub payload: Payload,
    /// Whether the client waits for an answer. Where it does not, what a handler returns goes nowhere.
    pub wants_reply: bool,
    /// The idempotency key: of several events with the same one, only one is to be applied.
    pub key: Option<Arc<str>>,
}

/// What extractors read: the session, what came in, and the application's states.
pub struct Context {
    pub(super) session: Session,
    pub(super) given: Given,
    pub(super) states: Arc<StateMap>,
}

impl Context {
    /// The session that the handler runs for.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The event. `None` in handlers of connections, disconnections and raw bytes.
    pub fn incoming(&self) -> Option<&Incoming> {
        match &self.given {
            Given::Event(incoming) => Some(incoming),
            _ => None,
        }
    }

    /// The state of this type that was given to the builder.
    pub fn state<S: Send + Sync + 'static>(&self) -> Option<&S> {
        self.states.get()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the payload: a log must not hold what people write to each other.
        let event = self.incoming().map(|incoming| &incoming.name);
        f.debug_struct("Context").field("session", &self.session).field("event", &event).finish_non_exhaustive()
    }
}

/// What a handler is called for, until its last argument takes it.
#[derive(Debug)]
pub(super) enum Given {
    Event(Incoming),
    Raw(Bytes),
    Disconnect(DisconnectReason),
    Nothing,
}

/// A last argument, taken out of the context when the extractors have read it.
pub(super) trait Take: Sized {
    /// # Errors
    /// `internal` where the context is that of another seat, which the dispatch rules out.
    fn take(context: &mut Context) -> Result<Self, Reject>;
}

macro_rules! take {
    ($($Given:ty: $pattern:pat => $value:expr;)*) => {
        $(impl Take for $Given {
            fn take(context: &mut Context) -> Result<Self, Reject> {
                match mem::replace(&mut context.given, Given::Nothing) {
                    $pattern => Ok($value),
                    _ => Err(Reject::internal()),
                }
            }
        })*
    };
}

take! {
    Incoming: Given::Event(incoming) => incoming;
    Payload: Given::Event(incoming) => incoming.payload;
    Bytes: Given::Raw(bytes) => bytes;
    DisconnectReason: Given::Disconnect(reason) => reason;
}
