//! What an event carries: fields, a single value, or bytes.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    DecodeError,
    fields::{Field, Fields},
    scan::Scanner,
};

/// The content of an event, encoded once by whoever made it.
///
/// JSON is kept as its text, so that relaying it costs no parsing. It was checked when it was made: it is one complete JSON
/// value in UTF-8, nested no deeper than [`MAX_DEPTH`](crate::limits::MAX_DEPTH), and has no line breaks, so that it fits
/// on a line. Make it by [`new`](Self::new) or [`from_json`](Self::from_json), which see to that; text that breaks these
/// rules is encoded as if it were `{}`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload {
    /// A JSON value. An object's fields stand beside the event's own (`{"type":"message","content":"hi"}`); any other value
    /// stands under `data`.
    Json(Bytes),
    /// Bytes that no reader looks into.
    Binary(Bytes),
}

/// Why a payload could not be made. The fault of whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The value's own `Serialize` failed, or it is a map whose keys are not strings.
    #[error("the value cannot be JSON: {0}")]
    Serialize(String),
    /// The text is not one complete JSON value in UTF-8.
    #[error("malformed JSON at byte {at}")]
    Malformed {
        /// Where reading stopped, in bytes from the start.
        at: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`](crate::limits::MAX_DEPTH).
    #[error("nested too deeply")]
    TooDeep,
}

impl Payload {
    /// The payload without content: `{}`.
    pub const fn empty() -> Self {
        Self::Json(Bytes::from_static(b"{}"))
    }

    /// The JSON of a value.
    ///
    /// # Errors
    /// [`PayloadError`] when the value does not serialize or is nested too deeply.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Self, PayloadError> {
        let json = serde_json::to_vec(value).map_err(|error| PayloadError::Serialize(error.to_string()))?;
        Self::from_json(json)
    }

    /// Takes a JSON text as it is. Line breaks between its tokens become spaces.
    ///
    /// # Errors
    /// [`PayloadError`] when it is not one complete value in UTF-8, or is nested too deeply.
    pub fn from_json(json: impl Into<Bytes>) -> Result<Self, PayloadError> {
        let json = json.into();
        let text = std::str::from_utf8(&json).map_err(|error| PayloadError::Malformed { at: error.valid_up_to() })?;
        let mut scanner = Scanner::new(text);
        let value = scanner.value(0).and_then(|value| scanner.finish().map(|()| value));
        let value = value.map_err(|error| match error {
            DecodeError::Malformed { at } => PayloadError::Malformed { at },
            _ => PayloadError::TooDeep,
        })?;
        if value.contains(['\n', '\r']) {
            return Ok(Self::json_line(value.as_bytes().to_vec()));
        }
        Ok(Self::Json(json.slice_ref(value.as_bytes())))
    }

    /// Bytes that no reader looks into.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// The payload without those fields of its outermost object; one that is no object, or has none of them, is cloned, which
    /// copies nothing. What stays is not written anew: every value keeps its text.
    ///
    /// For what a peer must not choose: a key matches by its characters, however it was escaped, and each time it stands there.
    #[must_use = "the payload itself stays as it is"]
    pub fn without(&self, keys: &[&str]) -> Self {
        let unwanted = |field: &Field<'_>| keys.contains(&&*field.key);
        match self.as_json().map(Fields::read) {
            Some(Ok(fields)) if fields.iter().any(unwanted) => Self::from_fields(&fields, |field| !unwanted(field)),
            _ => self.clone(),
        }
    }

    /// The object of those fields that `keep` chooses.
    pub(crate) fn from_fields(fields: &Fields<'_>, keep: impl Fn(&Field<'_>) -> bool) -> Self {
        let kept = || fields.iter().filter(|field| keep(field));
        let mut json = Vec::with_capacity(2 + kept().map(|field| field.pair.len() + 1).sum::<usize>());
        json.push(b'{');
        for field in kept() {
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(field.pair.as_bytes());
        }
        json.push(b'}');
        Self::json_line(json)
    }

    /// Takes JSON that was scanned before and puts it on one line. A string of JSON has no raw line break, so that every one
    /// stands between two tokens.
    pub(crate) fn json_line(mut json: Vec<u8>) -> Self {
        for byte in &mut json {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        Self::Json(json.into())
    }

    /// Reads the content as a `T`. Binary content fits the types that take bytes, such as those of `serde_bytes`.
    ///
    /// # Errors
    /// [`DecodeError::Payload`] when it does not fit. The error names at most a field of `T`, and never the content.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        match self {
            Self::Json(json) => serde_json::from_slice(json).map_err(|error| misfit(&error.to_string())),
            Self::Binary(bytes) => {
                T::deserialize(serde::de::value::BytesDeserializer::<serde::de::value::Error>::new(bytes))
                    .map_err(|error| misfit(&error.to_string()))
            }
        }
    }

    /// The JSON text. `None` for bytes.
    pub fn as_json(&self) -> Option<&str> {
        match self {
            Self::Json(json) => std::str::from_utf8(json).ok(),
            Self::Binary(_) => None,
        }
    }

    /// Length of the content, in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Json(bytes) | Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether the content has no bytes. JSON always has some.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Keeps of serde's text no more than the name of a missing field, which is a word of the type and not of the peer.
fn misfit(error: &str) -> DecodeError {
    let missing = error.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    DecodeError::Payload { missing: missing.map(|(field, _)| field).filter(|field| field.len() <= 128).map(Box::from) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Say {
        room: String,
        content: u8,
    }

    #[test]
    fn a_value_is_read_as_it_was_made() {
        let say = Say { room: "a\nb".into(), content: 7 };
        let payload = Payload::new(&say).unwrap();
        assert_eq!(payload.as_json(), Some(r#"{"room":"a\nb","content":7}"#));
        assert_eq!(payload.read(), Ok(say));
        assert_eq!(Payload::new("text").unwrap().as_json(), Some(r#""text""#));
    }

    #[test]
    fn what_does_not_fit_names_a_missing_field_and_nothing_of_the_peer() {
        let table = [
            (r#"{"room":"a"}"#, Some("content")),
            (r#"{"room":"secret","content":"secret"}"#, None),
            (r#"{"room":"a","content":256}"#, None),
            (r#"["missing field `secret`"]"#, None),
        ];
        for (json, missing) in table {
            let error = Payload::from_json(json).unwrap().read::<Say>().unwrap_err();
            assert_eq!(error, DecodeError::Payload { missing: missing.map(Box::from) });
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_payload_is_one_value_on_one_line() {
        let payload = Payload::from_json("\r\n{\"a\":\r\n[1,\n2]}\n").unwrap();
        assert_eq!(payload.as_json(), Some("{\"a\":  [1, 2]}"));
        for bad in ["", "{", "1 2", "{} {}", "[1,]", "\"\n\""] {
            assert!(matches!(Payload::from_json(bad), Err(PayloadError::Malformed { .. })), "{bad:?}");
        }
        assert_eq!(Payload::from_json(&b"\"\xff\""[..]), Err(PayloadError::Malformed { at: 1 }));
    }

    #[test]
    fn a_field_that_is_taken_out_is_gone_in_every_spelling_and_the_others_keep_their_text() {
        let table = [
            (r#"{"room":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{ "a" : 1.50 , "room":[ ],"\u00e9":{"room":1} }"#, r#"{"a" : 1.50,"\u00e9":{"room":1}}"#),
            (r#"{"\u0072oom":1,"a":2,"r\u006fom":3,"clientId":4}"#, r#"{"a":2}"#),
            (r#"{"room":1}"#, "{}"),
        ];
        for (json, rest) in table {
            let payload = Payload::from_json(json).unwrap();
            assert_eq!(payload.without(&["clientId", "room"]).as_json(), Some(rest));
            assert_eq!(payload.as_json(), Some(json.trim()));
        }
    }

    #[test]
    fn what_has_no_such_field_is_shared_and_not_copied() {
        let table = [
            Payload::from_json(r#"{ "Room":1,"a":{"room":2} }"#).unwrap(),
            Payload::from_json(r#"["room"]"#).unwrap(),
            Payload::from_json(r#""room""#).unwrap(),
            Payload::binary(&br#"{"room":1}"#[..]),
            Payload::Json(r#"{"room":1"#.into()),
        ];
        for payload in table {
            let (Payload::Json(before) | Payload::Binary(before)) = &payload;
            let rest = payload.without(&["room"]);
            let (Payload::Json(after) | Payload::Binary(after)) = &rest;
            assert_eq!(rest, payload);
            assert_eq!(after.as_ptr(), before.as_ptr());
            assert_eq!(payload.without(&[]), payload);
        }
    }

    #[test]
    fn nesting_ends_at_64_and_not_at_the_end_of_the_stack() {
        assert!(Payload::from_json("[".repeat(64) + &"]".repeat(64)).is_ok());
        assert_eq!(Payload::from_json("[".repeat(5000) + &"]".repeat(5000)), Err(PayloadError::TooDeep));
        let mut value = serde_json::json!([]);
        for _ in 1..64 {
            value = serde_json::json!([value]);
        }
        assert!(Payload::new(&value).is_ok());
        assert_eq!(Payload::new(&[value]), Err(PayloadError::TooDeep));
    }

    #[test]
    fn a_map_without_string_keys_is_no_payload() {
        let map = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(matches!(Payload::new(&map), Err(PayloadError::Serialize(_))));
    }

    #[test]
    fn bytes_fit_a_type_that_takes_bytes() {
        let payload = Payload::binary(&b"abc"[..]);
        assert_eq!(payload.as_json(), None);
        assert_eq!(payload.read::<String>().unwrap(), "abc");
        assert_eq!(payload.read::<Say>(), Err(DecodeError::Payload { missing: None }));
    }
}
