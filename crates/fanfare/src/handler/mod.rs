//! The application's seat: what runs on each event, and how it asks for what it needs.
//!
//! A handler is an async function. Its arguments are extractors ([`FromContext`]) and, last, what came in; its return value
//! is the acknowledgement ([`IntoReply`]). No macro and no trait of the user's own stands in between.
//!
//! | registered by | last argument | returns |
//! |---|---|---|
//! | `on` | the event's type | its `Ack`, or `Result<Ack, Reject>` |
//! | `on_event` | [`Payload`](crate::Payload) | a payload, nothing, or a `Result` of either |
//! | `on_any` | [`Incoming`] | as `on_event` |
//! | `on_raw` | [`Bytes`](bytes::Bytes) | nothing, or `Result<(), Reject>` |
//! | `before_connect`, `on_connect` | | nothing, or `Result<(), Reject>` |
//! | `on_disconnect` | [`DisconnectReason`](crate::error::DisconnectReason) | nothing, or `Result<(), Reject>` |
//! | `before_event` | [`Incoming`] | `Result<Incoming, Reject>` |

mod context;
mod dispatch;
mod extract;
mod function;
mod guard;
mod register;
mod reply;
mod reserved;
mod seats;
mod state;
#[cfg(test)]
mod tests;

pub use context::{Context, Incoming};
pub(crate) use dispatch::{Dispatch, Dispatched};
pub use extract::{Auth, FromContext, InRoom};
pub use function::{Function, LastArgument, SplitLast};
pub(crate) use guard::guard;
pub(crate) use register::DispatchBuilder;
pub use register::RegistrationError;
pub use reply::{IntoAnswer, IntoReply};
pub use seats::{CatchAll, ConnectHandler, DisconnectHandler, Handler, Middleware, RawHandler, UntypedHandler};
pub(crate) use state::StateMap;
pub use state::{Setup, State};
