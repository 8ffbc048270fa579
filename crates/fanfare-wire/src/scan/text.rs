//! What stands between two quotes.

use std::borrow::Cow;

/// A string as it stands in the text, without its quotes.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// `escaped` tells whether `raw`, which was scanned, has a backslash.
    pub(super) fn new(raw: &'a str, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The characters that are meant. Allocates only where there are escapes.
    pub(crate) fn unescape(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

/// How many bytes stand before the first that is a quote, a backslash or a control character. Eight at a time.
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = 0;
    while let Some((chunk, _)) = bytes[at..].split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // The high bit of a byte that is zero (or below 0x20): the borrow of a subtraction. A borrow may run on into
        // higher bytes, never into lower ones, so that the lowest bit found is exact.
        let found = ((quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word))
            & HIGHS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|&&byte| byte != b'"' && byte != b'\\' && byte >= 0x20).count()
}

/// The value of a hexadecimal digit.
pub(super) fn hex(digit: u8) -> u16 {
    u16::from(if digit.is_ascii_digit() { digit - b'0' } else { (digit | 0x20) - b'a' + 10 })
}

/// Resolves the escapes of a string that was scanned.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let (kind, behind) = escape.split_at(1);
        rest = behind;
        match kind {
            "b" => text.push('\u{8}'),
            "f" => text.push('\u{c}'),
            "n" => text.push('\n'),
            "r" => text.push('\r'),
            "t" => text.push('\t'),
            "u" => {
                let unit = |digits: &str| digits.bytes().fold(0, |unit, digit| unit << 4 | hex(digit));
                let first = unit(&rest[..4]);
                let pair = (0xD800..0xDC00).contains(&first);
                let units = if pair { [first, unit(&rest[6..10])] } else { [first, 0] };
                text.extend(char::decode_utf16(units.into_iter().take(1 + usize::from(pair))).flatten());
                rest = &rest[if pair { 10 } else { 4 }..];
            }
            itself => text.push_str(itself),
        }
    }
    text.push_str(rest);
    text
}
