//! Reads packets of the default encoding: a text, and the attachments that follow it.

use bytes::Bytes;
use fanfare_wire::Namespace;

use super::{BuildError, Decode, Kind, Packet};
use crate::Revision;

/// How large a packet may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketLimits {
    /// Most attachments; 10 by default, as in the original.
    pub max_attachments: usize,
    /// Longest packet with all its attachments, in bytes; 11,000,000 by default, which is a text and 10 attachments of the
    /// largest size that Engine.IO takes by default. It is what a client can make a decoder hold.
    pub max_packet_bytes: usize,
}

impl Default for PacketLimits {
    fn default() -> Self {
        Self { max_attachments: 10, max_packet_bytes: 11_000_000 }
    }
}

/// Which rule a message of a client broke. The connection must be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No type, or one that there is not.
    #[error("unknown packet type")]
    UnknownKind,
    /// Types 5 and 6: no number of attachments, or 0.
    #[error("illegal number of attachments")]
    Attachments,
    /// More than [`PacketLimits::max_attachments`].
    #[error("more than {limit} attachments")]
    TooManyAttachments {
        /// The limit.
        limit: usize,
    },
    /// More than [`PacketLimits::max_packet_bytes`].
    #[error("packet of more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The packet breaks a rule of its kind.
    #[error("malformed packet")]
    Packet(#[from] BuildError),
    /// A text where an attachment had to come, or where the encoding has no text.
    #[error("unexpected text message")]
    UnexpectedText,
    /// Bytes that no packet waits for.
    #[error("unexpected binary message")]
    UnexpectedBinary,
    /// Not MessagePack, or not a map with the fields of a packet.
    #[error("malformed messagepack at byte {at}")]
    MessagePack {
        /// Where reading stopped, in bytes from the start.
        at: usize,
    },
    /// A rule of a parser that is not in this crate.
    #[error("malformed packet: {0}")]
    Custom(&'static str),
}

/// The reader of one connection. After an error it has forgotten what it held.
#[derive(Debug)]
pub struct Decoder {
    revision: Revision,
    limits: PacketLimits,
    collecting: Option<Collecting>,
}

/// A packet whose attachments are still to come.
#[derive(Debug)]
struct Collecting {
    packet: Packet,
    announced: usize,
    bytes: usize,
}

impl Decoder {
    /// A decoder that has read nothing.
    pub fn new(revision: Revision, limits: PacketLimits) -> Self {
        Self { revision, limits, collecting: None }
    }

    /// Reads a text message. `None`: attachments must follow.
    ///
    /// # Errors
    /// [`DecodeError`]: the connection must be closed.
    pub fn text(&mut self, text: &str) -> Result<Option<Packet>, DecodeError> {
        if self.collecting.take().is_some() {
            return Err(DecodeError::UnexpectedText);
        }
        if text.len() > self.limits.max_packet_bytes {
            return Err(DecodeError::TooLarge { limit: self.limits.max_packet_bytes });
        }
        let (packet, announced) = read(text, self.revision, self.limits.max_attachments)?;
        if announced == 0 {
            return Ok(Some(packet));
        }
        self.collecting = Some(Collecting { packet, announced, bytes: text.len() });
        Ok(None)
    }

    /// Takes an attachment, without copying it: one that is a slice keeps the whole buffer in memory, though only its own length
    /// is counted. `None`: others must follow.
    ///
    /// # Errors
    /// [`DecodeError`]: the connection must be closed.
    pub fn binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, DecodeError> {
        let mut collecting = self.collecting.take().ok_or(DecodeError::UnexpectedBinary)?;
        collecting.bytes = collecting.bytes.saturating_add(bytes.len());
        if collecting.bytes > self.limits.max_packet_bytes {
            return Err(DecodeError::TooLarge { limit: self.limits.max_packet_bytes });
        }
        collecting.packet.attachments.push(bytes);
        if collecting.packet.attachments.len() == collecting.announced {
            return Ok(Some(collecting.packet));
        }
        self.collecting = Some(collecting);
        Ok(None)
    }

    /// How many bytes of messages wait here for others. Never more than [`PacketLimits::max_packet_bytes`].
    pub fn held_bytes(&self) -> usize {
        self.collecting.as_ref().map_or(0, |collecting| collecting.bytes)
    }
}

impl Decode for Decoder {
    fn text(&mut self, text: &str) -> Result<Option<Packet>, DecodeError> {
        self.text(text)
    }

    fn binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, DecodeError> {
        self.binary(bytes)
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes()
    }
}

/// Reads a packet and how many attachments it announces.
fn read(text: &str, revision: Revision, max_attachments: usize) -> Result<(Packet, usize), DecodeError> {
    let mut chars = text.chars();
    let (kind, has_attachments) = match chars.next() {
        Some('0') => (Kind::Connect, false),
        Some('1') => (Kind::Disconnect, false),
        Some('2') => (Kind::Event, false),
        Some('3') => (Kind::Ack, false),
        Some('4') => (Kind::ConnectError, false),
        Some('5') => (Kind::Event, true),
        Some('6') => (Kind::Ack, true),
        _ => return Err(DecodeError::UnknownKind),
    };
    let mut rest = chars.as_str();
    let attachments = if has_attachments { take_attachments(&mut rest, max_attachments)? } else { 0 };
    let namespace = if rest.starts_with('/') {
        let (namespace, behind) = rest.split_once(',').unwrap_or((rest, ""));
        rest = behind;
        namespace
    } else {
        "/"
    };
    let (namespace, query) = split_query(namespace, revision)?;
    let digits = take_digits(&mut rest);
    let id = if digits.is_empty() { None } else { Some(digits.parse().map_err(|_| BuildError::Id)?) };
    // The original would take a space for an id; nobody writes one.
    if rest.starts_with([' ', '\t', '\n', '\r']) {
        return Err(BuildError::Json { at: 0 }.into());
    }
    let data = if rest.is_empty() { None } else { Some(Bytes::copy_from_slice(rest.as_bytes())) };
    let mut packet = Packet::without_attachments(kind, namespace, id, data, attachments)?;
    packet.query = query.filter(|_| kind == Kind::Connect).map(Box::from);
    Ok((packet, attachments))
}

/// Takes the namespace apart from the query that clients of revision 3 write behind it. Some write it on every packet; only on a
/// CONNECT it says anything.
pub(super) fn split_query(namespace: &str, revision: Revision) -> Result<(Namespace, Option<&str>), BuildError> {
    let (name, query) = match revision {
        Revision::V3 => namespace.split_once('?').map_or((namespace, None), |(name, query)| (name, Some(query))),
        Revision::V4 => (namespace, None),
    };
    if query.is_some_and(|query| query.contains(|char: char| char == ',' || char.is_control())) {
        return Err(BuildError::Namespace);
    }
    // The root is shared: most packets are in it, and allocate nothing for their namespace.
    let name = if name == "/" { Namespace::default() } else { Namespace::new(name)? };
    Ok((name, query))
}

fn take_attachments(rest: &mut &str, limit: usize) -> Result<usize, DecodeError> {
    let digits = take_digits(rest);
    *rest = rest.strip_prefix('-').ok_or(DecodeError::Attachments)?;
    match digits.parse() {
        Ok(0) | Err(_) => Err(DecodeError::Attachments),
        Ok(number) if number > limit => Err(DecodeError::TooManyAttachments { limit }),
        Ok(number) => Ok(number),
    }
}

fn take_digits<'a>(rest: &mut &'a str) -> &'a str {
    let (digits, behind) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
    *rest = behind;
    digits
}
