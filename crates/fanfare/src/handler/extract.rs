//! Extractors: what a handler may ask for by naming it as an argument.

use std::sync::Arc;

use super::{Context, Incoming, Setup};
use crate::{
    RoomName, SessionId,
    error::Reject,
    session::{Handshake, Identity, Session},
};

/// A type that handlers may have as an argument.
///
/// Extraction is synchronous and runs for every event, so it must be cheap: look things up, do not load them.
///
/// ```
/// use fanfare::{Reject, handler::{Auth, Context, FromContext}};
///
/// struct User { admin: bool }
///
/// /// Lets only admins into a handler.
/// struct Admin;
///
/// impl FromContext for Admin {
///     fn from_context(context: &Context) -> Result<Self, Reject> {
///         let Auth(user) = Auth::<User>::from_context(context)?;
///         if user.admin { Ok(Admin) } else { Err(Reject::new("forbidden", "only for admins")) }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler",
    label = "not an extractor",
    note = "all arguments but the last must be extractors: `Session`, `SessionId`, `Hub`, `State<S>`, `Auth<U>`, `InRoom`, `Incoming`, `Arc<Identity>`, `Arc<Handshake>`, `Option` of any of these, or a type with `impl FromContext`",
    note = "your own application state is extracted as `State(app): State<{Self}>`, your own user type as `Auth(user): Auth<{Self}>`"
)]
pub trait FromContext: Sized {
    /// Takes what it needs out of the context.
    ///
    /// # Errors
    /// What the client is told instead of the handler's answer. The handler does not run.
    fn from_context(context: &Context) -> Result<Self, Reject>;

    /// Tells, when the hub is built, whether extraction can work at all.
    ///
    /// # Errors
    /// A sentence for the programmer that says what is missing.
    fn check(_setup: &Setup<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// Extracts the application's own user, as the authentication made it.
///
/// A session without one, or with one of another type, is told `unauthorized`. For guests take an `Option<Auth<U>>`.
#[derive(Debug)]
#[allow(clippy::exhaustive_structs, reason = "handlers take it apart by pattern")]
pub struct Auth<U>(pub Arc<U>);

impl<U> Clone for Auth<U> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<U: Send + Sync + 'static> FromContext for Auth<U> {
    fn from_context(context: &Context) -> Result<Self, Reject> {
        let user = context.session.identity().value();
        user.map(Auth).ok_or_else(|| Reject::new("unauthorized", "this needs a login"))
    }
}

/// Extracts the room that the event names in its field `room`. An event without one is told `missing_field`.
///
/// That the session is in this room is not checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "handlers take it apart by pattern")]
pub struct InRoom(pub RoomName);

impl FromContext for InRoom {
    fn from_context(context: &Context) -> Result<Self, Reject> {
        let room = context.incoming().and_then(|incoming| incoming.room.clone());
        room.map(InRoom).ok_or_else(|| Reject::new("missing_field", "the field \"room\" is missing"))
    }

    fn check(setup: &Setup<'_>) -> Result<(), String> {
        needs_event(setup, "InRoom")
    }
}

impl FromContext for Incoming {
    fn from_context(context: &Context) -> Result<Self, Reject> {
        context.incoming().cloned().ok_or_else(Reject::internal)
    }

    fn check(setup: &Setup<'_>) -> Result<(), String> {
        needs_event(setup, "Incoming")
    }
}

fn needs_event(setup: &Setup<'_>, extractor: &str) -> Result<(), String> {
    if setup.has_event() { Ok(()) } else { Err(format!("`{extractor}` needs an event, and there is none here")) }
}

impl FromContext for Session {
    fn from_context(context: &Context) -> Result<Self, Reject> {
        Ok(context.session.clone())
    }
}

impl FromContext for SessionId {
    fn from_context(context: &Context) -> Result<Self, Reject> {
        Ok(context.session.id())
    }
}

impl FromContext for Arc<Identity> {
    fn from_context(context: &Context) -> Result<Self, Reject> {
        Ok(context.session.identity())
    }
}

impl FromContext for Arc<Handshake> {
    fn from_context(context: &Context) -> Result<Self, Reject> {
        context.session.handshake().ok_or_else(Reject::internal)
    }
}

/// `None` where `T` would refuse; never refuses.
impl<T: FromContext> FromContext for Option<T> {
    fn from_context(context: &Context) -> Result<Self, Reject> {
        Ok(T::from_context(context).ok())
    }
}

macro_rules! tuples {
    ($($part:ident)*) => {
        impl<$($part: FromContext),*> FromContext for ($($part,)*) {
            #[allow(unused_variables, reason = "the empty tuple reads nothing")]
            fn from_context(context: &Context) -> Result<Self, Reject> {
                Ok(($($part::from_context(context)?,)*))
            }

            #[allow(unused_variables, reason = "the empty tuple reads nothing")]
            fn check(setup: &Setup<'_>) -> Result<(), String> {
                $($part::check(setup)?;)*
                Ok(())
            }
        }
    };
}

super::function::each_tuple!(tuples);
