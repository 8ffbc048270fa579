//! The seats that an application can take: one trait for each place where a handler runs.
//!
//! All are implemented for functions of the right shape, by extractors first and the last argument last, and are called by
//! the dispatch alone. A handler's extractors run, in their order, before it does; the first that refuses ends the matter.

use bytes::Bytes;

use super::{
    Context, FromContext, Function, Incoming, IntoAnswer, IntoReply, LastArgument, Setup, SplitLast, context::Take,
    reply,
};
use crate::{
    Event, Payload,
    error::{DisconnectReason, Reject},
    event::decode,
};

/// Handles the events of one type: `async fn(extractors…, E) -> E::Ack`, or `-> Result<E::Ack, Reject>`.
///
/// ```
/// use fanfare::{Event, Reject, Session, handler::Handler};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event(ack = Sum)]
/// struct Add { a: i32, b: i32 }
///
/// #[derive(Serialize, Deserialize)]
/// struct Sum { sum: i32 }
///
/// async fn add(_session: Session, add: Add) -> Result<Sum, Reject> {
///     let sum = add.a.checked_add(add.b).ok_or_else(|| Reject::new("too_large", "the sum is too large"))?;
///     Ok(Sum { sum })
/// }
///
/// fn on<Args>(_handler: impl Handler<Args>) {}
/// on(add);
/// on(|add: Add| async move { Sum { sum: add.a } });
/// ```
///
/// What it returns must be the event's acknowledgement:
/// ```compile_fail
/// use fanfare::{Event, handler::Handler};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event(ack = u32)]
/// struct Count {}
///
/// async fn count(_: Count) -> String { "one".to_owned() }
///
/// fn on<Args>(_handler: impl Handler<Args>) {}
/// on(count); // a handler that returns `String` does not acknowledge with `u32`
/// ```
///
/// And what it asks for must be there to be had:
/// ```compile_fail
/// use fanfare::{Event, handler::Handler};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Event)]
/// struct Count {}
/// struct App;
///
/// async fn count(app: App, _: Count) {}
///
/// fn on<Args>(_handler: impl Handler<Args>) {}
/// on(count); // `App` cannot be an argument of a handler
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle an event",
    label = "not an async function of extractors and the event",
    note = "write `async fn say(session: Session, State(app): State<App>, say: Say) -> Result<Sent, Reject>`: extractors first, the event last",
    note = "a closure names the types of its arguments and returns a future: `|session: Session, say: Say| async move {{ … }}`"
)]
pub trait Handler<Args>: Clone + Send + Sync + 'static {
    /// The event's type.
    type Event: Event;

    /// Asks the extractors whether they can work.
    ///
    /// # Errors
    /// A sentence of the first that cannot.
    fn check(setup: &Setup<'_>) -> Result<(), String>;

    /// Reads the event and runs. A payload that is no `Self::Event` is refused as `bad_payload`.
    fn call(self, context: Context) -> impl Future<Output = Result<Payload, Reject>> + Send + 'static;
}

impl<F, Args> Handler<Args> for F
where
    F: Function<Args>,
    Args: SplitLast + 'static,
    Args::First: FromContext + Send,
    Args::Last: Event,
    F::Output: IntoReply<<Args::Last as Event>::Ack>,
    F::Future: Send + 'static,
{
    type Event = Args::Last;

    fn check(setup: &Setup<'_>) -> Result<(), String> {
        Args::First::check(setup)
    }

    async fn call(self, context: Context) -> Result<Payload, Reject> {
        let future = {
            let incoming = context.incoming().ok_or_else(Reject::internal)?;
            let first = Args::First::from_context(&context)?;
            self.call_with(Args::join(
                first,
                decode(&incoming.payload).map_err(|error| Reject::new("bad_payload", error.to_string()))?,
            ))
        };
        // The handler may take its time; the bytes that the event was read from need not stay for it.
        drop(context);
        reply::encode(&future.await.into_reply()?)
    }
}

