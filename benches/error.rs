//! What can go wrong with a measurement.

use std::{io, path::PathBuf, time::Duration};

/// Why there is no figure. Each is the end of the run: a wrong delivery makes every figure beside it worthless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A server's program is not there.
    #[error("{} is not there; build it with: {BUILD}", path.display())]
    NotBuilt {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A server ended, or did not say where it listens.
    #[error("{name} did not start: {reason}")]
    NotStarted {
        /// The contestant.
        name: String,
        /// What is known.
        reason: String,
    },
    /// The server ended a connection.
    #[error("the server ended the connection of member {member}")]
    Ended {
        /// The connection, counted from 0.
        member: usize,
    },
    /// The server broke the WebSocket protocol or the native one.
    #[error("member {member} got what it cannot read: {what}")]
    Unreadable {
        /// The connection, counted from 0.
        member: usize,
        /// The rule that was broken.
        what: &'static str,
    },
    /// A message was lost, came twice, or out of order.
    #[error("member {member} got message {found} of member {sender} where {expected} was next")]
    OutOfOrder {
        /// Who received it.
        member: usize,
        /// Who sent it.
        sender: usize,
        /// The number that it should have had.
        expected: u32,
        /// The number that it had.
        found: u32,
    },
    /// A message came to somebody whom it was not for.
    #[error("member {member} got a message of member {sender}, which was not for it")]
    Strayed {
        /// Who received it.
        member: usize,
        /// Who sent it.
        sender: usize,
    },
    /// What was awaited did not come.
    #[error("{missing} {what} did not come within {} s", waited.as_secs())]
    Stalled {
        /// How many are missing.
        missing: u64,
        /// What was awaited.
        what: &'static str,
        /// How long it was awaited.
        waited: Duration,
    },
    /// The operating system said no.
    #[error("cannot {what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        error: io::Error,
    },
}

/// How the servers are built.
const BUILD: &str = "cargo build --release -p rooms -p fanfare-benches";

impl LoadError {
    /// For `map_err`: the operating system did not let us do `what`.
    pub fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}
