//! How something of the application's ended.

use crate::{Payload, Reject};

/// How a handler ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome<T = Result<Payload, Reject>> {
    /// It returned.
    Reply(T),
    /// It panicked. Whatever it was changing may be half done, so its session must not go on; the client is told
    /// [`Reject::internal`].
    Panicked,
}
