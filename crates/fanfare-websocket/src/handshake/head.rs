//! Collecting a request's head from a byte stream, without I/O.

use bytes::{Bytes, BytesMut};
use http::Request;
use tungstenite::{
    error::{CapacityError, Error, ProtocolError},
    handshake::machine::TryParse,
};

use super::UpgradeError;

const END: &[u8] = b"\r\n\r\n";

/// The limits of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeConfig {
    /// Request line and headers together, in bytes. 16 KiB.
    pub max_head_bytes: usize,
    /// Headers. 100; values over 124 act as 124, the most that the parser takes.
    pub max_headers: usize,
}

impl Default for HandshakeConfig {
    fn default() -> Self {
        Self { max_head_bytes: 16 * 1024, max_headers: 100 }
    }
}

/// A request's head as it arrives.
///
/// Each byte is looked at a bounded number of times, however it arrives: the head is parsed once, when its end was found.
#[derive(Debug, Default)]
pub struct RequestHead {
    bytes: BytesMut,
    /// Up to here there is no end.
    searched: usize,
}

impl RequestHead {
    /// Where to read the next bytes to. Call [`parse`](Self::parse) after each read.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// The request, once it is complete, and the bytes after it.
    ///
    /// # Errors
    /// When it is over a limit or not a request; then the connection is of no more use.
    pub fn parse(&mut self, config: &HandshakeConfig) -> Result<Option<(Request<()>, Bytes)>, UpgradeError> {
        let from = self.bytes.len() - self.unsearched();
        let found = self.bytes[from..].windows(END.len()).position(|window| window == END);
        let end = found.map_or(self.bytes.len(), |at| from + at + END.len());
        if end > config.max_head_bytes {
            return Err(UpgradeError::HeadTooLarge);
        }
        if found.is_none() {
            self.searched = end;
            return Ok(None);
        }
        let head = self.bytes.split_to(end);
        let parsed = Request::try_parse(&head).map_err(|error| match error {
            Error::Capacity(CapacityError::TooManyHeaders) => UpgradeError::TooManyHeaders,
            Error::Protocol(ProtocolError::WrongHttpMethod) => UpgradeError::Method,
            Error::Protocol(ProtocolError::WrongHttpVersion) => UpgradeError::HttpVersion,
            _ => UpgradeError::Malformed,
        })?;
        match parsed {
            Some((_, request)) if request.headers().len() > config.max_headers => Err(UpgradeError::TooManyHeaders),
            Some((length, request)) if length == end => Ok(Some((request, self.bytes.split().freeze()))),
            // A head that ends earlier for the parser, with bare line feeds, means different things to different readers.
            _ => Err(UpgradeError::Malformed),
        }
    }

    /// How many bytes the next search looks at. The end may have begun in the bytes before.
    pub(super) fn unsearched(&self) -> usize {
        self.bytes.len() - self.searched.saturating_sub(END.len() - 1)
    }
}
