//! Why a connection did not become a session.

use std::io;

use fanfare::Refusal;
use fanfare_websocket::handshake;
use http::StatusCode;

/// Why a connection did not become a session. The peer was told, where it could be, and the stream is gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The hub refused it.
    #[error("refused")]
    Refused(#[source] Refusal),
    /// It is no WebSocket request, or one for another path; answered with this status.
    #[error("bad request, answered with {0}")]
    BadRequest(StatusCode),
    /// The handshake took longer than [`Config::handshake_timeout`](fanfare::Config::handshake_timeout).
    #[error("handshake took too long")]
    TimedOut,
    /// The peer went away first.
    #[error("peer closed during the handshake")]
    Closed,
    /// The connection broke.
    #[error("connection broke")]
    Io(#[from] io::Error),
}

impl From<handshake::AcceptError> for AcceptError {
    fn from(error: handshake::AcceptError) -> Self {
        match error {
            handshake::AcceptError::Refused(status) => Self::BadRequest(status),
            handshake::AcceptError::Io(error) => Self::Io(error),
            _ => Self::Closed,
        }
    }
}
