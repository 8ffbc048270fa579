//! Reads the map of a packet and turns its data into JSON, without recursion.

use bytes::Bytes;
use fanfare_wire::limits::MAX_DEPTH;
use rmp::Marker;
use serde::Serialize;

use super::{EXTENSION, date::iso_8601};
use crate::socket::{BuildError, DecodeError, PacketLimits, binary};

/// The fields of a packet, as they were sent.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) kind: Option<u64>,
    pub(super) namespace: Option<String>,
    pub(super) id: Option<u64>,
    pub(super) data: Option<Vec<u8>>,
    pub(super) attachments: Vec<Bytes>,
}

/// Reads a message that is one map. Fields that a packet does not have, such as `options`, are walked over.
pub(super) fn fields(message: &Bytes, limits: &PacketLimits) -> Result<Fields, DecodeError> {
    if message.len() > limits.max_packet_bytes {
        return Err(DecodeError::TooLarge { limit: limits.max_packet_bytes });
    }
    let mut reader = Reader { message, at: 0, limits };
    let marker = reader.marker()?;
    if !matches!(marker, Marker::FixMap(_) | Marker::Map16 | Marker::Map32) {
        return Err(DecodeError::MessagePack { at: 0 });
    }
    let mut fields = Fields::default();
    for _ in 0..reader.len(marker)? {
        let start = reader.at;
        let twice = || DecodeError::MessagePack { at: start };
        let mut value = Value::default();
        match &*reader.text()? {
            "type" => put(&mut fields.kind, reader.whole_number()?).ok_or_else(twice)?,
            "nsp" => put(&mut fields.namespace, Some(reader.text()?)).ok_or_else(twice)?,
            "id" => put(&mut fields.id, reader.whole_number()?).ok_or_else(twice)?,
            "data" => {
                reader.value(&mut value)?;
                let data = Some(value.json).filter(|json| !json.is_empty());
                put(&mut fields.data, data).ok_or_else(twice)?;
                fields.attachments = value.attachments;
            }
            _ => reader.value(&mut value)?,
        }
    }
    if reader.at < message.len() {
        return Err(DecodeError::MessagePack { at: reader.at });
    }
    Ok(fields)
}

/// Puts a value into a field. `None`: the field had one.
fn put<T>(field: &mut Option<T>, value: Option<T>) -> Option<()> {
    if value.is_some() && field.is_some() {
        return None;
    }
    if value.is_some() {
        *field = value;
    }
    Some(())
}

/// A value as JSON with placeholders, empty for `undefined`.
#[derive(Default)]
struct Value {
    json: Vec<u8>,
    attachments: Vec<Bytes>,
}

/// A map or array that is not at its end.
struct Open {
    map: bool,
    /// How many entries are still to come, as it was announced.
    left: u32,
}

struct Reader<'a> {
    message: &'a Bytes,
    at: usize,
    limits: &'a PacketLimits,
}

