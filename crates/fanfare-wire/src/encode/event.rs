//! Puts the fields of a payload beside the envelope's own, so that no key stands twice and none is lost by accident.

use super::{ObjectWriter, write_id, write_number, write_place, write_room};
use crate::{Payload, ServerEvent, fields::Fields, scan::Scanner};

/// Whether the envelope of `event` takes the key, so that the payload's own is left out.
///
/// `epoch` and `offset` are taken even where the envelope has none: a peer could otherwise make others believe a place in the
/// room's order. `clientId` and `room` are free in an event that has no sender or no room, which only a server can publish.
fn is_taken(key: &str, event: &ServerEvent<'_>) -> bool {
    match key {
        "type" | "epoch" | "offset" => true,
        "clientId" => event.client_id.is_some(),
        "room" => event.room.is_some(),
        _ => false,
    }
}

/// Writes an event behind its `"type":`. Only `timestamp` is the payload's where both have it: it may tell when something
/// happened, which is earlier than when it was published.
pub(super) fn write_event(event: &ServerEvent<'_>, v1: bool, out: &mut impl ObjectWriter) {
    out.text(event.name.as_str());
    let content = Content::of(event.payload);
    let (mut timestamp, mut collides) = (event.timestamp, false);
    if let Content::Object(_, fields) = &content {
        for field in fields.iter() {
            if field.key == "timestamp" {
                timestamp = None;
            }
            collides |= is_taken(&field.key, event);
        }
    }
    if let Some(client_id) = event.client_id {
        write_id(client_id, out);
    }
    match content {
        Content::Object(_, fields) if collides => {
            for field in fields.iter().filter(|field| !is_taken(&field.key, event)) {
                out.field(field);
            }
        }
        content => content.write(out),
    }
    write_number("timestamp", timestamp, out);
    write_room(event.room, out);
    write_place(event.position.filter(|_| v1), out);
}

/// Writes the fields of an ack. An object with a key that the ack needs itself, or with a `data`, stands as a whole under
/// `data`, because an application's answer must arrive unchanged: `{"id":7}` is a good answer to a request to save something.
pub(super) fn write_answer(payload: &Payload, out: &mut impl ObjectWriter) {
    write_apart(payload, &["type", "id", "epoch", "offset", "data"], out);
}

/// Writes the fields of a call. An object with a key that the call needs itself stands under `data`.
pub(super) fn write_call(payload: &Payload, out: &mut impl ObjectWriter) {
    write_apart(payload, &["type", "call"], out);
}

fn write_apart(payload: &Payload, reserved: &[&str], out: &mut impl ObjectWriter) {
    match Content::of(payload) {
        Content::Object(object, fields) if fields.iter().any(|field| reserved.contains(&&*field.key)) => {
            Content::Value(object).write(out);
        }
        content => content.write(out),
    }
}

/// Writes a payload as a value of its own.
pub(super) fn write_value(payload: &Payload, out: &mut impl ObjectWriter) {
    match Content::of(payload) {
        Content::Object(json, _) | Content::Value(json) => out.json(json),
        Content::Bytes(bytes) => out.bytes(bytes),
    }
}

/// A payload as it was found to be.
// Lives on the stack while one notice is written: a box for the fields would be the only allocation of most encodings.
#[allow(clippy::large_enum_variant)]
enum Content<'a> {
    Object(&'a str, Fields<'a>),
    Value(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> Content<'a> {
    /// Scans the payload. JSON that is none, which only a payload made by hand can hold, is an object without fields: one
    /// event without content is better than a peer that reads nothing any more.
    fn of(payload: &'a Payload) -> Self {
        let json = match payload {
            Payload::Binary(bytes) => return Self::Bytes(bytes),
            Payload::Json(_) => payload.as_json().unwrap_or("{}"),
        };
        let value = |json: &'a str| {
            let mut scanner = Scanner::new(json);
            let value = scanner.value(0)?;
            scanner.finish().map(|()| value)
        };
        match Fields::read(json) {
            Ok(fields) => Self::Object(json.trim_ascii(), fields),
            Err(_) => value(json).map_or_else(|_| Self::empty(), Self::Value),
        }
    }

    fn empty() -> Self {
        Self::Object("{}", Fields::read("{}").expect("an empty object is one"))
    }

    fn write(&self, out: &mut impl ObjectWriter) {
        match self {
            Self::Object(object, fields) => out.object_fields(object, fields),
            Self::Value(json) => {
                out.key("data");
                out.json(json);
            }
            Self::Bytes(bytes) => out.bytes_field(bytes),
        }
    }
}
