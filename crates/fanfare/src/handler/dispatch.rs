//! Finds and runs the handlers of a namespace. Built once, never changed, shared by all its sessions.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Context, Incoming, StateMap, context::Given, guard};
use crate::{
    EventName, Payload,
    error::{DisconnectReason, Reject},
    node::Outcome,
    session::Session,
};

/// A handler whose type is forgotten, and which answers with an `A`.
pub(super) type Erased<A> = Arc<dyn Fn(Context) -> BoxFuture<'static, Result<A, Reject>> + Send + Sync>;

/// All handlers of one namespace. A handler's panic goes through to whoever polls it; see [`guard`].
pub(crate) struct Dispatch {
    pub(super) states: Arc<StateMap>,
    pub(super) events: HashMap<EventName, Erased<Payload>>,
    pub(super) any: Option<Erased<Payload>>,
    pub(super) raw: Option<Erased<()>>,
    pub(super) before_event: Arc<[Erased<Incoming>]>,
    pub(super) before_connect: Arc<[Erased<()>]>,
    pub(super) connect: Arc<[Erased<()>]>,
    pub(super) disconnect: Arc<[Erased<()>]>,
}

/// What became of an event.
pub(crate) enum Dispatched {
    /// The application handles it.
    Handled(BoxFuture<'static, Result<Payload, Reject>>),
    /// No handler of its name and no catch-all: what is built in may have it.
    Unhandled(Incoming),
    /// Middleware sees it first. Resolves to one of the others, or to the refusal.
    Filtered(BoxFuture<'static, Result<Dispatched, Reject>>),
}

impl Dispatch {
    /// Finds the handler of an event, behind the middleware in the order of its registration. Nothing of the application has
    /// run when this returns; without middleware it costs one look-up and one allocation for the future.
    pub(crate) fn event(self: &Arc<Self>, session: &Session, incoming: Incoming) -> Dispatched {
        if self.before_event.is_empty() {
            return self.handled(session, incoming);
        }
        let (dispatch, session) = (Arc::clone(self), session.clone());
        Dispatched::Filtered(Box::pin(async move {
            let mut incoming = incoming;
            for middleware in dispatch.before_event.iter() {
                incoming = middleware(dispatch.context(&session, Given::Event(incoming))).await?;
            }
            Ok(dispatch.handled(&session, incoming))
        }))
    }

    fn handled(&self, session: &Session, incoming: Incoming) -> Dispatched {
        match self.events.get(&incoming.name).or(self.any.as_ref()) {
            Some(handler) => Dispatched::Handled(handler(self.context(session, Given::Event(incoming)))),
            None => Dispatched::Unhandled(incoming),
        }
    }

    /// Runs the handler of raw bytes. `None` where there is none.
    pub(crate) fn raw(&self, session: &Session, bytes: Bytes) -> Option<BoxFuture<'static, Result<(), Reject>>> {
        self.raw.as_ref().map(|handler| handler(self.context(session, Given::Raw(bytes))))
    }

    /// Asks the handlers that run before a session is told that it is connected; the first that refuses turns it away.
    /// `None` where there are none.
    pub(crate) fn connecting(&self, session: &Session) -> Option<BoxFuture<'static, Result<(), Reject>>> {
        self.in_order(&self.before_connect, session)
    }

    /// Runs the handlers of a session that was told that it is connected; the first that refuses ends it. `None` where there
    /// are none.
    pub(crate) fn connected(&self, session: &Session) -> Option<BoxFuture<'static, Result<(), Reject>>> {
        self.in_order(&self.connect, session)
    }

    fn in_order(&self, list: &Arc<[Erased<()>]>, session: &Session) -> Option<BoxFuture<'static, Result<(), Reject>>> {
        if list.is_empty() {
            return None;
        }
        let (list, states, session) = (Arc::clone(list), Arc::clone(&self.states), session.clone());
        Some(Box::pin(async move {
            for handler in list.iter() {
                let context = Context { session: session.clone(), given: Given::Nothing, states: Arc::clone(&states) };
                handler(context).await?;
            }
            Ok(())
        }))
    }

    /// Runs the handlers of a session that has ended: all of them, also where one refuses or panics, because each may have
    /// something to put in order. `None` where there are none.
    pub(crate) fn disconnected(&self, session: &Session, reason: DisconnectReason) -> Option<BoxFuture<'static, ()>> {
        if self.disconnect.is_empty() {
            return None;
        }
        let (list, states, session) = (Arc::clone(&self.disconnect), Arc::clone(&self.states), session.clone());
        Some(Box::pin(async move {
            for handler in list.iter() {
                let given = Given::Disconnect(reason.clone());
                let context = Context { session: session.clone(), given, states: Arc::clone(&states) };
                if let Outcome::Reply(Err(reject)) = guard("on_disconnect", handler(context)).await {
                    tracing::warn!(session = %session.id(), code = reject.code(), "a handler of on_disconnect refused");
                }
            }
        }))
    }

    fn context(&self, session: &Session, given: Given) -> Context {
        Context { session: session.clone(), given, states: Arc::clone(&self.states) }
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("events", &self.events.keys()).finish_non_exhaustive()
    }
}
