//! Why a message of a client could not be read.

use crate::NameError;

/// Which rule a message broke. Always the peer's fault; nothing of it was carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not JSON or MessagePack at all, or more than one value.
    #[error("malformed message at byte {at}")]
    Malformed {
        /// Where reading stopped, in bytes from the start.
        at: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`](crate::limits::MAX_DEPTH).
    #[error("nested too deeply")]
    TooDeep,
    /// Not an object.
    #[error("a message must be an object")]
    NotAnObject,
    /// A field that the command needs is not there.
    #[error("the field {0:?} is missing")]
    MissingField(&'static str),
    /// A field has a value of the wrong kind or out of its range.
    #[error("the field {0:?} has a wrong value")]
    WrongField(&'static str),
    /// The same field twice. `*` stands for a field of the application's own.
    #[error("the field {0:?} stands twice")]
    RepeatedField(&'static str),
    /// A name that is none.
    #[error("the field {field:?}: {error}")]
    Name {
        /// Which field.
        field: &'static str,
        /// The rule.
        error: NameError,
    },
    /// The fields of an event do not fit the type that its handler reads.
    #[error("{}", fit(.missing.as_deref()))]
    Payload {
        /// The first field that the type needs and the event does not have.
        missing: Option<Box<str>>,
    },
}

fn fit(missing: Option<&str>) -> String {
    match missing {
        Some(field) => format!("the field {field:?} is missing"),
        None => "the fields do not fit".to_owned(),
    }
}

impl DecodeError {
    /// The word for programs in an `error` notice.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::NotAnObject => "malformed",
            Self::TooDeep => "too_deep",
            Self::MissingField(_) => "missing_field",
            Self::Payload { missing: Some(_) } => "missing_field",
            Self::WrongField(_) | Self::RepeatedField(_) | Self::Payload { missing: None } => "wrong_field",
            Self::Name { .. } => "bad_name",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_because_every_message_returns_one() {
        assert!(size_of::<DecodeError>() <= 40, "{}", size_of::<DecodeError>());
    }
}