impl Reader<'_> {
    fn value(&mut self, value: &mut Value) -> Result<(), DecodeError> {
        let mut open: Vec<Open> = Vec::new();
        // Where the entry of a map begins that is being read: it is taken back when its value turns out `undefined`.
        let mut entry = 0;
        loop {
            if !self.item(value, &mut open)? {
                match open.last() {
                    Some(Open { map: true, .. }) => value.json.truncate(entry),
                    Some(Open { map: false, .. }) => value.json.extend_from_slice(b"null"),
                    None => {}
                }
            }
            if value.json.len() > self.limits.max_packet_bytes {
                return Err(DecodeError::TooLarge { limit: self.limits.max_packet_bytes });
            }
            while let Some(Open { map, left: 0 }) = open.last() {
                value.json.push(if *map { b'}' } else { b']' });
                open.pop();
            }
            let Some(Open { map, left }) = open.last_mut() else { return Ok(()) };
            *left -= 1;
            entry = value.json.len();
            if !matches!(value.json.last(), Some(b'{' | b'[')) {
                value.json.push(b',');
            }
            if *map {
                write(&self.text()?, &mut value.json);
                value.json.push(b':');
            }
        }
    }

    /// Reads a value that has no others in it, or the beginning of one that has. `false` for `undefined`.
    fn item(&mut self, value: &mut Value, open: &mut Vec<Open>) -> Result<bool, DecodeError> {
        let start = self.at;
        let json = &mut value.json;
        match self.marker()? {
            Marker::Null => json.extend_from_slice(b"null"),
            Marker::True => json.extend_from_slice(b"true"),
            Marker::False => json.extend_from_slice(b"false"),
            Marker::FixPos(number) => write(&number, json),
            Marker::FixNeg(number) => write(&number, json),
            Marker::U8 => write(&u8::from_be_bytes(self.array()?), json),
            Marker::U16 => write(&u16::from_be_bytes(self.array()?), json),
            Marker::U32 => write(&u32::from_be_bytes(self.array()?), json),
            Marker::U64 => write(&u64::from_be_bytes(self.array()?), json),
            Marker::I8 => write(&i8::from_be_bytes(self.array()?), json),
            Marker::I16 => write(&i16::from_be_bytes(self.array()?), json),
            Marker::I32 => write(&i32::from_be_bytes(self.array()?), json),
            Marker::I64 => write(&i64::from_be_bytes(self.array()?), json),
            // Its digits as an f64 has them, as in JavaScript.
            Marker::F32 => write(&f64::from(f32::from_be_bytes(self.array()?)), json),
            Marker::F64 => write(&f64::from_be_bytes(self.array()?), json),
            marker @ (Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32) => {
                let length = self.len(marker)?;
                write(&String::from_utf8_lossy(&self.bytes(length)?), json);
            }
            marker @ (Marker::Bin8 | Marker::Bin16 | Marker::Bin32) => {
                let length = self.len(marker)?;
                self.attach(length, value)?;
            }
            marker @ (Marker::FixArray(_) | Marker::Array16 | Marker::Array32) => {
                begin(Open { map: false, left: self.len(marker)? }, json, open)?;
            }
            marker @ (Marker::FixMap(_) | Marker::Map16 | Marker::Map32) => {
                begin(Open { map: true, left: self.len(marker)? }, json, open)?;
            }
            marker => return self.extension(marker, start, value),
        }
        Ok(true)
    }

    /// Reads one of the package's own extensions. `false` for `undefined`.
    fn extension(&mut self, marker: Marker, start: usize, value: &mut Value) -> Result<bool, DecodeError> {
        let length = match marker {
            Marker::FixExt1 => 1,
            Marker::FixExt8 => 8,
            Marker::Ext8 | Marker::Ext16 | Marker::Ext32 => self.len(marker)?,
            _ => return Err(DecodeError::MessagePack { at: start }),
        };
        if i8::from_be_bytes(self.array()?) != EXTENSION {
            return Err(DecodeError::MessagePack { at: start });
        }
        match marker {
            Marker::FixExt1 => {
                self.bytes(length)?;
                return Ok(false);
            }
            Marker::FixExt8 => write(&iso_8601(i64::from_be_bytes(self.array()?)), &mut value.json),
            _ => self.attach(length, value)?,
        }
        Ok(true)
    }

    /// Takes bytes as an attachment, without copying them.
    fn attach(&mut self, length: u32, value: &mut Value) -> Result<(), DecodeError> {
        let limit = self.limits.max_attachments;
        if value.attachments.len() == limit {
            return Err(DecodeError::TooManyAttachments { limit });
        }
        binary::write(value.attachments.len(), &mut value.json);
        value.attachments.push(self.bytes(length)?);
        Ok(())
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let start = self.at;
        let marker = self.marker()?;
        if !matches!(marker, Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32) {
            return Err(DecodeError::MessagePack { at: start });
        }
        let length = self.len(marker)?;
        Ok(String::from_utf8_lossy(&self.bytes(length)?).into_owned())
    }

    /// Reads a whole number that is not negative. `None` for `undefined`.
    fn whole_number(&mut self) -> Result<Option<u64>, DecodeError> {
        let start = self.at;
        let mut value = Value::default();
        let mut open = Vec::new();
        if !self.item(&mut value, &mut open)? {
            return Ok(None);
        }
        let number = std::str::from_utf8(&value.json).ok().and_then(|json| json.parse().ok());
        number.map(Some).ok_or(DecodeError::MessagePack { at: start })
    }

    /// The length that a marker has in itself or behind it.
    fn len(&mut self, marker: Marker) -> Result<u32, DecodeError> {
        Ok(match marker {
            Marker::FixStr(length) | Marker::FixArray(length) | Marker::FixMap(length) => length.into(),
            Marker::Str8 | Marker::Bin8 | Marker::Ext8 => u8::from_be_bytes(self.array()?).into(),
            Marker::Str16 | Marker::Bin16 | Marker::Ext16 | Marker::Array16 | Marker::Map16 => {
                u16::from_be_bytes(self.array()?).into()
            }
            _ => u32::from_be_bytes(self.array()?),
        })
    }

    fn marker(&mut self) -> Result<Marker, DecodeError> {
        Ok(Marker::from_u8(u8::from_be_bytes(self.array()?)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let array = self.message[self.at..].first_chunk().ok_or(DecodeError::MessagePack { at: self.at })?;
        self.at += N;
        Ok(*array)
    }

    fn bytes(&mut self, length: u32) -> Result<Bytes, DecodeError> {
        let end = self.at.checked_add(length as usize).filter(|&end| end <= self.message.len());
        let bytes = self.message.slice(self.at..end.ok_or(DecodeError::MessagePack { at: self.at })?);
        self.at += bytes.len();
        Ok(bytes)
    }
}

fn begin(new: Open, json: &mut Vec<u8>, open: &mut Vec<Open>) -> Result<(), DecodeError> {
    if open.len() >= MAX_DEPTH {
        return Err(BuildError::TooDeep.into());
    }
    json.push(if new.map { b'{' } else { b'[' });
    open.push(new);
    Ok(())
}

/// Appends a string, a number or nothing. A number that is not finite is `null`.
fn write<T: Serialize + ?Sized>(value: &T, json: &mut Vec<u8>) {
    serde_json::to_writer(json, value).expect("strings and numbers are JSON and a Vec takes all");
}
