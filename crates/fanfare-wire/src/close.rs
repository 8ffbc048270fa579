//! Close codes: why a connection ended, and whether the client may come back.
//!
//! The codes of RFC 6455 section 7.4.1 keep their meaning. Our own stand in the private range, and the hundreds digit is
//! the verdict: 4000 to 4499, come back (and resume); 4500 to 4999, do not.

/// Why the server closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// 1000: the work is done.
    Normal,
    /// 1001: the peer goes away.
    GoingAway,
    /// 1002: the peer broke the framing protocol.
    Protocol,
    /// 1003: a kind of message that is not understood here, such as binary on a text protocol.
    Unsupported,
    /// 1007: text that is not UTF-8.
    InvalidPayload,
    /// 1008: the peer broke a rule of this server, such as too many fragments or control frames.
    Policy,
    /// 1009: a message over the limit.
    TooBig,
    /// 1011: the server failed. The client may come back.
    Internal,
    /// 1012: the server restarts. The client comes back after the announced time.
    Restart,
    /// 1013: the server is full. The client comes back after a while.
    TryAgainLater,
    /// 4000: the client reads too slowly and its outbox is full. It may come back and resume.
    Slow,
    /// 4001: nothing was heard for the ping interval and timeout. The client may come back and resume.
    PingTimeout,
    /// 4002: the credentials ended and were not refreshed. The client comes back with new ones.
    Expired,
    /// 4003: another connection resumed this session. Not a fault: the newer one goes on.
    Resumed,
    /// 4500: no or wrong credentials.
    Unauthorized,
    /// 4501: the handshake took too long.
    HandshakeTimeout,
    /// 4502: the application or an operator ended the session.
    Kicked,
    /// 4503: too many commands that cannot be understood.
    TooManyErrors,
    /// 4504: a word in the wrong place, such as a second `hello`.
    OutOfPlace,
    /// Any other code, for applications: 3000 to 4999.
    Application(u16),
}

impl CloseCode {
    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::InvalidPayload => 1007,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::Restart => 1012,
            Self::TryAgainLater => 1013,
            Self::Slow => 4000,
            Self::PingTimeout => 4001,
            Self::Expired => 4002,
            Self::Resumed => 4003,
            Self::Unauthorized => 4500,
            Self::HandshakeTimeout => 4501,
            Self::Kicked => 4502,
            Self::TooManyErrors => 4503,
            Self::OutOfPlace => 4504,
            Self::Application(code) => code,
        }
    }

    /// The code of this number. `None` for numbers that must not stand in a close frame (RFC 6455, section 7.4).
    pub const fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            1000 => Self::Normal,
            1001 => Self::GoingAway,
            1002 => Self::Protocol,
            1003 => Self::Unsupported,
            1007 => Self::InvalidPayload,
            1008 => Self::Policy,
            1009 => Self::TooBig,
            1011 => Self::Internal,
            1012 => Self::Restart,
            1013 => Self::TryAgainLater,
            4000 => Self::Slow,
            4001 => Self::PingTimeout,
            4002 => Self::Expired,
            4003 => Self::Resumed,
            4500 => Self::Unauthorized,
            4501 => Self::HandshakeTimeout,
            4502 => Self::Kicked,
            4503 => Self::TooManyErrors,
            4504 => Self::OutOfPlace,
            1010 | 1014 | 3000..=4999 => Self::Application(code),
            _ => return None,
        })
    }

    /// Whether a client may connect again after this.
    pub const fn may_retry(self) -> bool {
        match self.code() {
            1001 | 1011..=1013 => true,
            // Resumed: the session lives on elsewhere, a retry would steal it back.
            4003 => false,
            code => code >= 3000 && code < 3500 || code >= 4000 && code < 4500,
        }
    }

    /// A short reason in words, for the close frame.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "done",
            Self::GoingAway => "going away",
            Self::Protocol => "protocol error",
            Self::Unsupported => "unsupported message kind",
            Self::InvalidPayload => "text is not UTF-8",
            Self::Policy => "policy violated",
            Self::TooBig => "message too big",
            Self::Internal => "internal error",
            Self::Restart => "server restarts",
            Self::TryAgainLater => "server is full",
            Self::Slow => "reading too slowly",
            Self::PingTimeout => "ping timeout",
            Self::Expired => "credentials expired",
            Self::Resumed => "resumed elsewhere",
            Self::Unauthorized => "unauthorized",
            Self::HandshakeTimeout => "handshake timeout",
            Self::Kicked => "disconnected by the server",
            Self::TooManyErrors => "too many errors",
            Self::OutOfPlace => "command out of place",
            Self::Application(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_written() {
        let mut valid = 0;
        for number in 0..=u16::MAX {
            if let Some(code) = CloseCode::from_code(number) {
                assert_eq!(code.code(), number);
                assert_eq!(CloseCode::from_code(code.code()), Some(code));
                valid += 1;
            }
        }
        // 1000 to 1003, 1007 to 1014, and the 2,000 of applications.
        assert_eq!(valid, 4 + 8 + 2000);
    }

    #[test]
    fn numbers_that_must_not_stand_in_a_frame_are_no_codes() {
        for number in (0..1000).chain([1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, u16::MAX]) {
            assert_eq!(CloseCode::from_code(number), None, "{number}");
        }
    }

    #[test]
    fn the_range_tells_whether_to_come_back() {
        let retry = [1001, 1011, 1012, 1013, 3000, 3499, 4000, 4001, 4002, 4499];
        let stop =
            [1000, 1002, 1003, 1007, 1008, 1009, 1010, 1014, 3500, 3999, 4003, 4500, 4501, 4502, 4503, 4504, 4999];
        for (numbers, expected) in [(&retry[..], true), (&stop[..], false)] {
            for &number in numbers {
                assert_eq!(CloseCode::from_code(number).map(CloseCode::may_retry), Some(expected), "{number}");
            }
        }
    }

    #[test]
    fn a_reason_fits_into_a_close_frame() {
        // 125 bytes of a control frame, 2 of them the code (RFC 6455, section 5.5).
        for code in (0..=u16::MAX).filter_map(CloseCode::from_code) {
            assert!(code.reason().len() <= 123, "{code:?}");
        }
    }
}
