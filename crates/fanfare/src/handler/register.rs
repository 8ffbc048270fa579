//! Collects handlers, finds what is wrong with them, and makes the dispatch.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::Arc,
};

use super::{
    CatchAll, ConnectHandler, DisconnectHandler, Dispatch, Handler, Incoming, Middleware, RawHandler, Setup, StateMap,
    UntypedHandler, dispatch::Erased, reserved::RESERVED,
};
use crate::{Event, EventName, NameError, Payload};

/// Why a handler or a state cannot be registered. All of them are found before the hub is built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The event's name is none.
    #[error("the event {name:?}: {error}")]
    BadName {
        /// The name.
        name: String,
        /// The rule.
        error: NameError,
    },
    /// The event's name is a word of a protocol, so that no such event would ever arrive.
    #[error("the event {name:?}: this word belongs to the protocol")]
    Reserved {
        /// The name.
        name: String,
    },
    /// A second handler where there can be only one.
    #[error("{handler} is registered twice")]
    Twice {
        /// Which handler, such as `the event "message"` or `on_any`.
        handler: String,
    },
    /// An extractor of the handler cannot work.
    #[error("{handler}: {reason}")]
    Unfit {
        /// Which handler.
        handler: String,
        /// What is missing.
        reason: String,
    },
    /// A second state of one type.
    #[error("the state `{state}` is given twice; wrap one of them in a type of its own")]
    RepeatedState {
        /// The type.
        state: &'static str,
    },
}

/// Takes the handlers of one namespace, in any order and before or after the states.
#[derive(Default)]
pub(crate) struct DispatchBuilder {
    events: HashMap<EventName, Erased<Payload>>,
    any: Option<Erased<Payload>>,
    raw: Option<Erased<()>>,
    before_event: Vec<Erased<Incoming>>,
    before_connect: Vec<Erased<()>>,
    connect: Vec<Erased<()>>,
    disconnect: Vec<Erased<()>>,
    checks: Vec<Check>,
    errors: Vec<RegistrationError>,
}

/// What the extractors of one handler need, to be asked when all states are known.
struct Check {
    handler: String,
    has_event: bool,
    check: fn(&Setup<'_>) -> Result<(), String>,
}

/// Forgets the handler's type. A macro, because each seat has a trait of its own.
macro_rules! erase {
    ($handler:ident) => {
        Arc::new(move |context| Box::pin($handler.clone().call(context)))
    };
}

impl DispatchBuilder {
    pub(crate) fn on<H: Handler<Args>, Args>(&mut self, handler: H) {
        let name = self.named(H::Event::NAME, H::check);
        self.insert(name, erase!(handler));
    }

    pub(crate) fn on_event<H: UntypedHandler<Args>, Args>(&mut self, name: &str, handler: H) {
        let name = self.named(name, H::check);
        self.insert(name, erase!(handler));
    }

    pub(crate) fn on_any<H: CatchAll<Args>, Args>(&mut self, handler: H) {
        self.check("on_any", true, H::check);
        self.twice("on_any", self.any.is_some());
        self.any = Some(erase!(handler));
    }

    pub(crate) fn on_raw<H: RawHandler<Args>, Args>(&mut self, handler: H) {
        self.check("on_raw", false, H::check);
        self.twice("on_raw", self.raw.is_some());
        self.raw = Some(erase!(handler));
    }

    pub(crate) fn before_event<H: Middleware<Args>, Args>(&mut self, handler: H) {
        self.check("before_event", true, H::check);
        self.before_event.push(erase!(handler));
    }

    pub(crate) fn before_connect<H: ConnectHandler<Args>, Args>(&mut self, handler: H) {
        self.check("before_connect", false, H::check);
        self.before_connect.push(erase!(handler));
    }

    pub(crate) fn on_connect<H: ConnectHandler<Args>, Args>(&mut self, handler: H) {
        self.check("on_connect", false, H::check);
        self.connect.push(erase!(handler));
    }

    pub(crate) fn on_disconnect<H: DisconnectHandler<Args>, Args>(&mut self, handler: H) {
        self.check("on_disconnect", false, H::check);
        self.disconnect.push(erase!(handler));
    }

    /// Makes the dispatch, which gives `states` to its handlers.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of registration, first what was found at once and then what is missing.
    pub(crate) fn build(mut self, states: Arc<StateMap>) -> Result<Dispatch, Vec<RegistrationError>> {
        for Check { handler, has_event, check } in self.checks {
            if let Err(reason) = check(&Setup { states: &states, has_event }) {
                self.errors.push(RegistrationError::Unfit { handler, reason });
            }
        }
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        Ok(Dispatch {
            states,
            events: self.events,
            any: self.any,
            raw: self.raw,
            before_event: self.before_event.into(),
            before_connect: self.before_connect.into(),
            connect: self.connect.into(),
            disconnect: self.disconnect.into(),
        })
    }

    fn named(&mut self, name: &str, check: fn(&Setup<'_>) -> Result<(), String>) -> Option<EventName> {
        self.check(event(name), true, check);
        match EventName::new(name) {
            _ if RESERVED.contains(&name) => self.errors.push(RegistrationError::Reserved { name: name.to_owned() }),
            Err(error) => self.errors.push(RegistrationError::BadName { name: name.to_owned(), error }),
            Ok(name) => return Some(name),
        }
        None
    }

    fn insert(&mut self, name: Option<EventName>, handler: Erased<Payload>) {
        let Some(name) = name else { return };
        match self.events.entry(name) {
            Entry::Vacant(place) => {
                place.insert(handler);
            }
            Entry::Occupied(place) => {
                let handler = event(place.key().as_str());
                self.errors.push(RegistrationError::Twice { handler });
            }
        }
    }

    fn twice(&mut self, handler: &str, twice: bool) {
        if twice {
            self.errors.push(RegistrationError::Twice { handler: handler.to_owned() });
        }
    }

    fn check(&mut self, handler: impl Into<String>, has_event: bool, check: fn(&Setup<'_>) -> Result<(), String>) {
        self.checks.push(Check { handler: handler.into(), has_event, check });
    }
}

impl fmt::Debug for DispatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DispatchBuilder").field("events", &self.events.keys()).finish_non_exhaustive()
    }
}

fn event(name: &str) -> String {
    format!("the event {name:?}")
}
