//! Reads a client's message.

use super::unpack::unpack;
use crate::{Command, DecodeError, json};

/// Reads one command from a message that is one MessagePack map.
///
/// The same rules hold as for [`json::decode`](crate::json::decode()). Bytes (`bin`) may stand only as the field `data` of an
/// event or an `ack`, with no other field of the application's beside them. Extension types, keys that are not strings, and
/// numbers that JSON does not have are refused.
///
/// # Errors
/// [`DecodeError`] tells which rule was broken.
pub fn decode(message: &[u8]) -> Result<Command, DecodeError> {
    // By way of JSON: what a payload holds is JSON in any case, and the words are read in one place. An announced length
    // allocates nothing; the text grows by what is there, at most sixfold.
    let (text, data) = unpack(message)?;
    json::command(&text, data)
}

/// As [`json::command_id`](crate::json::command_id()).
pub fn command_id(message: &[u8]) -> Option<u64> {
    json::command_id(unpack(message).ok()?.0.as_bytes())
}
