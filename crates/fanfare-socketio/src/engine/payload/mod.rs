//! The body of a long poll: several packets in one text or one run of bytes.

mod read;
#[cfg(test)]
mod tests;
mod write;

use super::PacketError;
use crate::Revision;

pub use read::{Packets, decode};
pub use write::PayloadWriter;

/// How packets stand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Revision 4: text, packets separated by the character U+001E, bytes as `b` and base64.
    V4,
    /// Revision 3 as text: before each packet its length in units of UTF-16 and a colon; bytes as `b4` and base64.
    V3Text,
    /// Revision 3 as bytes: before each packet `00` (text) or `01` (bytes), the digits of its length in bytes, each as one
    /// byte from 0 to 9, and `ff`. Not for clients that asked for base64 (`b64=1`).
    V3Binary,
}

impl Format {
    /// The format of a body that a client sent. `binary` tells whether its `Content-Type` is `application/octet-stream`.
    ///
    /// # Errors
    /// [`PayloadError::ContentType`]: revision 4 has no binary bodies.
    pub fn of_request(revision: Revision, binary: bool) -> Result<Self, PayloadError> {
        match (revision, binary) {
            (Revision::V4, false) => Ok(Self::V4),
            (Revision::V4, true) => Err(PayloadError::ContentType),
            (Revision::V3, false) => Ok(Self::V3Text),
            (Revision::V3, true) => Ok(Self::V3Binary),
        }
    }

    /// The revision that has this format.
    pub const fn revision(self) -> Revision {
        match self {
            Self::V4 => Revision::V4,
            Self::V3Text | Self::V3Binary => Revision::V3,
        }
    }

    /// The `Content-Type` of a body.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::V4 | Self::V3Text => "text/plain; charset=UTF-8",
            Self::V3Binary => "application/octet-stream",
        }
    }
}

/// How large a body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadLimits {
    /// Longest body, in bytes; 1,000,000 by default. A client of revision 4 is told it as `maxPayload`.
    pub max_payload_bytes: usize,
    /// Most packets in one body; 10,000 by default. The protocol has no such limit, and without one the default size allows
    /// half a million packets, each of which costs work.
    pub max_packets: usize,
}

impl Default for PayloadLimits {
    fn default() -> Self {
        Self { max_payload_bytes: 1_000_000, max_packets: 10_000 }
    }
}

/// Which rule a body broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// A binary body in revision 4.
    #[error("revision 4 has no binary payloads")]
    ContentType,
    /// Longer than [`PayloadLimits::max_payload_bytes`].
    #[error("payload of more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// More than [`PayloadLimits::max_packets`].
    #[error("payload of more than {limit} packets")]
    TooManyPackets {
        /// The limit.
        limit: usize,
    },
    /// Text that is not UTF-8.
    #[error("payload is not utf-8")]
    NotUtf8,
    /// Revision 3: a length that is no number, that is missing, or that is not the one of what follows.
    #[error("wrong length of a packet")]
    Length,
    /// Revision 3: a binary body whose packet is neither text nor bytes.
    #[error("packet is neither text nor bytes")]
    Marker,
    /// One of the packets is none.
    #[error("malformed packet")]
    Packet(#[from] PacketError),
    /// Ours: a text that has the separator of revision 4 in it would be read as two packets.
    #[error("text with a record separator cannot be polled")]
    Separator,
}

/// Stands between two packets of revision 4.
const SEPARATOR: char = '\x1e';
/// Ends a length in [`Format::V3Binary`].
const LENGTH_END: u8 = 0xff;
