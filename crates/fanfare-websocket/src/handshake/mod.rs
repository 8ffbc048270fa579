//! The server's half of the opening handshake (RFC 6455, section 4.2).
//!
//! [`accept`] does it over a byte stream; [`validate_upgrade`] is the same check for frameworks that have parsed the request
//! already; [`RequestHead`] is the part without I/O.

mod accept;
mod head;
mod upgrade;

#[cfg(test)]
mod tests;

pub use accept::{AcceptError, Accepted, Upgraded, accept};
pub use head::{HandshakeConfig, RequestHead};
pub use upgrade::{UpgradeError, UpgradeRequest, validate_upgrade};
