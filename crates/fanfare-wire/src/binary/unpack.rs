//! Turns MessagePack into JSON text, without recursion.

use rmp::Marker;
use serde::Serialize;
use smallvec::SmallVec;

use crate::{DecodeError, limits::MAX_DEPTH};

/// A map or array that is not at its end.
struct Open {
    map: bool,
    /// How many entries are still to come, as it was announced.
    left: u32,
}

struct Unpacker<'a> {
    message: &'a [u8],
    at: usize,
    json: Vec<u8>,
    open: SmallVec<[Open; 8]>,
    /// Whether the value that comes is the outermost map's `data`.
    is_data: bool,
    data: Option<&'a [u8]>,
}

/// The JSON text of a message that is one map, and the bytes that stand in it as `data`; the text has a `null` there.
pub(super) fn unpack(message: &[u8]) -> Result<(String, Option<&[u8]>), DecodeError> {
    let is_map = |marker| matches!(marker, Marker::FixMap(_) | Marker::Map16 | Marker::Map32);
    if message.first().is_some_and(|&first| !is_map(Marker::from_u8(first))) {
        return Err(DecodeError::NotAnObject);
    }
    let mut unpacker = Unpacker {
        message,
        at: 0,
        json: Vec::with_capacity(message.len() + message.len() / 2),
        open: SmallVec::new(),
        is_data: false,
        data: None,
    };
    unpacker.run()?;
    if unpacker.at < message.len() {
        return Err(DecodeError::Malformed { at: unpacker.at });
    }
    let text = String::from_utf8(unpacker.json).expect("every string in it was checked");
    Ok((text, unpacker.data))
}

impl<'a> Unpacker<'a> {
    fn run(&mut self) -> Result<(), DecodeError> {
        loop {
            self.value()?;
            while let Some(Open { map, left: 0 }) = self.open.last() {
                self.json.push(if *map { b'}' } else { b']' });
                self.open.pop();
            }
            let outermost = self.open.len() == 1;
            let Some(open) = self.open.last_mut() else { return Ok(()) };
            open.left -= 1;
            let map = open.map;
            if !matches!(self.json.last(), Some(b'{' | b'[')) {
                self.json.push(b',');
            }
            self.is_data = false;
            if map {
                let key = self.key()?;
                self.write(key);
                self.json.push(b':');
                self.is_data = outermost && key == "data";
            }
        }
    }

    fn value(&mut self) -> Result<(), DecodeError> {
        let start = self.at;
        let malformed = Err(DecodeError::Malformed { at: start });
        match self.marker()? {
            Marker::Null => self.json.extend_from_slice(b"null"),
            Marker::True => self.json.extend_from_slice(b"true"),
            Marker::False => self.json.extend_from_slice(b"false"),
            Marker::FixPos(number) => self.write(&number),
            Marker::FixNeg(number) => self.write(&number),
            Marker::U8 => self.number(u8::from_be_bytes)?,
            Marker::U16 => self.number(u16::from_be_bytes)?,
            Marker::U32 => self.number(u32::from_be_bytes)?,
            Marker::U64 => self.number(u64::from_be_bytes)?,
            Marker::I8 => self.number(i8::from_be_bytes)?,
            Marker::I16 => self.number(i16::from_be_bytes)?,
            Marker::I32 => self.number(i32::from_be_bytes)?,
            Marker::I64 => self.number(i64::from_be_bytes)?,
            Marker::F32 => match f32::from_be_bytes(self.array()?) {
                number if number.is_finite() => self.write(&number),
                _ => return malformed,
            },
            Marker::F64 => match f64::from_be_bytes(self.array()?) {
                number if number.is_finite() => self.write(&number),
                _ => return malformed,
            },
            marker @ (Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32) => {
                let text = self.text(marker)?;
                self.write(text);
            }
            marker @ (Marker::Bin8 | Marker::Bin16 | Marker::Bin32) => {
                if !self.is_data {
                    return malformed;
                }
                let len = self.len(marker)?;
                self.data = Some(self.bytes(len)?);
                self.json.extend_from_slice(b"null");
            }
            marker @ (Marker::FixArray(_) | Marker::Array16 | Marker::Array32) => self.open(false, marker)?,
            marker @ (Marker::FixMap(_) | Marker::Map16 | Marker::Map32) => self.open(true, marker)?,
            _ => return malformed,
        }
        Ok(())
    }

    fn open(&mut self, map: bool, marker: Marker) -> Result<(), DecodeError> {
        let left = self.len(marker)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        self.open.push(Open { map, left });
        self.json.push(if map { b'{' } else { b'[' });
        Ok(())
    }

    fn key(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        let marker = self.marker()?;
        match marker {
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => self.text(marker),
            _ => Err(DecodeError::Malformed { at: start }),
        }
    }

    fn text(&mut self, marker: Marker) -> Result<&'a str, DecodeError> {
        let len = self.len(marker)?;
        let start = self.at;
        let text = std::str::from_utf8(self.bytes(len)?);
        text.map_err(|error| DecodeError::Malformed { at: start + error.valid_up_to() })
    }

    /// The length that a marker has in itself or behind it.
    fn len(&mut self, marker: Marker) -> Result<u32, DecodeError> {
        Ok(match marker {
            Marker::FixStr(len) | Marker::FixArray(len) | Marker::FixMap(len) => len.into(),
            Marker::Str8 | Marker::Bin8 => u8::from_be_bytes(self.array()?).into(),
            Marker::Str16 | Marker::Bin16 | Marker::Array16 | Marker::Map16 => u16::from_be_bytes(self.array()?).into(),
            _ => u32::from_be_bytes(self.array()?),
        })
    }

    fn number<const N: usize, T: Serialize>(&mut self, of: fn([u8; N]) -> T) -> Result<(), DecodeError> {
        let number = of(self.array()?);
        self.write(&number);
        Ok(())
    }

    fn write<T: Serialize + ?Sized>(&mut self, value: &T) {
        serde_json::to_writer(&mut self.json, value).expect("strings and numbers are JSON and a Vec takes all");
    }

    fn marker(&mut self) -> Result<Marker, DecodeError> {
        Ok(Marker::from_u8(u8::from_be_bytes(self.array()?)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let array = self.message[self.at..].first_chunk().ok_or(DecodeError::Malformed { at: self.at })?;
        self.at += N;
        Ok(*array)
    }

    fn bytes(&mut self, len: u32) -> Result<&'a [u8], DecodeError> {
        let bytes = self.message[self.at..].get(..len as usize).ok_or(DecodeError::Malformed { at: self.at })?;
        self.at += bytes.len();
        Ok(bytes)
    }
}
