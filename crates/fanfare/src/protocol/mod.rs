//! The port for what bytes mean: messages of a client into commands, notices of ours into messages.
//!
//! A [`Protocol`] is one connection's reader; it may keep state between messages. Its [`Encoding`] is the writer, shared by
//! all connections that speak the same, so that a message for a room is encoded once for all of them.

mod native;

use std::sync::Arc;

use crate::{CloseCode, Command, DecodeError, Namespace, Notice, transport::MessageKind};

pub use native::{Native, NativeEncoding};

/// What bytes mean: one instance reads one connection.
///
/// It knows no socket and no clock. All calls come from one task.
pub trait Protocol: Send + 'static {
    /// The writer for this connection. Asked once, at the start.
    fn encoding(&self) -> Arc<dyn Encoding>;

    /// Reads one message and hands on the commands in it, in order.
    ///
    /// # Errors
    /// [`ProtocolError`]; commands handed on before it stay valid.
    fn receive(&mut self, message: InMessage<'_>, command: &mut dyn FnMut(Command)) -> Result<(), ProtocolError>;

    /// Puts the reader into a box of its own. Readers without state override it with a box that allocates nothing.
    #[doc(hidden)]
    fn into_box(self) -> Box<dyn Protocol>
    where
        Self: Sized,
    {
        Box::new(self)
    }

    /// Whether the client speaks first: then `connected` waits for its `hello`, up to the handshake timeout.
    fn client_opens(&self) -> bool {
        false
    }
}

/// A message of a client, without its framing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InMessage<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl InMessage<'_> {
    /// Length, in bytes.
    pub const fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The writer of a protocol. Stateless, so that what it writes can be shared.
pub trait Encoding: Send + Sync + 'static {
    /// Names the encoding. Two with the same name must write the same.
    fn name(&self) -> &'static str;

    /// Writes `notice` of the session's `namespace` as messages, each by one call of `message`. No call: the protocol has no
    /// word for it. `scratch` is memory to build messages in; it is empty, and what is left in it does not matter.
    fn encode(
        &self,
        namespace: &Namespace,
        notice: &Notice<'_>,
        scratch: &mut Vec<u8>,
        message: &mut dyn FnMut(MessageKind, &[u8]),
    );

    /// Whether messages of rooms carry their position, so that a client can notice a gap and resume.
    fn carries_positions(&self) -> bool;

    /// Whether a client may resume: its `connected` can carry a token.
    fn resumable(&self) -> bool {
        self.carries_positions()
    }
}

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The message is refused with an `error` notice; the session goes on.
    #[error("message refused")]
    Refused {
        /// The rule that it broke.
        #[source]
        error: DecodeError,
        /// The id of the command, where it could be read.
        id: Option<u64>,
    },
    /// The session is closed.
    #[error("protocol broken: {rule}")]
    Broken {
        /// The code for the peer.
        code: CloseCode,
        /// The rule, for our log.
        rule: &'static str,
    },
}
