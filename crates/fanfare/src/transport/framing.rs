//! The shape of a message on a transport's wire.

use std::sync::Arc;

use crate::CloseCode;

/// Whether a message is text or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

/// How a transport marks where messages begin and end. One instance serves all connections that have the same wire shape,
/// so that a message for a room is framed once.
///
/// Appending to `out` is all it does; it must not depend on what is in `out` already.
pub trait Framing: Send + Sync + 'static {
    /// Names the shape. Two framings with the same name must write the same bytes: the frames are shared between them.
    fn name(&self) -> &'static str;

    /// Appends one whole message.
    fn frame(&self, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>);

    /// Appends a ping of the transport's own. `false` when it has none; the protocol's own ping is used then.
    fn ping(&self, out: &mut Vec<u8>) -> bool {
        let _ = out;
        false
    }

    /// Appends the answer to a ping of the transport's own.
    fn pong(&self, payload: &[u8], out: &mut Vec<u8>) {
        let _ = (payload, out);
    }

    /// Appends a close frame. `false` when the transport has none; the protocol's `closing` notice is sent then.
    fn close(&self, code: CloseCode, reason: &str, out: &mut Vec<u8>) -> bool {
        let _ = (code, reason, out);
        false
    }
}

/// The framing of transports that hand over whole messages instead of a byte stream: kind, length, payload.
///
/// [`Outgoing::message`](super::Outgoing::message) takes it apart again. It never leaves the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Messages;

pub(super) const HEADER: usize = 5;
const TEXT: u8 = 0;
const BINARY: u8 = 1;
const PING: u8 = 2;
const PONG: u8 = 3;
const CLOSE: u8 = 4;

impl Messages {
    /// The framing, shared.
    pub fn shared() -> Arc<dyn Framing> {
        static SHARED: std::sync::LazyLock<Arc<dyn Framing>> = std::sync::LazyLock::new(|| Arc::new(Messages));
        SHARED.clone()
    }
}

fn put(tag: u8, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).expect("a message is bounded far below 4 GiB");
    out.push(tag);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(payload);
}

impl Framing for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn frame(&self, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>) {
        let tag = match kind {
            MessageKind::Text => TEXT,
            MessageKind::Binary => BINARY,
        };
        put(tag, payload, out);
    }

    fn ping(&self, out: &mut Vec<u8>) -> bool {
        put(PING, &[], out);
        true
    }

    fn pong(&self, payload: &[u8], out: &mut Vec<u8>) {
        put(PONG, payload, out);
    }

    fn close(&self, code: CloseCode, reason: &str, out: &mut Vec<u8>) -> bool {
        let mut payload = code.code().to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        put(CLOSE, &payload, out);
        true
    }
}

/// One message as a transport with the framing [`Messages`] takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutMessage {
    /// Text. The bytes are UTF-8: they came from a protocol's text message.
    Text(bytes::Bytes),
    /// Bytes.
    Binary(bytes::Bytes),
    /// A ping.
    Ping,
    /// A pong with the ping's payload.
    Pong(bytes::Bytes),
    /// Close with this code and reason. The last message.
    Close(u16, String),
}

/// Takes the first message off framed bytes.
pub(super) fn split(framed: &mut bytes::Bytes) -> Option<OutMessage> {
    use bytes::Buf;
    if framed.len() < HEADER {
        return None;
    }
    let tag = framed.get_u8();
    let length = framed.get_u32_le() as usize;
    let mut payload = framed.split_to(length);
    Some(match tag {
        TEXT => OutMessage::Text(payload),
        BINARY => OutMessage::Binary(payload),
        PING => OutMessage::Ping,
        PONG => OutMessage::Pong(payload),
        _ => {
            let code = payload.get_u16();
            OutMessage::Close(code, String::from_utf8_lossy(&payload).into_owned())
        }
    })
}
