//! Finding the messages in a byte stream, without I/O.

mod length;
mod line;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use fanfare::{
    CloseCode,
    transport::{Framing, Inbound, MessageKind, ReceiveError},
};

pub(crate) use length::LengthSplitter;
pub(crate) use line::LineSplitter;

/// Finds the messages in a byte stream, however it is cut into pieces.
///
/// It holds memory only while a message is incomplete, and never more than one message may have. Empty messages are passed
/// over: they may serve to keep a connection alive.
pub(crate) trait Splitter: Send + 'static {
    /// How messages are written for a peer that is read like this.
    fn framing(&self) -> Arc<dyn Framing>;

    /// Hands on each message that `bytes` completes, in order.
    ///
    /// # Errors
    /// The first rule that the peer broke; what was handed on before stays valid. It is not to be called again.
    fn split(&mut self, bytes: &[u8], receive: &mut dyn FnMut(Inbound<'_>)) -> Result<(), ReceiveError>;
}

fn too_big() -> ReceiveError {
    ReceiveError::Peer { code: CloseCode::TooBig, rule: "message over the limit" }
}

fn deliver(kind: MessageKind, message: &[u8], receive: &mut dyn FnMut(Inbound<'_>)) -> Result<(), ReceiveError> {
    match kind {
        _ if message.is_empty() => {}
        MessageKind::Binary => receive(Inbound::Binary(message)),
        MessageKind::Text => {
            let text = std::str::from_utf8(message)
                .map_err(|_| ReceiveError::Peer { code: CloseCode::InvalidPayload, rule: "text is not UTF-8" })?;
            receive(Inbound::Text(text));
        }
    }
    Ok(())
}
