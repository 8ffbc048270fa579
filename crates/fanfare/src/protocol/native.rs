//! The native protocol: small JSON objects or the same words in MessagePack.

use std::sync::{Arc, LazyLock};

use fanfare_wire::{Version, binary, json};

use super::{Encoding, InMessage, Protocol, ProtocolError};
use crate::{CloseCode, Command, Namespace, Notice, transport::MessageKind};

/// Reads the native protocol of one connection.
///
/// Which form is spoken is agreed by the WebSocket subprotocol; a client that asks for none gets the plain form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Native {
    encoding: NativeEncoding,
}

impl Native {
    /// The plain form: JSON without positions, no `hello`.
    pub const PLAIN: Self = Self { encoding: NativeEncoding::Plain };
    /// Version 1 in JSON.
    pub const V1: Self = Self { encoding: NativeEncoding::V1Json };
    /// Version 1 in MessagePack.
    pub const V1_BINARY: Self = Self { encoding: NativeEncoding::V1Binary };

    /// The WebSocket subprotocols that stand for a form, the preferred one first.
    pub const SUBPROTOCOLS: [&'static str; 2] =
        [fanfare_wire::V1_BINARY_SUBPROTOCOL, fanfare_wire::V1_JSON_SUBPROTOCOL];

    /// The form that `subprotocol` stands for; the plain form for `None`.
    pub fn of_subprotocol(subprotocol: Option<&str>) -> Option<Self> {
        match subprotocol {
            None => Some(Self::PLAIN),
            Some(fanfare_wire::V1_JSON_SUBPROTOCOL) => Some(Self::V1),
            Some(fanfare_wire::V1_BINARY_SUBPROTOCOL) => Some(Self::V1_BINARY),
            Some(_) => None,
        }
    }
}

impl Protocol for Native {
    fn encoding(&self) -> Arc<dyn Encoding> {
        static SHARED: LazyLock<[Arc<dyn Encoding>; 3]> = LazyLock::new(|| {
            [Arc::new(NativeEncoding::Plain), Arc::new(NativeEncoding::V1Json), Arc::new(NativeEncoding::V1Binary)]
        });
        SHARED[self.encoding as usize].clone()
    }

    fn receive(&mut self, message: InMessage<'_>, command: &mut dyn FnMut(Command)) -> Result<(), ProtocolError> {
        let (decoded, bytes) = match (self.encoding, message) {
            (NativeEncoding::Plain | NativeEncoding::V1Json, InMessage::Text(text)) => {
                (json::decode(text.as_bytes()), text.as_bytes())
            }
            (NativeEncoding::V1Binary, InMessage::Binary(bytes)) => (binary::decode(bytes), bytes),
            (NativeEncoding::V1Binary, InMessage::Text(_)) => {
                return Err(ProtocolError::Broken { code: CloseCode::Unsupported, rule: "text on a binary protocol" });
            }
            // Raw bytes of the application: a word of their own, beside the JSON.
            (_, InMessage::Binary(bytes)) => {
                command(Command::Raw(bytes::Bytes::copy_from_slice(bytes)));
                return Ok(());
            }
        };
        match decoded {
            Ok(decoded) => {
                command(decoded);
                Ok(())
            }
            Err(error) => {
                let id = match self.encoding {
                    NativeEncoding::Plain | NativeEncoding::V1Json => json::command_id(bytes),
                    NativeEncoding::V1Binary => binary::command_id(bytes),
                };
                Err(ProtocolError::Refused { error, id })
            }
        }
    }

    fn client_opens(&self) -> bool {
        self.encoding != NativeEncoding::Plain
    }
}

/// Writes the native protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NativeEncoding {
    /// JSON without positions.
    Plain,
    /// Version 1 in JSON.
    V1Json,
    /// Version 1 in MessagePack.
    V1Binary,
}

impl Encoding for NativeEncoding {
    fn name(&self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::V1Json => fanfare_wire::V1_JSON_SUBPROTOCOL,
            Self::V1Binary => fanfare_wire::V1_BINARY_SUBPROTOCOL,
        }
    }

    fn encode(
        &self,
        _namespace: &Namespace,
        notice: &Notice<'_>,
        scratch: &mut Vec<u8>,
        message: &mut dyn FnMut(MessageKind, &[u8]),
    ) {
        if let Notice::Raw(bytes) = notice {
            // In MessagePack every message is binary already, so raw bytes go inside a word there.
            if *self != Self::V1Binary {
                message(MessageKind::Binary, bytes);
                return;
            }
        }
        let (spoken, kind) = match self {
            Self::Plain => (json::encode(notice, Version::Plain, scratch), MessageKind::Text),
            Self::V1Json => (json::encode(notice, Version::V1, scratch), MessageKind::Text),
            Self::V1Binary => (binary::encode(notice, Version::V1, scratch), MessageKind::Binary),
        };
        if spoken {
            message(kind, scratch);
        }
    }

    fn carries_positions(&self) -> bool {
        *self != Self::Plain
    }
}
