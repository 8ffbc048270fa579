//! JSON text: checked once, then walked token by token without recursion.

use std::borrow::Cow;

use bytes::Bytes;
use fanfare_wire::{Payload, PayloadError};

use super::BuildError;

/// Checks that a text is one JSON value, nested no deeper than 64, and takes it without the space around it.
///
/// The escape of a lone surrogate becomes the one of U+FFFD, as whoever encodes it in UTF-8 would have it. JavaScript sends
/// one whenever somebody cuts an emoji in half, and no reader but JavaScript takes it.
pub(super) fn check(json: Bytes) -> Result<Bytes, BuildError> {
    let text = std::str::from_utf8(&json).map_err(|error| BuildError::Json { at: error.valid_up_to() })?;
    let json = match without_lone_surrogates(text) {
        Cow::Borrowed(_) => json,
        Cow::Owned(text) => text.into(),
    };
    match Payload::from_json(json) {
        Ok(Payload::Json(json)) => Ok(json),
        Err(PayloadError::Malformed { at }) => Err(BuildError::Json { at }),
        Err(_) => Err(BuildError::TooDeep),
        Ok(_) => unreachable!("JSON is taken as JSON"),
    }
}

/// A checked value as text.
pub(super) fn text(json: &Bytes) -> &str {
    std::str::from_utf8(json).expect("checked JSON is UTF-8")
}

/// The characters that a string token means.
pub(super) fn unescape(quoted: &str) -> Cow<'_, str> {
    if quoted.contains('\\') {
        serde_json::from_str(quoted).map(Cow::Owned).expect("checked JSON has no malformed escapes")
    } else {
        Cow::Borrowed(&quoted[1..quoted.len() - 1])
    }
}

fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    let mut repaired: Option<String> = None;
    let mut rest = text;
    let mut at = 0;
    while let Some(found) = rest.find('\\') {
        at += found;
        let escape = &text[at..];
        let length = match surrogate(escape) {
            None => 2,
            Some(0xD800..=0xDBFF) if matches!(escape.get(6..).and_then(surrogate), Some(0xDC00..)) => 12,
            Some(_) => {
                repaired.get_or_insert_with(|| text.to_owned()).replace_range(at + 2..at + 6, "fffd");
                6
            }
        };
        // What is escaped may be cut or no ASCII: then it is no JSON either, and whoever reads it next says so.
        let Some(behind) = escape.get(length..) else { break };
        at += length;
        rest = behind;
    }
    repaired.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The surrogate that an escape stands for, if it does.
fn surrogate(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    let unit = u16::from_str_radix(digits, 16).ok()?;
    (0xD800..=0xDFFF).contains(&unit).then_some(unit)
}

/// A token of JSON; strings with their quotes and escapes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    BeginObject,
    BeginArray,
    /// The innermost object or array ends.
    End,
    Key(&'a str),
    Text(&'a str),
    Number(&'a str),
    /// `true`, `false` or `null`.
    Literal(&'a str),
}

/// The tokens of a text that [`check`] has passed. Of any other text they are unspecified.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(json: &'a str) -> Self {
        Self { rest: json }
    }

    /// Takes the next `length` bytes.
    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (token, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(token)
    }
}

const SPACE: [char; 4] = [' ', '\n', '\r', '\t'];

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        // In checked JSON commas tell nothing, and colons no more than which strings are keys.
        self.rest = self.rest.trim_start_matches(SPACE).trim_start_matches([',', ':']).trim_start_matches(SPACE);
        match self.rest.bytes().next()? {
            b'{' => self.take(1).map(|_| Token::BeginObject),
            b'[' => self.take(1).map(|_| Token::BeginArray),
            b'}' | b']' => self.take(1).map(|_| Token::End),
            b'"' => {
                let text = self.take(string_length(self.rest)?)?;
                let key = self.rest.trim_start_matches(SPACE).starts_with(':');
                Some(if key { Token::Key(text) } else { Token::Text(text) })
            }
            first => {
                let ends = |byte: u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
                let length = self.rest.bytes().position(ends).unwrap_or(self.rest.len());
                let token = self.take(length)?;
                Some(if first.is_ascii_lowercase() { Token::Literal(token) } else { Token::Number(token) })
            }
        }
    }
}

/// How many bytes the string has that begins here, with its quotes.
fn string_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'"' || byte == b'\\')?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tokens_come_in_their_order_whatever_space_is_between() {
        use Token::*;
        let expected = [
            BeginArray,
            Text(r#""a,\"]""#),
            Number("-1.5e3"),
            BeginObject,
            Key(r#""k:\\""#),
            Literal("null"),
            Key(r#""é""#),
            BeginArray,
            End,
            End,
            Literal("true"),
            End,
        ];
        for json in [
            r#"["a,\"]",-1.5e3,{"k:\\":null,"é":[]},true]"#,
            "[ \"a,\\\"]\"\t,\n-1.5e3 , { \"k:\\\\\" : null , \"é\" : [ ] } , true ]",
        ] {
            let json = check(json.into()).unwrap();
            assert_eq!(Tokens::new(text(&json)).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn the_half_of_an_emoji_becomes_a_replacement_character() {
        let table = [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\uDE00x\ud83d""#, r#""\ufffdx\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\\ude00""#, r#""\ufffd\\ude00""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\ud83d\ude00é""#, r#""\ud83d\ude00é""#),
        ];
        for (json, taken) in table {
            assert_eq!(check(json.into()).unwrap(), taken, "{json}");
        }
        for bad in [r#""\ud83"#, r#""\u"#, "\"\\", "\"\\é\"", r#""\u+123""#, r#""\ud83d\u12"#] {
            assert!(matches!(check(bad.into()), Err(BuildError::Json { .. })), "{bad}");
        }
    }
}
