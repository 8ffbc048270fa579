//! Reads a client's message.

use bytes::Bytes;

use crate::{
    ClientEvent, Command, DecodeError, EventName, Hello, Payload, Resume, RoomName,
    fields::{self, Field, Fields},
    is_reserved,
    limits::{MAX_KEY_BYTES, MAX_RESUME_ROOMS},
};

/// Reads one command from a message that is one JSON object.
///
/// Fields that a command does not know are ignored, and a `null` is as good as no field; but the same field twice is an
/// error, because two readers could see two commands in it. An event with a name that [is
/// reserved](crate::is_reserved) is a wrong `type`.
///
/// # Errors
/// [`DecodeError`] tells which rule was broken.
pub fn decode(message: &[u8]) -> Result<Command, DecodeError> {
    let text = std::str::from_utf8(message).map_err(|error| DecodeError::Malformed { at: error.valid_up_to() })?;
    command(text, None)
}

/// The `id` of a message that could not be read as a command, so that the `error` can name it. `None` where there is none or
/// the message is no object at all. Costs as much as [`decode`]; meant for refusals.
pub fn command_id(message: &[u8]) -> Option<u64> {
    Fields::read(std::str::from_utf8(message).ok()?).ok()?.id().ok()?
}

/// Reads a command from the text of an object. `data` holds the bytes that an encoding of another kind had in place of the
/// field `data`, which is `null` then.
pub(crate) fn command(text: &str, data: Option<&[u8]>) -> Result<Command, DecodeError> {
    let fields = Fields::read(text)?;
    fields.refuse_repeats()?;
    let word = fields.text("type")?.ok_or(DecodeError::MissingField("type"))?;
    if let ("raw", Some(data)) = (&*word, data) {
        return Ok(Command::Raw(Bytes::copy_from_slice(data)));
    }
    Ok(match &*word {
        "join_room" => Command::Join {
            id: fields.id()?,
            room: fields.room()?,
            since: fields.position("since")?,
            history: fields.count("history")?,
        },
        "leave_room" => Command::Leave { id: fields.id()?, room: fields.room()? },
        "history" => Command::History {
            id: fields.id()?,
            room: fields.room()?,
            since: fields.position("since")?,
            limit: fields.count("limit")?,
        },
        "presence" => Command::Presence { id: fields.id()?, room: fields.room()? },
        "ack" => ack(&fields, data)?,
        "hello" => Command::Hello(Hello { auth: auth(&fields)?, resume: resume(&fields)? }),
        "refresh" => {
            Command::Refresh { id: fields.id()?, auth: auth(&fields)?.ok_or(DecodeError::MissingField("auth"))? }
        }
        "ping" => Command::Ping { id: fields.id()? },
        "pong" => Command::Pong,
        name if is_reserved(name) => return Err(DecodeError::WrongField("type")),
        name => Command::Event(event(name, &fields, data)?),
    })
}

fn event(name: &str, fields: &Fields<'_>, data: Option<&[u8]>) -> Result<ClientEvent, DecodeError> {
    let name = EventName::new(name).map_err(|error| DecodeError::Name { field: "type", error })?;
    let room = match fields.value("room").and_then(fields::string) {
        Some(room) => Some(RoomName::new(room).map_err(|error| DecodeError::Name { field: "room", error })?),
        None => None,
    };
    let key = fields.text("key")?.map(|key| key.into_owned());
    if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > MAX_KEY_BYTES) {
        return Err(DecodeError::WrongField("key"));
    }
    let payload = match data {
        None => Payload::from_fields(fields, |field| !matches!(&*field.key, "type" | "id" | "key")),
        // Bytes stand alone: fields beside them would be lost, and nobody would know.
        Some(_) if fields.iter().any(|field| !matches!(&*field.key, "type" | "id" | "key" | "room" | "data")) => {
            return Err(DecodeError::WrongField("data"));
        }
        Some(data) => Payload::Binary(Bytes::copy_from_slice(data)),
    };
    Ok(ClientEvent { id: fields.id()?, name, room, key, payload })
}

fn ack(fields: &Fields<'_>, data: Option<&[u8]>) -> Result<Command, DecodeError> {
    let id = fields.id()?.ok_or(DecodeError::MissingField("id"))?;
    let own = |field: &Field<'_>| !matches!(&*field.key, "type" | "id");
    let alone = fields.iter().filter(|field| own(field)).count() == 1;
    let value = fields.iter().find(|field| field.key == "data").filter(|_| alone);
    let payload = match (data, value) {
        (Some(data), Some(_)) => Payload::Binary(Bytes::copy_from_slice(data)),
        (Some(_), None) => return Err(DecodeError::WrongField("data")),
        (None, Some(field)) => Payload::json_line(field.value.as_bytes().to_vec()),
        (None, None) => Payload::from_fields(fields, own),
    };
    Ok(Command::Ack { id, payload })
}

/// The credentials: `auth`, or else `token` in an object of its own.
fn auth(fields: &Fields<'_>) -> Result<Option<Payload>, DecodeError> {
    if let Some(value) = fields.value("auth") {
        return Ok(Some(Payload::json_line(value.as_bytes().to_vec())));
    }
    let token = fields.text("token")?;
    Ok(token.map(|_| Payload::from_fields(fields, |field| field.key == "token")))
}

fn resume(fields: &Fields<'_>) -> Result<Option<Resume>, DecodeError> {
    let Some(resume) = fields.value("resume") else { return Ok(None) };
    let fields = inside(resume, "resume")?;
    let token = fields.text("token")?.ok_or(DecodeError::MissingField("token"))?;
    let token = token.parse().map_err(|_| DecodeError::WrongField("token"))?;
    let mut rooms = Vec::new();
    if let Some(value) = fields.value("rooms") {
        let places = inside(value, "rooms")?;
        if places.iter().count() > MAX_RESUME_ROOMS {
            return Err(DecodeError::WrongField("rooms"));
        }
        for Field { key, value, .. } in places.iter() {
            let room = RoomName::new(key).map_err(|error| DecodeError::Name { field: "rooms", error })?;
            rooms.push((room, fields::position(value).ok_or(DecodeError::WrongField("rooms"))?));
        }
    }
    Ok(Some(Resume { token, rooms, inbox: fields.position("inbox")? }))
}

/// The fields of a value that must be an object.
fn inside<'a>(value: &'a str, field: &'static str) -> Result<Fields<'a>, DecodeError> {
    let fields = Fields::read(value).map_err(|_| DecodeError::WrongField(field))?;
    fields.refuse_repeats()?;
    Ok(fields)
}
