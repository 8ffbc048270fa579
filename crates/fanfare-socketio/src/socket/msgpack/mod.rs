//! The encoding of `socket.io-msgpack-parser`: each packet is one binary message, a MessagePack map.

mod date;
mod read;
#[cfg(test)]
mod tests;
mod write;

use bytes::Bytes;

use super::{Decode, DecodeError, Encoded, Kind, Packet, PacketLimits, Parser, decoder::split_query};
use crate::{Message, Revision};

/// The encoding of the package `socket.io-msgpack-parser`: the map `{type, data?, nsp, id?}`, with bytes where they belong.
///
/// To the application a packet looks the same as in the default encoding: JSON with placeholders, and attachments. So what
/// MessagePack has and JSON has not is read as JavaScript would write it: a date of the package as its ISO 8601 text, a number
/// that is not finite as `null`, `undefined` as `null` or, in an object, as no field at all. Other extensions are refused.
#[derive(Debug, Clone, Copy)]
pub struct MsgpackParser {
    /// How large a packet of a client may be. The limit of bytes holds for its JSON too, which can be six times the message.
    pub limits: PacketLimits,
}

impl Default for MsgpackParser {
    /// The limits of the default encoding, but 1,024 attachments: they cost no messages here, and the original has no limit.
    fn default() -> Self {
        Self { limits: PacketLimits { max_attachments: 1024, ..PacketLimits::default() } }
    }
}

impl Parser for MsgpackParser {
    fn name(&self) -> &'static str {
        "msgpack"
    }

    fn encode(&self, packet: &Packet) -> Encoded {
        Encoded { first: Message::Binary(write::packet(packet).into()), attachments: Vec::new() }
    }

    fn decoder(&self, revision: Revision) -> Box<dyn Decode> {
        Box::new(MsgpackDecoder { revision, limits: self.limits })
    }
}

/// The reader of one connection; it holds nothing.
struct MsgpackDecoder {
    revision: Revision,
    limits: PacketLimits,
}

impl Decode for MsgpackDecoder {
    fn text(&mut self, _text: &str) -> Result<Option<Packet>, DecodeError> {
        Err(DecodeError::UnexpectedText)
    }

    fn binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, DecodeError> {
        let fields = read::fields(&bytes, &self.limits)?;
        let kind = match fields.kind {
            Some(0) => Kind::Connect,
            Some(1) => Kind::Disconnect,
            Some(2) => Kind::Event,
            Some(3) => Kind::Ack,
            Some(4) => Kind::ConnectError,
            _ => return Err(DecodeError::UnknownKind),
        };
        let namespace = fields.namespace.ok_or(DecodeError::MessagePack { at: bytes.len() })?;
        let (namespace, query) = split_query(&namespace, self.revision)?;
        let data = fields.data.map(Bytes::from);
        let mut packet = Packet::build(kind, namespace, fields.id, data, fields.attachments)?;
        packet.query = query.filter(|_| kind == Kind::Connect).map(Box::from);
        Ok(Some(packet))
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

/// The type of the package's own extensions: bytes, dates and `undefined`, by their length.
const EXTENSION: i8 = 0;
