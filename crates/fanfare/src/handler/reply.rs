//! What handlers may return.

use std::any::TypeId;

use serde::Serialize;

use crate::{Payload, error::Reject};

/// A handler's return value as the acknowledgement `A`: `A` itself, or a `Result` whose error says what the client is told.
///
/// Errors of libraries do not turn into a [`Reject`] by themselves, because their text may tell the client what is none of
/// its business. Say what it may know by `.map_err(|_| Reject::new("not_saved", "try again later"))`, or once for all by
/// `impl From<StoreError> for Reject`.
#[diagnostic::on_unimplemented(
    message = "a handler that returns `{Self}` does not acknowledge with `{A}`",
    label = "must return `{A}` or `Result<{A}, Reject>`",
    note = "an event's handler returns its acknowledgement, which `#[event(ack = …)]` declares and which is `()` without it",
    note = "or return `Result<{A}, E>` where `E` is `Reject` or has `impl From<E> for Reject`"
)]
pub trait IntoReply<A> {
    /// The acknowledgement, or why there is none.
    ///
    /// # Errors
    /// What the client is told.
    fn into_reply(self) -> Result<A, Reject>;
}

impl<A> IntoReply<A> for A {
    fn into_reply(self) -> Result<A, Reject> {
        Ok(self)
    }
}

impl<A, E: Into<Reject>> IntoReply<A> for Result<A, E> {
    fn into_reply(self) -> Result<A, Reject> {
        self.map_err(Into::into)
    }
}

/// The return value of a handler of untyped events: [`Payload`], `()`, or a `Result` of either.
#[diagnostic::on_unimplemented(
    message = "a handler of untyped events cannot return `{Self}`",
    note = "return `Payload`, `()`, or a `Result` of either whose error is `Reject` or turns into one; `Payload::new(&value)` makes one of any value"
)]
pub trait IntoAnswer {
    /// The answer, or why there is none.
    ///
    /// # Errors
    /// What the client is told.
    fn into_answer(self) -> Result<Payload, Reject>;
}

impl IntoAnswer for Payload {
    fn into_answer(self) -> Result<Payload, Reject> {
        Ok(self)
    }
}

impl IntoAnswer for () {
    fn into_answer(self) -> Result<Payload, Reject> {
        Ok(Payload::empty())
    }
}

impl<T: IntoAnswer, E: Into<Reject>> IntoAnswer for Result<T, E> {
    fn into_answer(self) -> Result<Payload, Reject> {
        self.map_err(Into::into)?.into_answer()
    }
}

/// The payload of an acknowledgement. `()` has no fields rather than being `null`.
pub(super) fn encode<A: Serialize + 'static>(ack: &A) -> Result<Payload, Reject> {
    if TypeId::of::<A>() == TypeId::of::<()>() {
        return Ok(Payload::empty());
    }
    Payload::new(ack).map_err(|error| {
        tracing::error!(ack = std::any::type_name::<A>(), %error, "an acknowledgement cannot be encoded");
        Reject::internal()
    })
}
