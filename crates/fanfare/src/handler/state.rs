//! The application's own values, registered once and found by their type.

use std::{
    any::{Any, TypeId, type_name},
    fmt,
};

use super::{Context, FromContext, RegistrationError};
use crate::error::Reject;

/// Extracts the state of type `S` that was given to the builder by `.state(…)`, as a clone.
///
/// A state that nobody gave is found when the hub is built, which then fails and names it. Give large states as an `Arc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::exhaustive_structs, reason = "handlers take it apart by pattern")]
pub struct State<S>(pub S);

impl<S: Clone + Send + Sync + 'static> FromContext for State<S> {
    fn from_context(context: &Context) -> Result<Self, Reject> {
        // Only a context that was made without the builder's checks gets here without a state.
        context.state::<S>().cloned().map(State).ok_or_else(Reject::internal)
    }

    fn check(setup: &Setup<'_>) -> Result<(), String> {
        if setup.has_state::<S>() {
            return Ok(());
        }
        Err(format!("the state `{}` is missing; give it to the builder by `.state(…)`", type_name::<S>()))
    }
}

/// What is known when the hub is built: extractors check against it that they can work.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    pub(super) states: &'a StateMap,
    pub(super) has_event: bool,
}

impl Setup<'_> {
    /// Whether a state of this type was given to the builder.
    pub fn has_state<S: Send + Sync + 'static>(&self) -> bool {
        self.states.get::<S>().is_some()
    }

    /// Whether the handler runs for an event. `false` for connections, disconnections and raw bytes.
    pub fn has_event(&self) -> bool {
        self.has_event
    }
}

/// One value for each type. A list, because a handful of types is compared faster than hashed.
#[derive(Default)]
pub(crate) struct StateMap(Vec<Entry>);

struct Entry {
    id: TypeId,
    name: &'static str,
    state: Box<dyn Any + Send + Sync>,
}

impl StateMap {
    /// Takes a state.
    ///
    /// # Errors
    /// [`RegistrationError::RepeatedState`] for a second one of its type; the first stays.
    pub(crate) fn insert<S: Send + Sync + 'static>(&mut self, state: S) -> Result<(), RegistrationError> {
        let (id, name) = (TypeId::of::<S>(), type_name::<S>());
        if self.0.iter().any(|entry| entry.id == id) {
            return Err(RegistrationError::RepeatedState { state: name });
        }
        self.0.push(Entry { id, name, state: Box::new(state) });
        Ok(())
    }

    pub(crate) fn get<S: Send + Sync + 'static>(&self) -> Option<&S> {
        let id = TypeId::of::<S>();
        self.0.iter().find(|entry| entry.id == id)?.state.downcast_ref()
    }
}

impl fmt::Debug for StateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|entry| entry.name)).finish()
    }
}
