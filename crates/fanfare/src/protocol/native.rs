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
        self.encoding.shared()
    }

    fn receive(&mut self, message: InMessage<'_>, command: &mut dyn FnMut(Command)) -> Result<(), ProtocolError> {
        self.encoding.receive(message, command)
    }

    fn into_box(self) -> Box<dyn Protocol> {
        match self.encoding {
            NativeEncoding::Plain => Box::new(Stateless::<PLAIN>),
            NativeEncoding::V1Json => Box::new(Stateless::<V1_JSON>),
            NativeEncoding::V1Binary => Box::new(Stateless::<V1_BINARY>),
        }
    }

    fn client_opens(&self) -> bool {
        self.encoding.client_opens()
    }
}

/// A reader whose form is in its type: a box of it needs no memory, and there is one for each connection.
struct Stateless<const FORM: u8>;

const PLAIN: u8 = NativeEncoding::Plain as u8;
const V1_JSON: u8 = NativeEncoding::V1Json as u8;
const V1_BINARY: u8 = NativeEncoding::V1Binary as u8;

impl<const FORM: u8> Stateless<FORM> {
    const ENCODING: NativeEncoding = match FORM {
        PLAIN => NativeEncoding::Plain,
        V1_JSON => NativeEncoding::V1Json,
        _ => NativeEncoding::V1Binary,
    };
}

impl<const FORM: u8> Protocol for Stateless<FORM> {
    fn encoding(&self) -> Arc<dyn Encoding> {
        Self::ENCODING.shared()
    }

    fn receive(&mut self, message: InMessage<'_>, command: &mut dyn FnMut(Command)) -> Result<(), ProtocolError> {
        Self::ENCODING.receive(message, command)
    }

    fn client_opens(&self) -> bool {
        Self::ENCODING.client_opens()
    }
}

impl NativeEncoding {
    fn shared(self) -> Arc<dyn Encoding> {
        static SHARED: LazyLock<[Arc<dyn Encoding>; 3]> = LazyLock::new(|| {
            [Arc::new(NativeEncoding::Plain), Arc::new(NativeEncoding::V1Json), Arc::new(NativeEncoding::V1Binary)]
        });
        SHARED[self as usize].clone()
    }

    fn client_opens(self) -> bool {
        self != Self::Plain
    }

    fn receive(self, message: InMessage<'_>, command: &mut dyn FnMut(Command)) -> Result<(), ProtocolError> {
        let (decoded, bytes) = match (self, message) {
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
                let id = match self {
                    NativeEncoding::Plain | NativeEncoding::V1Json => json::command_id(bytes),
                    NativeEncoding::V1Binary => binary::command_id(bytes),
                };
                Err(ProtocolError::Refused { error, id })
            }
        }
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
