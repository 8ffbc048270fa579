//! The shape of a handler: an async function, seen as a function of one tuple.
//!
//! [`Function`] asks for nothing but the shape, and what the arguments and the answer must be is asked for afterwards, one
//! trait at a time. So the compiler settles the argument types first and then names the one that does not fit; a trait that
//! asked for everything at once would only be "not satisfied".

/// An async function, or a closure that returns a future, of up to eight extractors and what came in.
///
/// `Args` is the tuple of its arguments. Implemented for every such function and meant for nothing else.
pub trait Function<Args>: Clone + Send + Sync + 'static {
    /// What the function returns when it is done.
    type Output;
    /// The function while it runs.
    type Future: Future<Output = Self::Output>;

    /// Calls the function.
    fn call_with(&self, args: Args) -> Self::Future;
}

/// A tuple of arguments, seen as extractors and the last one.
#[diagnostic::on_unimplemented(
    message = "this handler has no arguments",
    note = "its last argument must be what came in, such as the event: `async fn say(say: Say)`"
)]
pub trait SplitLast {
    /// All but the last.
    type First;
    /// The last.
    type Last;

    /// Puts the two together again.
    fn join(first: Self::First, last: Self::Last) -> Self;
}

/// The last argument of a handler that is called with a `T`: the type `T` itself and no other.
#[diagnostic::on_unimplemented(
    message = "the last argument of this handler must be `{T}` and is `{Self}`",
    label = "called with `{T}`",
    note = "extractors come first, then what came in; typed events are registered by `on`"
)]
pub trait LastArgument<T> {
    /// The value as the argument.
    fn from_given(given: T) -> Self;
}

impl<T> LastArgument<T> for T {
    fn from_given(given: T) -> Self {
        given
    }
}

/// Calls a macro with the type parameters of each tuple, from none to eight.
macro_rules! each_tuple {
    ($each:ident) => {
        $each!();
        $each!(T1);
        $each!(T1 T2);
        $each!(T1 T2 T3);
        $each!(T1 T2 T3 T4);
        $each!(T1 T2 T3 T4 T5);
        $each!(T1 T2 T3 T4 T5 T6);
        $each!(T1 T2 T3 T4 T5 T6 T7);
        $each!(T1 T2 T3 T4 T5 T6 T7 T8);
    };
}
pub(super) use each_tuple;

macro_rules! functions {
    ($($part:ident)*) => {
        #[allow(non_snake_case, reason = "each argument is named after its type parameter")]
        impl<F, Fut, $($part),*> Function<($($part,)*)> for F
        where
            F: Fn($($part),*) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future,
        {
            type Output = Fut::Output;
            type Future = Fut;

            fn call_with(&self, ($($part,)*): ($($part,)*)) -> Fut {
                self($($part),*)
            }
        }
    };
}

macro_rules! with_last {
    ($($part:ident)*) => {
        #[allow(non_snake_case, reason = "each argument is named after its type parameter")]
        impl<$($part,)* Last> SplitLast for ($($part,)* Last,) {
            type First = ($($part,)*);
            type Last = Last;

            fn join(($($part,)*): ($($part,)*), last: Last) -> Self {
                ($($part,)* last,)
            }
        }
    };
}

each_tuple!(functions);
functions!(T1 T2 T3 T4 T5 T6 T7 T8 T9);
each_tuple!(with_last);
