//! The port for encodings of packets, and the default one.

use bytes::Bytes;

use super::{DecodeError, Decoder, Kind, Packet, PacketLimits};
use crate::{Message, Revision};

/// An encoding of packets. One instance serves all connections.
///
/// Both sides must use the same one; nothing on the wire tells which.
pub trait Parser: Send + Sync + 'static {
    /// Names the encoding. Two with the same name must write the same: what they write is shared.
    fn name(&self) -> &'static str;

    /// Writes a packet. What differs between the revisions is in the packet itself.
    fn encode(&self, packet: &Packet) -> Encoded;

    /// The reader for one connection.
    fn decoder(&self, revision: Revision) -> Box<dyn Decode>;
}

/// The reader of one connection. After an error it has forgotten what it held, and the connection must be closed.
pub trait Decode: Send + 'static {
    /// Reads a text message. `None`: others must follow before there is a packet.
    ///
    /// # Errors
    /// [`DecodeError`] by the rule that was broken.
    fn text(&mut self, text: &str) -> Result<Option<Packet>, DecodeError>;

    /// Reads a binary message. `None`: others must follow before there is a packet.
    ///
    /// # Errors
    /// [`DecodeError`] by the rule that was broken.
    fn binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, DecodeError>;

    /// How many bytes of messages wait here for others. It must be bounded.
    fn held_bytes(&self) -> usize;
}

/// The messages of one packet, which must be sent without any other between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The first message, for most packets the only one.
    pub first: Message,
    /// Binary messages behind it.
    pub attachments: Vec<Bytes>,
}

/// The encoding that every client has: JSON, with attachments as messages of their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefaultParser {
    /// How large a packet of a client may be.
    pub limits: PacketLimits,
}

impl Parser for DefaultParser {
    fn name(&self) -> &'static str {
        "json"
    }

    fn encode(&self, packet: &Packet) -> Encoded {
        let (text, attachments) = packet.encode();
        Encoded { first: Message::Text(text), attachments }
    }

    fn decoder(&self, revision: Revision) -> Box<dyn Decode> {
        Box::new(Decoder::new(revision, self.limits))
    }
}

impl Packet {
    /// The packet in the default encoding: a text, and the attachments that must be sent behind it.
    pub fn encode(&self) -> (String, Vec<Bytes>) {
        let mut text =
            Vec::with_capacity(self.namespace.as_str().len() + self.data.as_ref().map_or(0, Bytes::len) + 24);
        self.write_text(&mut text);
        (String::from_utf8(text).expect("namespaces, digits and JSON are UTF-8"), self.attachments.clone())
    }

    /// Appends the text of the default encoding; [`attachments`](Self::attachments) must be sent behind it.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        let binary = !self.attachments.is_empty();
        out.push(match self.kind {
            Kind::Connect => b'0',
            Kind::Disconnect => b'1',
            Kind::Event if binary => b'5',
            Kind::Event => b'2',
            Kind::Ack if binary => b'6',
            Kind::Ack => b'3',
            Kind::ConnectError => b'4',
        });
        if binary {
            out.extend_from_slice(self.attachments.len().to_string().as_bytes());
            out.push(b'-');
        }
        if self.namespace.as_str() != "/" || self.query.is_some() {
            out.extend_from_slice(self.namespace.as_str().as_bytes());
            if let Some(query) = &self.query {
                out.push(b'?');
                out.extend_from_slice(query.as_bytes());
            }
            out.push(b',');
        }
        if let Some(id) = self.id {
            out.extend_from_slice(id.to_string().as_bytes());
        }
        if let Some(data) = &self.data {
            out.extend_from_slice(data);
        }
    }
}
