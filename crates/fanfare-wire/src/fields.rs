//! The fields of one JSON object: found once, borrowed from its text.

use std::{borrow::Cow, collections::HashSet};

use smallvec::SmallVec;

use crate::{DecodeError, Epoch, Position, RoomName, limits::MAX_COMMAND_ID, scan::Scanner};

/// One field of an object.
pub(crate) struct Field<'a> {
    pub(crate) key: Cow<'a, str>,
    /// The key, the colon and the value, as they stand in the text.
    pub(crate) pair: &'a str,
    /// The value as it stands in the text, without space around it.
    pub(crate) value: &'a str,
}

/// The fields of one object, in their order.
pub(crate) struct Fields<'a>(SmallVec<[Field<'a>; 8]>);

impl<'a> Fields<'a> {
    /// Reads a text that is one object and nothing else, nested no deeper than the limit.
    pub(crate) fn read(text: &'a str) -> Result<Self, DecodeError> {
        let mut scanner = Scanner::new(text);
        if !scanner.take(b'{') {
            scanner.value(0)?;
            scanner.finish()?;
            return Err(DecodeError::NotAnObject);
        }
        let mut fields = SmallVec::new();
        if !scanner.take(b'}') {
            loop {
                scanner.skip_space();
                let start = scanner.at();
                let key = scanner.key()?.unescape();
                let value = scanner.value(1)?;
                fields.push(Field { key, pair: &text[start..scanner.at()], value });
                if scanner.take(b'}') {
                    break;
                }
                if !scanner.take(b',') {
                    return scanner.malformed();
                }
            }
        }
        scanner.finish()?;
        Ok(Self(fields))
    }

    /// Refuses a key that stands twice.
    pub(crate) fn refuse_repeats(&self) -> Result<(), DecodeError> {
        // Comparing all pairs is the fastest for a few fields, and a way to keep the server busy for thousands.
        let repeated = if self.0.len() <= 16 {
            let mut fields = self.0.iter().enumerate();
            fields
                .find(|(at, field)| self.0[..*at].iter().any(|earlier| earlier.key == field.key))
                .map(|(_, field)| field)
        } else {
            let mut seen = HashSet::with_capacity(self.0.len());
            self.0.iter().find(|field| !seen.insert(&*field.key))
        };
        match repeated {
            Some(field) => Err(DecodeError::RepeatedField(own_word(&field.key))),
            None => Ok(()),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Field<'a>> {
        self.0.iter()
    }

    /// The text of a value. A `null` is as good as no field.
    pub(crate) fn value(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|field| field.key == key).map(|field| field.value).filter(|value| *value != "null")
    }

    /// A field that must be a string, if it is there.
    pub(crate) fn text(&self, key: &'static str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => string(value).map(Some).ok_or(DecodeError::WrongField(key)),
        }
    }

    /// The `room`, which must be there and be a name.
    pub(crate) fn room(&self) -> Result<RoomName, DecodeError> {
        let room = self.text("room")?.ok_or(DecodeError::MissingField("room"))?;
        RoomName::new(room).map_err(|error| DecodeError::Name { field: "room", error })
    }

    /// The `id`, if it is there.
    pub(crate) fn id(&self) -> Result<Option<u64>, DecodeError> {
        self.number("id", MAX_COMMAND_ID)
    }

    /// A whole number from 0 to `max`, if the field is there.
    pub(crate) fn number(&self, key: &'static str, max: u64) -> Result<Option<u64>, DecodeError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        // The scanner let only numbers of JSON pass, so digits have no sign and no leading zero.
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse().ok().filter(|number| digits && *number <= max);
        number.map(Some).ok_or(DecodeError::WrongField(key))
    }

    /// A number of things, if the field is there.
    pub(crate) fn count(&self, key: &'static str) -> Result<Option<u32>, DecodeError> {
        Ok(self.number(key, u32::MAX.into())?.map(|count| count as u32))
    }

    /// A place `{"epoch":…,"offset":…}`, if the field is there.
    pub(crate) fn position(&self, key: &'static str) -> Result<Option<Position>, DecodeError> {
        self.value(key).map(|value| position(value).ok_or(DecodeError::WrongField(key))).transpose()
    }
}

/// The characters of a value that is a string.
pub(crate) fn string(value: &str) -> Option<Cow<'_, str>> {
    Scanner::new(value).text().ok().map(|text| text.unescape())
}

/// The place that an object tells.
pub(crate) fn position(value: &str) -> Option<Position> {
    let fields = Fields::read(value).ok()?;
    fields.refuse_repeats().ok()?;
    let epoch = fields.count("epoch").ok()??;
    let offset = fields.number("offset", u64::MAX).ok()??;
    Some(Position::new(Epoch(epoch), offset))
}

/// The word that an error may name: one of ours, or `*` for the application's.
fn own_word(key: &str) -> &'static str {
    const WORDS: [&str; 14] = [
        "type", "id", "room", "key", "content", "data", "since", "history", "limit", "auth", "token", "resume",
        "rooms", "inbox",
    ];
    WORDS.into_iter().find(|word| *word == key).unwrap_or("*")
}
