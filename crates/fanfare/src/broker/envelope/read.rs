//! Reads the fields of an envelope, which may be anything at all.

use std::sync::Arc;

use bytes::Bytes;
use rmp::{Marker, decode};

use super::EnvelopeError;
use crate::{Member, NameError, Payload, RoomName, SessionId, broker::Except};

/// Reads MessagePack values one after the other. Allocates by what is there, never by what is announced.
pub(super) struct Reader {
    pub(super) rest: Bytes,
}

impl Reader {
    pub(super) fn take(&mut self, len: usize) -> Result<Bytes, EnvelopeError> {
        if len > self.rest.len() { Err(EnvelopeError::Malformed) } else { Ok(self.rest.split_to(len)) }
    }

    /// Reads a header with one of `rmp`'s functions, which do not allocate.
    fn header<T>(&mut self, read: impl FnOnce(&mut &[u8]) -> Option<T>) -> Result<T, EnvelopeError> {
        let mut rest = &self.rest[..];
        let header = read(&mut rest).ok_or(EnvelopeError::Malformed)?;
        let used = self.rest.len() - rest.len();
        self.take(used)?;
        Ok(header)
    }

    /// How many elements an array has. It may announce more than there are bytes: allocate nothing by it.
    pub(super) fn array(&mut self) -> Result<u32, EnvelopeError> {
        self.header(|rest| decode::read_array_len(rest).ok())
    }

    pub(super) fn number(&mut self) -> Result<u64, EnvelopeError> {
        self.header(|rest| decode::read_int(rest).ok())
    }

    pub(super) fn flag(&mut self) -> Result<bool, EnvelopeError> {
        match self.number()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(EnvelopeError::Malformed),
        }
    }

    fn is_nil(&mut self) -> Result<bool, EnvelopeError> {
        let nil = self.rest.first().copied() == Some(Marker::Null.to_u8());
        self.take(usize::from(nil))?;
        Ok(nil)
    }

    pub(super) fn bytes(&mut self) -> Result<Option<Bytes>, EnvelopeError> {
        if self.is_nil()? {
            return Ok(None);
        }
        let len = self.header(|rest| decode::read_bin_len(rest).ok())?;
        self.take(len as usize).map(Some)
    }

    /// Bytes that are UTF-8.
    pub(super) fn text(&mut self) -> Result<Option<Bytes>, EnvelopeError> {
        if self.is_nil()? {
            return Ok(None);
        }
        let len = self.header(|rest| decode::read_str_len(rest).ok())?;
        let text = self.take(len as usize)?;
        if std::str::from_utf8(&text).is_ok() { Ok(Some(text)) } else { Err(EnvelopeError::Malformed) }
    }

    /// An id, which is 16 bytes.
    pub(super) fn session(&mut self) -> Result<Option<SessionId>, EnvelopeError> {
        let Some(bytes) = self.bytes()? else { return Ok(None) };
        let id = <[u8; 16]>::try_from(&bytes[..]).map_err(|_| EnvelopeError::Name(NameError::NotASessionId))?;
        Ok(Some(SessionId::from_bytes(id)))
    }

    pub(super) fn except(&mut self) -> Result<Except, EnvelopeError> {
        let len = self.array()?;
        (0..len).map(|_| self.session()?.ok_or(EnvelopeError::Malformed)).collect()
    }

    pub(super) fn rooms(&mut self) -> Result<Vec<RoomName>, EnvelopeError> {
        let len = self.array()?;
        let room = |_| {
            let name = self.text()?.ok_or(EnvelopeError::Malformed)?;
            RoomName::new(as_text(&name)).map_err(EnvelopeError::Name)
        };
        (0..len).map(room).collect()
    }

    pub(super) fn member(&mut self) -> Result<Option<Member>, EnvelopeError> {
        match self.array()? {
            0 => Ok(None),
            3 => {
                let client_id = self.session()?.ok_or(EnvelopeError::Malformed)?;
                let user = self.text()?.map(|user| Arc::from(as_text(&user)));
                let info = self.bytes()?.map(checked).transpose()?;
                Ok(Some(Member { client_id, user, info }))
            }
            _ => Err(EnvelopeError::Malformed),
        }
    }
}

pub(super) fn as_text(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("it was checked where it was read")
}

/// JSON from outside: what a [`Payload`] promises is checked again.
pub(super) fn checked(json: Bytes) -> Result<Payload, EnvelopeError> {
    Payload::from_json(json).map_err(|_| EnvelopeError::Payload)
}
