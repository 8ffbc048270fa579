//! One packet, and the message that carries it.

use bytes::Bytes;
use data_encoding::{BASE64, BASE64_NOPAD};

use crate::{Message, Revision};

/// One Engine.IO packet.
///
/// The types are numbered 0 to 6 in this order; text and binary messages are both of type 4.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// The server's first word, with a [`Handshake`](super::Handshake) in JSON.
    Open(&'a str),
    /// The session ends.
    Close,
    /// Is the other side alive? `probe` asks it of a transport that the client wants to change to.
    Ping(&'a str),
    /// The answer to a ping, with the same data.
    Pong(&'a str),
    /// A message that is text.
    Text(&'a str),
    /// A message that is bytes.
    Binary(Bytes),
    /// The client has changed to the transport that carries this packet.
    Upgrade,
    /// Nothing; it ends a long poll.
    Noop,
}

/// Which rule a packet broke. The peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// No packet at all: there is not even a type.
    #[error("empty packet")]
    Empty,
    /// A type that there is not.
    #[error("unknown packet type")]
    UnknownType,
    /// What stands behind a `b` is not base64.
    #[error("malformed base64")]
    Base64,
    /// Revision 3: bytes of a type other than message.
    #[error("a binary packet must be a message")]
    BinaryType,
}

/// How revision 3 marks a binary message; text has the digit instead.
const BINARY_MESSAGE: u8 = 4;

impl<'a> Packet<'a> {
    /// Reads a text message, or one packet of a long poll that is text. Bytes may stand in it as base64.
    ///
    /// Data behind a close, an upgrade or a noop means nothing and is dropped.
    ///
    /// # Errors
    /// [`PacketError`]: the session must be closed.
    pub fn from_text(revision: Revision, text: &'a str) -> Result<Self, PacketError> {
        let mut chars = text.chars();
        let kind = chars.next().ok_or(PacketError::Empty)?;
        let data = chars.as_str();
        Ok(match kind {
            '0' => Self::Open(data),
            '1' => Self::Close,
            '2' => Self::Ping(data),
            '3' => Self::Pong(data),
            '4' => Self::Text(data),
            '5' => Self::Upgrade,
            '6' => Self::Noop,
            'b' => Self::Binary(match revision {
                Revision::V3 => match data.strip_prefix('4') {
                    Some(data) => from_base64(data)?,
                    None if data.is_empty() => return Err(PacketError::Empty),
                    None => return Err(PacketError::BinaryType),
                },
                Revision::V4 => from_base64(data)?,
            }),
            _ => return Err(PacketError::UnknownType),
        })
    }

    /// Reads a binary message. Copies nothing.
    ///
    /// # Errors
    /// [`PacketError`] in revision 3, where a type stands before the bytes: the session must be closed.
    pub fn from_binary(revision: Revision, mut bytes: Bytes) -> Result<Self, PacketError> {
        if revision == Revision::V3 {
            match bytes.first() {
                Some(&BINARY_MESSAGE) => drop(bytes.split_to(1)),
                Some(0..=6) => return Err(PacketError::BinaryType),
                Some(_) => return Err(PacketError::UnknownType),
                None => return Err(PacketError::Empty),
            }
        }
        Ok(Self::Binary(bytes))
    }

    /// The message for a WebSocket. For a client of revision 3 that asked for base64 (`b64=1`) use
    /// [`write_text`](Self::write_text).
    pub fn to_message(&self, revision: Revision) -> Message {
        match (self, revision) {
            (Self::Binary(bytes), Revision::V4) => Message::Binary(bytes.clone()),
            (Self::Binary(bytes), Revision::V3) => Message::Binary([&[BINARY_MESSAGE], &bytes[..]].concat().into()),
            _ => {
                let (kind, data) = self.text().expect("only bytes have no text");
                Message::Text(format!("{kind}{data}"))
            }
        }
    }

    /// Appends the packet as text, bytes as base64.
    pub fn write_text(&self, revision: Revision, out: &mut Vec<u8>) {
        match (self, self.text()) {
            (Self::Binary(bytes), _) => {
                out.extend_from_slice(base64_prefix(revision));
                let start = out.len();
                out.resize(start + BASE64.encode_len(bytes.len()), 0);
                BASE64.encode_mut(bytes, &mut out[start..]);
            }
            (_, text) => {
                let (kind, data) = text.expect("only bytes have no text");
                out.push(kind as u8);
                out.extend_from_slice(data.as_bytes());
            }
        }
    }

    /// The digit of the type and the data. `None` for bytes.
    pub(super) fn text(&self) -> Option<(char, &'a str)> {
        Some(match self {
            Self::Open(data) => ('0', data),
            Self::Close => ('1', ""),
            Self::Ping(data) => ('2', data),
            Self::Pong(data) => ('3', data),
            Self::Text(data) => ('4', data),
            Self::Binary(_) => return None,
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
        })
    }
}

/// What stands before base64.
pub(super) const fn base64_prefix(revision: Revision) -> &'static [u8] {
    match revision {
        Revision::V3 => b"b4",
        Revision::V4 => b"b",
    }
}

/// Padding may be missing, as it is from some clients that are not JavaScript; it may not be wrong.
fn from_base64(text: &str) -> Result<Bytes, PacketError> {
    let encoding = if text.ends_with('=') { BASE64 } else { BASE64_NOPAD };
    encoding.decode(text.as_bytes()).map(Bytes::from).map_err(|_| PacketError::Base64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use Revision::{V3, V4};

    #[test]
    fn packets_are_written_as_the_protocol_documents_show() {
        let bytes = || Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]));
        let table: [(Packet<'_>, Revision, &str); 11] = [
            (Packet::Open("{}"), V4, "0{}"),
            (Packet::Close, V4, "1"),
            (Packet::Ping(""), V4, "2"),
            (Packet::Ping("probe"), V4, "2probe"),
            (Packet::Pong("probe"), V3, "3probe"),
            (Packet::Text("hello"), V4, "4hello"),
            (Packet::Text("€"), V3, "4€"),
            (Packet::Upgrade, V4, "5"),
            (Packet::Noop, V3, "6"),
            (bytes(), V4, "bAQIDBA=="),
            (bytes(), V3, "b4AQIDBA=="),
        ];
        for (packet, revision, text) in table {
            let mut out = Vec::new();
            packet.write_text(revision, &mut out);
            assert_eq!(out, text.as_bytes());
            assert_eq!(Packet::from_text(revision, text), Ok(packet));
        }
    }

    #[test]
    fn bytes_on_a_websocket_have_a_type_in_revision_3_only() {
        for (revision, wire) in [(V4, &[1, 2][..]), (V3, &[4, 1, 2])] {
            let packet = Packet::Binary(Bytes::from_static(&[1, 2]));
            assert_eq!(packet.to_message(revision), Message::Binary(Bytes::copy_from_slice(wire)));
            assert_eq!(Packet::from_binary(revision, Bytes::copy_from_slice(wire)), Ok(packet));
        }
        assert_eq!(Packet::Noop.to_message(V3), Message::Text("6".into()));
    }

    #[test]
    fn what_is_no_packet_is_refused_by_the_rule_it_broke() {
        let text: [(Revision, &str, PacketError); 10] = [
            (V4, "", PacketError::Empty),
            (V4, "abc", PacketError::UnknownType),
            (V4, "7", PacketError::UnknownType),
            (V4, "€", PacketError::UnknownType),
            (V4, "bAQ=", PacketError::Base64),
            (V4, "b AQI", PacketError::Base64),
            (V4, "bAQIDBA==AQ", PacketError::Base64),
            (V3, "b", PacketError::Empty),
            (V3, "b2AQI=", PacketError::BinaryType),
            (V3, "b4A", PacketError::Base64),
        ];
        for (revision, text, error) in text {
            assert_eq!(Packet::from_text(revision, text), Err(error), "{text:?}");
        }
        for (bytes, error) in
            [(&[][..], PacketError::Empty), (&[2, 1], PacketError::BinaryType), (b"4hi", PacketError::UnknownType)]
        {
            assert_eq!(Packet::from_binary(V3, Bytes::from_static(bytes)), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn base64_without_padding_is_read() {
        assert_eq!(Packet::from_text(V4, "bAQIDBA"), Ok(Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]))));
        assert_eq!(Packet::from_text(V4, "b"), Ok(Packet::Binary(Bytes::new())));
    }
}
