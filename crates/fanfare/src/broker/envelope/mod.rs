//! A publication as bytes: what a broker over a network sends between nodes.
//!
//! The first byte is the version, 1. Then one MessagePack array of eleven fields, in the order in which [`Publication::to_bytes`]
//! writes them. A later node may append fields; an earlier one does not look at them.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use bytes::Bytes;

use self::{
    read::{Reader, as_text, checked},
    write::Writer,
};
use super::{Publication, PublicationKind};
use crate::{EventName, NameError, Payload};

const VERSION: u8 = 1;
const FIELDS: u32 = 11;

const EVENT_JSON: u8 = 0;
const EVENT_BINARY: u8 = 1;
const RAW: u8 = 2;
const JOINED: u8 = 3;
const LEFT: u8 = 4;

/// Why bytes are no publication.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// They begin with the number of a version that this node cannot read: a newer node is in the cluster.
    #[error("a publication of version {0}")]
    Version(u8),
    /// They end too early, go on too long, or have a field of the wrong kind.
    #[error("a malformed publication")]
    Malformed,
    /// A name or an id that is none.
    #[error("a publication with a name that is none: {0}")]
    Name(NameError),
    /// A payload that should be JSON and is not.
    #[error("a publication whose payload is not JSON")]
    Payload,
}

impl Publication {
    /// The publication as bytes, for brokers that send it over a network or keep it in a store. Copies the payload once.
    pub fn to_bytes(&self) -> Bytes {
        let names = self.except_rooms.iter().chain(&self.rooms).map(|room| room.as_str().len() + 3);
        let mut writer = Writer(Vec::with_capacity(self.len() + 64 + 18 * self.except.len() + names.sum::<usize>()));
        writer.0.push(VERSION);
        writer.array(FIELDS as usize);
        let (code, name, content, member) = match &self.kind {
            PublicationKind::Event { name, payload: Payload::Json(json) } => (EVENT_JSON, Some(name), Some(json), None),
            PublicationKind::Event { name, payload: Payload::Binary(bytes) } => {
                (EVENT_BINARY, Some(name), Some(bytes), None)
            }
            PublicationKind::Event { name, payload: _ } => (EVENT_BINARY, Some(name), None, None),
            PublicationKind::Raw(bytes) => (RAW, None, Some(bytes), None),
            PublicationKind::Joined(member) => (JOINED, None, None, Some(member)),
            PublicationKind::Left(member) => (LEFT, None, None, Some(member)),
        };
        writer.number(code.into());
        writer.text(name.map(EventName::as_str));
        writer.bytes(content.map(|bytes| &bytes[..]));
        writer.member(member);
        writer.bytes(self.sender.as_ref().map(|sender| &sender.as_bytes()[..]));
        writer.number(self.timestamp);
        writer.array(self.except.len());
        for session in &self.except {
            writer.bytes(Some(session.as_bytes()));
        }
        writer.rooms(&self.except_rooms);
        writer.rooms(&self.rooms);
        writer.text(self.idempotency_key.as_deref());
        writer.text(self.conflation_key.as_deref());
        // The last field, so that whatever a later version appends stands behind it.
        writer.number(self.volatile.into());
        writer.0.into()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. The payload is a slice of `bytes`, not a copy, so it keeps all of
    /// them alive. Never allocates more than a small multiple of what is there, whatever lengths are announced.
    ///
    /// # Errors
    /// [`EnvelopeError`] for all other bytes.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, EnvelopeError> {
        let mut reader = Reader { rest: bytes };
        let version = reader.take(1)?[0];
        if version != VERSION {
            return Err(EnvelopeError::Version(version));
        }
        let fields = reader.array()?;
        if fields < FIELDS {
            return Err(EnvelopeError::Malformed);
        }
        let code = reader.number()?;
        let name =
            reader.text()?.map(|name| EventName::new(as_text(&name))).transpose().map_err(EnvelopeError::Name)?;
        let content = reader.bytes()?;
        let member = reader.member()?;
        let kind = match (u8::try_from(code), name, content, member) {
            (Ok(EVENT_JSON), Some(name), Some(json), None) => PublicationKind::Event { name, payload: checked(json)? },
            (Ok(EVENT_BINARY), Some(name), Some(bytes), None) => {
                PublicationKind::Event { name, payload: Payload::binary(bytes) }
            }
            (Ok(RAW), None, Some(bytes), None) => PublicationKind::Raw(bytes),
            (Ok(JOINED), None, None, Some(member)) => PublicationKind::Joined(member),
            (Ok(LEFT), None, None, Some(member)) => PublicationKind::Left(member),
            _ => return Err(EnvelopeError::Malformed),
        };
        let publication = Self {
            kind,
            sender: reader.session()?,
            timestamp: reader.number()?,
            except: reader.except()?,
            except_rooms: reader.rooms()?,
            rooms: reader.rooms()?,
            idempotency_key: reader.text()?.map(|key| Arc::from(as_text(&key))),
            conflation_key: reader.text()?.map(|key| Arc::from(as_text(&key))),
            volatile: reader.flag()?,
        };
        if fields == FIELDS && !reader.rest.is_empty() {
            return Err(EnvelopeError::Malformed);
        }
        Ok(publication)
    }
}
