//! Walks over a notice and names its fields; how they are written is the business of an encoding.

mod event;

use crate::{Connected, Notice, Payload, Position, RoomName, SessionId, Version, fields::Field};

/// Writes objects field by field. Each encoding has one.
pub(crate) trait ObjectWriter {
    /// Whether there is a word for raw bytes.
    const HAS_RAW: bool;

    fn begin_object(&mut self);
    fn end_object(&mut self);
    fn begin_array(&mut self);
    fn end_array(&mut self);
    /// Announces the next element of the innermost array.
    fn element(&mut self);
    /// Announces the next field of the innermost object, by a key that needs no escapes.
    fn key(&mut self, key: &str);
    fn text(&mut self, text: &str);
    fn number(&mut self, number: u64);
    fn boolean(&mut self, value: bool);
    /// One value that was scanned before.
    fn json(&mut self, json: &str);
    /// A whole field that was scanned before.
    fn field(&mut self, field: &Field<'_>);
    /// All fields of an object that was scanned before; `fields` are the same ones.
    fn object_fields(&mut self, object: &str, fields: &crate::fields::Fields<'_>);
    /// The field `data` with these bytes.
    fn bytes_field(&mut self, bytes: &[u8]);
    /// These bytes as a value.
    fn bytes(&mut self, bytes: &[u8]);
}

/// Writes the notice as one object. Returns `false`, and has written nothing, where the version has no word for it.
pub(crate) fn write<W: ObjectWriter>(notice: &Notice<'_>, version: Version, out: &mut W) -> bool {
    let v1 = version == Version::V1;
    match *notice {
        Notice::Position { .. } if !v1 => return false,
        Notice::Joined { id: None, .. } | Notice::Left { id: None, .. } if !v1 => return false,
        Notice::Raw(_) if !W::HAS_RAW => return false,
        _ => {}
    }
    out.begin_object();
    out.key("type");
    match *notice {
        Notice::Connected(ref connected) => write_connected(connected, v1, out),
        Notice::UserJoined { client_id, room, user, info } => {
            out.text("user_joined");
            write_id(client_id, out);
            write_room(Some(room), out);
            write_who(user.filter(|_| v1), info.filter(|_| v1), out);
        }
        Notice::UserLeft { client_id, room, user, info } => {
            out.text("user_left");
            write_id(client_id, out);
            write_room(Some(room), out);
            write_who(user.filter(|_| v1), info.filter(|_| v1), out);
        }
        Notice::Event(ref event) => event::write_event(event, v1, out),
        Notice::Ack { id, payload, position } => {
            out.text("ack");
            write_number("id", Some(id), out);
            if let Some(payload) = payload {
                event::write_answer(payload, out);
            }
            write_place(position.filter(|_| v1), out);
        }
        Notice::Error { id, code, message, data, retry_after } => {
            out.text("error");
            write_number("id", id, out);
            write_text("code", Some(code), out);
            write_text("message", Some(message), out);
            if let Some(data) = data {
                out.key("data");
                event::write_value(data, out);
            }
            write_number("retryAfter", retry_after, out);
        }
        Notice::Call { id, name, payload } => {
            out.text(name.as_str());
            write_number("call", Some(id), out);
            event::write_call(payload, out);
        }
        Notice::Joined { id, room, position, recovered } => {
            out.text(if v1 { "joined" } else { "ack" });
            write_number("id", id, out);
            write_room(Some(room), out);
            if v1 {
                write_place(position, out);
                write_boolean("recovered", Some(recovered), out);
            }
        }
        Notice::Left { id, room } => {
            out.text(if v1 { "left" } else { "ack" });
            write_number("id", id, out);
            write_room(Some(room), out);
        }
        Notice::Gap { room, from, to } => {
            out.text("gap");
            write_room(room, out);
            write_position("from", from, out);
            write_position("to", to, out);
        }
        Notice::Position { room, position } => {
            out.text("position");
            write_room(Some(room), out);
            write_place(Some(position), out);
        }
        Notice::History { id, room, events, position, complete } => {
            out.text("history");
            write_number("id", id, out);
            write_room(Some(room), out);
            out.key("events");
            out.begin_array();
            for event in events {
                out.element();
                out.begin_object();
                out.key("type");
                event::write_event(event, v1, out);
                out.end_object();
            }
            out.end_array();
            write_place(position, out);
            write_boolean("complete", Some(complete), out);
        }
        Notice::Presence { id, room, members, total } => {
            out.text("presence");
            write_number("id", id, out);
            write_room(Some(room), out);
            out.key("members");
            out.begin_array();
            for member in members {
                out.element();
                out.begin_object();
                write_id(member.client_id, out);
                write_who(member.user.as_deref(), member.info.as_ref(), out);
                out.end_object();
            }
            out.end_array();
            write_number("total", Some(total as u64), out);
        }
        Notice::Refresh { expires_in } => {
            out.text("refresh");
            write_number("expiresIn", Some(expires_in), out);
        }
        Notice::Ping => out.text("ping"),
        Notice::Pong { id } => {
            out.text("pong");
            write_number("id", id, out);
        }
        Notice::Closing { code, reason, retry_after } => {
            out.text("closing");
            write_number("code", Some(code.code().into()), out);
            write_text("reason", Some(reason), out);
            write_number("retryAfter", retry_after, out);
        }
        Notice::Raw(bytes) => {
            out.text("raw");
            out.bytes_field(bytes);
        }
    }
    out.end_object();
    true
}

fn write_connected(connected: &Connected<'_>, v1: bool, out: &mut impl ObjectWriter) {
    out.text("connected");
    write_id(connected.client_id, out);
    write_number("timestamp", Some(connected.timestamp), out);
    if v1 {
        if let Some(token) = connected.resume {
            write_text("resume", Some(&token.to_string()), out);
        }
        write_boolean("resumed", connected.resumed, out);
        write_text("reason", connected.reason, out);
        write_number("pingInterval", Some(connected.ping_interval), out);
        write_number("pingTimeout", Some(connected.ping_timeout), out);
        write_number("maxMessage", Some(connected.max_message), out);
    }
}

fn write_id(client_id: SessionId, out: &mut impl ObjectWriter) {
    write_text("clientId", Some(client_id.encode(&mut [0; 22])), out);
}

fn write_room(room: Option<&RoomName>, out: &mut impl ObjectWriter) {
    write_text("room", room.map(RoomName::as_str), out);
}

fn write_who(user: Option<&str>, info: Option<&Payload>, out: &mut impl ObjectWriter) {
    write_text("user", user, out);
    if let Some(info) = info {
        out.key("info");
        event::write_value(info, out);
    }
}

fn write_place(position: Option<Position>, out: &mut impl ObjectWriter) {
    if let Some(Position { epoch, offset }) = position {
        write_number("epoch", Some(epoch.0.into()), out);
        write_number("offset", Some(offset), out);
    }
}

fn write_position(key: &str, position: Option<Position>, out: &mut impl ObjectWriter) {
    if position.is_some() {
        out.key(key);
        out.begin_object();
        write_place(position, out);
        out.end_object();
    }
}

fn write_text(key: &str, text: Option<&str>, out: &mut impl ObjectWriter) {
    if let Some(text) = text {
        out.key(key);
        out.text(text);
    }
}

fn write_number(key: &str, number: Option<u64>, out: &mut impl ObjectWriter) {
    if let Some(number) = number {
        out.key(key);
        out.number(number);
    }
}

fn write_boolean(key: &str, value: Option<bool>, out: &mut impl ObjectWriter) {
    if let Some(value) = value {
        out.key(key);
        out.boolean(value);
    }
}
