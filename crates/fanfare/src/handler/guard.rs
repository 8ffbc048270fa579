//! Keeps the panic of a handler inside its own session.

use std::{
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use crate::node::Outcome;

/// Runs a handler's future so that a panic in it becomes [`Outcome::Panicked`]. `name` is what the log calls it.
///
/// With `panic = "abort"` the process ends as it always does there.
pub(crate) fn guard<N: Display + Unpin, F: Future + Unpin>(name: N, future: F) -> Guard<N, F> {
    Guard { name, future: Some(future) }
}

/// The future of [`guard`].
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Guard<N, F> {
    name: N,
    /// `None` once it has ended.
    future: Option<F>,
}

impl<N: Display + Unpin, F: Future + Unpin> Future for Guard<N, F> {
    type Output = Outcome<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let guard = &mut *self;
        let future = guard.future.as_mut().expect("a future is not polled after it has ended");
        // Unwind safety: the future is never touched again, and what it shares with others is behind locks that say so.
        match catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(reply)) => {
                guard.future = None;
                Poll::Ready(Outcome::Reply(reply))
            }
            Err(panic) => {
                // Neither the payload of the event nor that of the panic, which may quote it. The panic hook has told where.
                tracing::error!(handler = %guard.name, "a handler panicked");
                let future = guard.future.take();
                // Dropping what a panic left behind may panic again.
                if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop((future, panic)))) {
                    std::mem::forget(second);
                }
                Poll::Ready(Outcome::Panicked)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use super::*;

    /// Panics in its `Drop` as well.
    struct Bomb(Arc<AtomicUsize>);

    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("in drop");
        }
    }

    #[tokio::test]
    async fn a_future_that_panicked_is_dropped_once_even_if_that_panics_too() {
        let drops = Arc::new(AtomicUsize::new(0));
        let bomb = Bomb(drops.clone());
        let future = poll_fn(move |_| -> Poll<()> { panic!("after {} drops", bomb.0.load(Ordering::Relaxed)) });
        assert_eq!(guard("bomb", Box::pin(future)).await, Outcome::Panicked);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }
}
