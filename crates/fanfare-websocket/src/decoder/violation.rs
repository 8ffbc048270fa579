//! What a peer can do wrong on the wire, and the close code that answers it.

use fanfare::{CloseCode, transport::ReceiveError};

/// A rule of RFC 6455, or of this server, that the peer broke. The connection ends with [`code`](Self::code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.rule())]
#[non_exhaustive]
pub enum ViolationError {
    /// A client's frame without a mask (section 5.1).
    Unmasked,
    /// A server's frame with a mask (section 5.1).
    Masked,
    /// A reserved bit that no negotiated extension gave a meaning (section 5.2).
    ReservedBits,
    /// A reserved opcode (section 5.2).
    ReservedOpcode,
    /// A control frame with more than 125 bytes (section 5.5).
    ControlTooLong,
    /// A control frame in fragments (section 5.5).
    ControlFragmented,
    /// A continuation where no message is open (section 5.4).
    ContinuationWithoutStart,
    /// A new message inside a fragmented one (section 5.4).
    StartInsideMessage,
    /// A length written in more bytes than needed (section 5.2).
    LengthNotMinimal,
    /// A 64-bit length with its top bit set (section 5.2).
    LengthOverflow,
    /// A close frame with one byte of payload (section 5.5.1).
    CloseTooShort,
    /// A close code that must not stand in a frame (section 7.4).
    CloseCode,
    /// A close reason that is not UTF-8 (section 5.5.1).
    CloseReason,
    /// Text that is not UTF-8 (section 8.1).
    Utf8,
    /// A message over the limit, told by a frame's header.
    MessageTooBig,
    /// A message in too many fragments.
    TooManyFragments,
    /// A message with too many empty fragments.
    TooManyEmptyFragments,
    /// Too many control frames in a short time.
    ControlFlood,
}

impl ViolationError {
    /// The close code for the peer.
    pub const fn code(self) -> CloseCode {
        match self {
            Self::Unmasked
            | Self::Masked
            | Self::ReservedBits
            | Self::ReservedOpcode
            | Self::ControlTooLong
            | Self::ControlFragmented
            | Self::ContinuationWithoutStart
            | Self::StartInsideMessage
            | Self::LengthNotMinimal
            | Self::LengthOverflow
            | Self::CloseTooShort
            | Self::CloseCode => CloseCode::Protocol,
            Self::CloseReason | Self::Utf8 => CloseCode::InvalidPayload,
            Self::TooManyFragments | Self::TooManyEmptyFragments | Self::ControlFlood => CloseCode::Policy,
            Self::MessageTooBig => CloseCode::TooBig,
        }
    }

    /// The rule in words, for the log.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Unmasked => "client frame without a mask",
            Self::Masked => "server frame with a mask",
            Self::ReservedBits => "reserved bit set",
            Self::ReservedOpcode => "reserved opcode",
            Self::ControlTooLong => "control frame over 125 bytes",
            Self::ControlFragmented => "control frame in fragments",
            Self::ContinuationWithoutStart => "continuation without a message",
            Self::StartInsideMessage => "new message inside a fragmented one",
            Self::LengthNotMinimal => "length not in its shortest form",
            Self::LengthOverflow => "length with its top bit set",
            Self::CloseTooShort => "close frame with half a code",
            Self::CloseCode => "close code that must not be sent",
            Self::CloseReason => "close reason is not UTF-8",
            Self::Utf8 => "text is not UTF-8",
            Self::MessageTooBig => "message too big",
            Self::TooManyFragments => "too many fragments",
            Self::TooManyEmptyFragments => "too many empty fragments",
            Self::ControlFlood => "too many control frames",
        }
    }
}

impl From<ViolationError> for ReceiveError {
    fn from(violation: ViolationError) -> Self {
        Self::Peer { code: violation.code(), rule: violation.rule() }
    }
}
