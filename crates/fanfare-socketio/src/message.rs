//! A whole message of a transport, such as one WebSocket message.

use bytes::Bytes;

/// A whole message: text or bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text.
    Text(String),
    /// Any bytes.
    Binary(Bytes),
}
