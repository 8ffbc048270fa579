//! Reads JSON text token by token, without recursion and without copying (RFC 8259).
//!
//! Stricter than the grammar in two places, because a receiver that cannot read what was relayed to it is lost: escapes of
//! lone surrogates, and numbers beyond the range of an `f64`, are refused.

mod text;

pub(crate) use text::Text;
use text::{hex, plain_prefix};

use crate::{DecodeError, limits::MAX_DEPTH};

/// Takes the tokens of a value in their order.
pub(crate) trait Tokens {
    fn begin_object(&mut self) {}
    fn begin_array(&mut self) {}
    /// The innermost open object or array ends.
    fn end(&mut self) {}
    fn key(&mut self, _key: Text<'_>) {}
    fn text(&mut self, _text: Text<'_>) {}
    fn number(&mut self, _number: &str) {}
    /// `true`, `false` or `null`.
    fn literal(&mut self, _literal: &str) {}
}

/// Takes nothing: for walking over a value.
struct Nothing;

impl Tokens for Nothing {}

/// A place in a text. After an error the place is unspecified.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn malformed<T>(&self) -> Result<T, DecodeError> {
        Err(DecodeError::Malformed { at: self.at })
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Skips space and takes `byte`, if it is there.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Skips space to the end of the text.
    pub(crate) fn finish(&mut self) -> Result<(), DecodeError> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { self.malformed() }
    }

    /// Walks over one value inside `depth` open containers and returns its text, without space around it.
    pub(crate) fn value(&mut self, depth: usize) -> Result<&'a str, DecodeError> {
        self.skip_space();
        let start = self.at;
        self.walk(depth, &mut Nothing)?;
        Ok(&self.text[start..self.at])
    }

    /// Walks over one value inside `depth` open containers and hands on its tokens.
    pub(crate) fn walk(&mut self, depth: usize, tokens: &mut impl Tokens) -> Result<(), DecodeError> {
        // One bit for each open container, the innermost last: 1 for an object. 64 bits are MAX_DEPTH.
        let mut kinds: u64 = 0;
        let mut open = 0;
        'value: loop {
            self.skip_space();
            match self.peek() {
                Some(b'"') => tokens.text(self.text()?),
                Some(start @ (b'{' | b'[')) => {
                    if depth + open >= MAX_DEPTH {
                        return Err(DecodeError::TooDeep);
                    }
                    self.at += 1;
                    let object = start == b'{';
                    if object {
                        tokens.begin_object()
                    } else {
                        tokens.begin_array()
                    }
                    if self.take(if object { b'}' } else { b']' }) {
                        tokens.end();
                    } else {
                        kinds = kinds << 1 | u64::from(object);
                        open += 1;
                        if object {
                            tokens.key(self.key()?);
                        }
                        continue 'value;
                    }
                }
                Some(b'-' | b'0'..=b'9') => tokens.number(self.number()?),
                _ => tokens.literal(self.literal()?),
            }
            // A value has ended here, and with it perhaps the containers around it.
            loop {
                if open == 0 {
                    return Ok(());
                }
                let object = kinds & 1 == 1;
                if self.take(b',') {
                    if object {
                        tokens.key(self.key()?);
                    }
                    continue 'value;
                }
                if !self.take(if object { b'}' } else { b']' }) {
                    return self.malformed();
                }
                tokens.end();
                kinds >>= 1;
                open -= 1;
            }
        }
    }

    /// Reads a key and the colon behind it.
    pub(crate) fn key(&mut self) -> Result<Text<'a>, DecodeError> {
        self.skip_space();
        let key = self.text()?;
        if self.take(b':') { Ok(key) } else { self.malformed() }
    }

    /// Reads a string, which must begin here.
    pub(crate) fn text(&mut self) -> Result<Text<'a>, DecodeError> {
        if self.peek() != Some(b'"') {
            return self.malformed();
        }
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_prefix(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    let raw = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Text::new(raw, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.malformed(),
            }
        }
    }

    fn escape(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.unit()? {
                0xD800..=0xDBFF => {
                    if self.text.as_bytes().get(self.at..self.at + 2) != Some(b"\\u") {
                        return self.malformed();
                    }
                    self.at += 1;
                    if !matches!(self.unit()?, 0xDC00..=0xDFFF) {
                        return self.malformed();
                    }
                }
                0xDC00..=0xDFFF => return self.malformed(),
                _ => {}
            },
            _ => return self.malformed(),
        }
        Ok(())
    }

    /// Reads `u` and four hexadecimal digits: one unit of UTF-16.
    fn unit(&mut self) -> Result<u16, DecodeError> {
        self.at += 1;
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        match digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            Some(digits) => {
                self.at += 4;
                Ok(digits.iter().fold(0, |unit, &digit| unit << 4 | hex(digit)))
            }
            None => self.malformed(),
        }
    }

    fn number(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let number = &self.text[start..self.at];
        // The largest f64 has 309 digits, so a shorter number without an exponent is in range.
        if (!whole || number.len() > 300) && !number.parse().is_ok_and(f64::is_finite) {
            return Err(DecodeError::Malformed { at: start });
        }
        Ok(number)
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { self.malformed() }
    }

    fn literal(&mut self) -> Result<&'a str, DecodeError> {
        let rest = &self.text.as_bytes()[self.at..];
        for literal in ["true", "false", "null"] {
            if rest.starts_with(literal.as_bytes()) {
                self.at += literal.len();
                return Ok(literal);
            }
        }
        self.malformed()
    }
}

#[cfg(test)]
mod tests;
