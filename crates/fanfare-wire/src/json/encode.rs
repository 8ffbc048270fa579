//! Writes a server's message.

use std::io::Write as _;

use data_encoding::BASE64;

use crate::{
    Notice, Version,
    encode::{self, ObjectWriter},
    fields::{Field, Fields},
};

/// Appends the notice to `out`, as exactly one JSON object in one line. Returns `false`, and appends nothing, where the
/// version has no word for it.
///
/// The fields of an event stand between `clientId` and `timestamp`. A payload's own `type`, `epoch` and `offset` are left
/// out, and so are its `clientId` and `room` where the event has them itself; a payload's own `timestamp` takes the place of
/// the event's. A value that is not an object stands under `data`; bytes do so in base64 (RFC 4648, section 4), with
/// `"encoding":"base64"`. In an `ack` or a call, an object that has a field which the message needs itself stands as a whole
/// under `data`.
pub fn encode(notice: &Notice<'_>, version: Version, out: &mut Vec<u8>) -> bool {
    encode::write(notice, version, &mut JsonWriter(out))
}

struct JsonWriter<'a>(&'a mut Vec<u8>);

impl JsonWriter<'_> {
    /// A comma, unless the object or array begins here. No value ends with an opening bracket.
    fn comma(&mut self) {
        if !matches!(self.0.last(), Some(b'{' | b'[')) {
            self.0.push(b',');
        }
    }
}

impl ObjectWriter for JsonWriter<'_> {
    const HAS_RAW: bool = false;

    fn begin_object(&mut self) {
        self.0.push(b'{');
    }

    fn end_object(&mut self) {
        self.0.push(b'}');
    }

    fn begin_array(&mut self) {
        self.0.push(b'[');
    }

    fn end_array(&mut self) {
        self.0.push(b']');
    }

    fn element(&mut self) {
        self.comma();
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.0.push(b'"');
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut *self.0, text).expect("a string is JSON and a Vec takes all");
    }

    fn number(&mut self, number: u64) {
        write!(self.0, "{number}").expect("a Vec takes all");
    }

    fn boolean(&mut self, value: bool) {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn json(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    fn field(&mut self, field: &Field<'_>) {
        self.comma();
        self.0.extend_from_slice(field.pair.as_bytes());
    }

    fn object_fields(&mut self, object: &str, fields: &Fields<'_>) {
        if fields.iter().next().is_some() {
            self.comma();
            self.0.extend_from_slice(&object.as_bytes()[1..object.len() - 1]);
        }
    }

    fn bytes_field(&mut self, bytes: &[u8]) {
        self.key("data");
        self.bytes(bytes);
        self.key("encoding");
        self.text("base64");
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.push(b'"');
        let start = self.0.len();
        self.0.resize(start + BASE64.encode_len(bytes.len()), 0);
        BASE64.encode_mut(bytes, &mut self.0[start..]);
        self.0.push(b'"');
    }
}