macro_rules! seat {
    ($(#[$doc:meta])* $seat:ident($Given:ty) -> $Answer:ty, $Bound:path, $into:ident) => {
        $(#[$doc])*
        #[diagnostic::on_unimplemented(
            message = "`{Self}` cannot be this handler",
            label = "not an async function of extractors and what this handler is called with",
            note = "a closure names the types of its arguments and returns a future: `|session: Session, …| async move {{ … }}`"
        )]
        pub trait $seat<Args>: Clone + Send + Sync + 'static {
            /// Asks the extractors whether they can work.
            ///
            /// # Errors
            /// A sentence of the first that cannot.
            fn check(setup: &Setup<'_>) -> Result<(), String>;

            /// Runs.
            fn call(self, context: Context) -> impl Future<Output = Result<$Answer, Reject>> + Send + 'static;
        }

        impl<F, Args> $seat<Args> for F
        where
            F: Function<Args>,
            Args: SplitLast + 'static,
            Args::First: FromContext + Send,
            Args::Last: LastArgument<$Given>,
            F::Output: $Bound,
            F::Future: Send + 'static,
        {
            fn check(setup: &Setup<'_>) -> Result<(), String> {
                Args::First::check(setup)
            }

            async fn call(self, mut context: Context) -> Result<$Answer, Reject> {
                let future = {
                    let first = Args::First::from_context(&context)?;
                    self.call_with(Args::join(first, Args::Last::from_given(<$Given>::take(&mut context)?)))
                };
                drop(context);
                future.await.$into()
            }
        }
    };
}

seat!(
    /// Handles the events of one name, unread: `async fn(extractors…, Payload)`, which returns a [`Payload`], nothing, or a
    /// `Result` of either.
    UntypedHandler(Payload) -> Payload, IntoAnswer, into_answer
);
seat!(
    /// Handles every event that has no handler of its own: `async fn(extractors…, Incoming)`, which returns a [`Payload`],
    /// nothing, or a `Result` of either.
    CatchAll(Incoming) -> Payload, IntoAnswer, into_answer
);
seat!(
    /// Handles bytes that are no word of the protocol: `async fn(extractors…, Bytes)`. There is nothing to acknowledge, and
    /// a refusal is told to the client without an id.
    RawHandler(Bytes) -> (), IntoReply<()>, into_reply
);
seat!(
    /// Runs when a session has ended: `async fn(extractors…, DisconnectReason)`. A refusal is logged and changes nothing.
    DisconnectHandler(DisconnectReason) -> (), IntoReply<()>, into_reply
);
seat!(
    /// Runs before the handler of each event: `async fn(extractors…, Incoming) -> Result<Incoming, Reject>`.
    ///
    /// It may change the event, its name included, or refuse it. Runs for the built-in `message` as well.
    Middleware(Incoming) -> Incoming, IntoReply<Incoming>, into_reply
);

/// Runs when a session connects: `async fn(extractors…)`, which returns nothing or `Result<(), Reject>`.
///
/// Before `connected` is told, a refusal turns the connection away; after it, it ends the session.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle a connection",
    label = "not an async function of extractors",
    note = "write `async fn welcome(session: Session, State(app): State<App>) -> Result<(), Reject>`: extractors only",
    note = "a closure names the types of its arguments and returns a future: `|session: Session| async move {{ … }}`"
)]
pub trait ConnectHandler<Args>: Clone + Send + Sync + 'static {
    /// Asks the extractors whether they can work.
    ///
    /// # Errors
    /// A sentence of the first that cannot.
    fn check(setup: &Setup<'_>) -> Result<(), String>;

    /// Runs.
    fn call(self, context: Context) -> impl Future<Output = Result<(), Reject>> + Send + 'static;
}

impl<F, Args> ConnectHandler<Args> for F
where
    F: Function<Args>,
    Args: FromContext + Send + 'static,
    F::Output: IntoReply<()>,
    F::Future: Send + 'static,
{
    fn check(setup: &Setup<'_>) -> Result<(), String> {
        Args::check(setup)
    }

    async fn call(self, context: Context) -> Result<(), Reject> {
        let future = self.call_with(Args::from_context(&context)?);
        drop(context);
        future.await.into_reply()
    }
}
