//! Versions of the protocol, and the WebSocket subprotocols by which a client asks for one.

/// The WebSocket subprotocol (RFC 6455, section 1.9) of version 1 in JSON.
pub const V1_JSON_SUBPROTOCOL: &str = "fanfare.v1.json";
/// The WebSocket subprotocol of version 1 in MessagePack.
pub const V1_BINARY_SUBPROTOCOL: &str = "fanfare.v1.msgpack";

/// Which words a peer understands. Fields are only ever added; a version is what a peer may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Version {
    /// A peer that asked for nothing: the six words of the plain form, and what it asks for by itself.
    #[default]
    Plain,
    /// Version 1: positions, resuming, and answers to every command.
    V1,
}

impl Version {
    /// The WebSocket subprotocol that names this version, in MessagePack where `binary`. `None` for the plain form, which
    /// has no name: it is what a peer gets that asks for none.
    pub const fn subprotocol(self, binary: bool) -> Option<&'static str> {
        match (self, binary) {
            (Self::Plain, _) => None,
            (Self::V1, false) => Some(V1_JSON_SUBPROTOCOL),
            (Self::V1, true) => Some(V1_BINARY_SUBPROTOCOL),
        }
    }

    /// The version that a subprotocol names, and whether it is in MessagePack. `None` for names that are not ours.
    pub fn from_subprotocol(name: &str) -> Option<(Self, bool)> {
        match name {
            V1_JSON_SUBPROTOCOL => Some((Self::V1, false)),
            V1_BINARY_SUBPROTOCOL => Some((Self::V1, true)),
            _ => None,
        }
    }
}
