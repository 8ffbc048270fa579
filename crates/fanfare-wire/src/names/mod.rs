//! Names and positions: parsed once, valid ever after.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{MAX_EVENT_NAME_BYTES, MAX_NAMESPACE_BYTES, MAX_ROOM_NAME_BYTES};

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name has no characters.
    #[error("a name must not be empty")]
    Empty,
    /// The name is longer than its limit, in bytes of UTF-8.
    #[error("a name must not be longer than {0} bytes")]
    TooLong(usize),
    /// The name has a control character (Unicode category Cc), such as a line break.
    #[error("a name must not contain control characters")]
    ControlCharacter,
    /// The text is not the 22-character form of a session id.
    #[error("not a session id")]
    NotASessionId,
}

impl From<std::convert::Infallible> for NameError {
    /// A name that is one already cannot be wrong.
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

fn check(name: &str, max_bytes: usize) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > max_bytes {
        return Err(NameError::TooLong(max_bytes));
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::ControlCharacter);
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `name` and takes it.
            ///
            /// # Errors
            /// [`NameError`] when it is empty, too long, or has a control character.
            pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
                check(name.as_ref(), $max)?;
                Ok(Self(Arc::from(name.as_ref())))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<&String> for $name {
            type Error = NameError;
            fn try_from(name: &String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<&$name> for $name {
            fn from(name: &$name) -> Self {
                name.clone()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(name).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// The name of a room: 1 to 255 bytes of UTF-8 without control characters.
    RoomName,
    MAX_ROOM_NAME_BYTES
);
name!(
    /// The name of an event, such as `message`: 1 to 128 bytes of UTF-8 without control characters.
    EventName,
    MAX_EVENT_NAME_BYTES
);
name!(
    /// The name of a namespace, such as `/` (the default) or `/admin`: 1 to 255 bytes without control characters.
    Namespace,
    MAX_NAMESPACE_BYTES
);

impl Default for Namespace {
    /// The namespace `/`, which every hub has.
    fn default() -> Self {
        static ROOT: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| Arc::from("/"));
        Self(ROOT.clone())
    }
}

/// The id of a session: 128 bits from the operating system's generator, as 22 characters of base64url.
///
/// It is an address, not a secret: others in a room see it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// A new, unguessable id.
    ///
    /// # Panics
    /// When the operating system has no randomness to give; nothing safe can be done then.
    pub fn random() -> Self {
        Self(random_bytes())
    }

    /// The id made of these bytes; for tests and for stores that keep ids as bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Writes the 22 characters into `text` and returns them, without allocating.
    pub fn encode<'a>(&self, text: &'a mut [u8; 22]) -> &'a str {
        encode_base64url(&self.0, text)
    }
}

impl FromStr for SessionId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        decode_base64url(text).map(Self).ok_or(NameError::NotASessionId)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 22]))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; 22]))
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The secret with which a client resumes its session: 128 random bits, good for one use.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ResumeToken([u8; 16]);

impl ResumeToken {
    /// A new, unguessable token.
    ///
    /// # Panics
    /// As [`SessionId::random`].
    pub fn random() -> Self {
        Self(random_bytes())
    }
}

impl FromStr for ResumeToken {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        decode_base64url(text).map(Self).ok_or(NameError::NotASessionId)
    }
}

impl fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(encode_base64url(&self.0, &mut [0; 22]))
    }
}

impl fmt::Debug for ResumeToken {
    /// Hides the secret, so that no log can hold it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(..)")
    }
}

/// Which life of a room's log a position belongs to. A log that was lost begins a new epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

/// A place in a room's order: the `offset`-th message of an `epoch`. The first message has offset 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Position {
    /// The life of the log. Offsets of different epochs are not comparable.
    pub epoch: Epoch,
    /// Counts the room's messages, without holes. 0 is the place before the first.
    pub offset: u64,
}

impl Position {
    /// The place `offset` of `epoch`.
    pub const fn new(epoch: Epoch, offset: u64) -> Self {
        Self { epoch, offset }
    }
}

impl Epoch {
    /// A new epoch, different from earlier ones with a probability of 1 - 2^-31. Never 0.
    pub fn random() -> Self {
        let bytes: [u8; 16] = random_bytes();
        // 31 bits: exact in every JSON reader and positive in every signed column.
        Self((u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) >> 1).max(1))
    }
}

fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system provides randomness");
    bytes
}

/// The 22 characters of 16 bytes (RFC 4648, section 5, without padding).
fn encode_base64url<'a>(bytes: &[u8; 16], text: &'a mut [u8; 22]) -> &'a str {
    BASE64URL_NOPAD.encode_mut_str(bytes, text)
}

/// One text per id: other padding bits than zero, which would be a second spelling, are refused.
fn decode_base64url(text: &str) -> Option<[u8; 16]> {
    // The decoder panics where the lengths do not fit.
    let text: &[u8; 22] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    BASE64URL_NOPAD.decode_mut(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests;
