//! Messages behind their length.

use std::sync::Arc;

use fanfare::transport::{Framing, Inbound, MessageKind, ReceiveError};

use super::{Splitter, deliver, too_big};
use crate::framing::LengthFraming;

const HEADER: usize = 4;

/// Messages of one kind, each behind its length in four bytes, big-endian.
#[derive(Debug)]
pub(crate) struct LengthSplitter {
    /// The header and message so far. Grows by what arrives, never by what a header announces.
    pub(super) partial: Vec<u8>,
    max: usize,
    kind: MessageKind,
}

impl LengthSplitter {
    /// Messages of `kind` of at most `max` bytes.
    pub(crate) fn new(kind: MessageKind, max: usize) -> Self {
        Self { partial: Vec::new(), max, kind }
    }

    /// Header and message together, once the header is there.
    fn whole_length(&self, bytes: &[u8]) -> Result<Option<usize>, ReceiveError> {
        let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
        match usize::try_from(u32::from_be_bytes(*header)) {
            Ok(length) if length <= self.max => Ok(Some(HEADER + length)),
            _ => Err(too_big()),
        }
    }

    /// Adds to the unfinished message as much of `bytes` as belongs to it. Returns the rest.
    fn complete<'a>(
        &mut self,
        mut bytes: &'a [u8],
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Result<&'a [u8], ReceiveError> {
        // Twice at most: the header, then the message.
        loop {
            let wanted = self.whole_length(&self.partial)?;
            let missing = wanted.unwrap_or(HEADER) - self.partial.len();
            if missing == 0 {
                // Taken, so that nothing is held between messages.
                let whole = std::mem::take(&mut self.partial);
                deliver(self.kind, &whole[HEADER..], receive)?;
                return Ok(bytes);
            }
            if bytes.is_empty() {
                return Ok(bytes);
            }
            let (part, rest) = bytes.split_at(missing.min(bytes.len()));
            self.partial.extend_from_slice(part);
            bytes = rest;
        }
    }
}

impl Splitter for LengthSplitter {
    fn framing(&self) -> Arc<dyn Framing> {
        LengthFraming::shared(self.kind)
    }

    fn split(&mut self, bytes: &[u8], receive: &mut dyn FnMut(Inbound<'_>)) -> Result<(), ReceiveError> {
        let mut rest = bytes;
        if !self.partial.is_empty() {
            rest = self.complete(rest, receive)?;
        }
        while let Some(length) = self.whole_length(rest)? {
            if rest.len() < length {
                break;
            }
            deliver(self.kind, &rest[HEADER..length], receive)?;
            rest = &rest[length..];
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }
}
