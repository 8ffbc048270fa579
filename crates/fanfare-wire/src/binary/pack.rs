//! Writes MessagePack whose lengths are known only at the end, and turns JSON text into it.

use rmp::encode;
use smallvec::SmallVec;

use crate::scan::{Scanner, Text, Tokens};

const VEC: &str = "a Vec takes all";

/// Writes maps and arrays entry by entry.
///
/// Each begins with the one byte of a short header. One that grows beyond 15 entries gets a longer header at its end, and
/// what was written of it moves: at most [`MAX_DEPTH`](crate::limits::MAX_DEPTH) times.
pub(super) struct Packer<'a> {
    out: &'a mut Vec<u8>,
    open: SmallVec<[Open; 8]>,
}

struct Open {
    map: bool,
    header: usize,
    entries: u32,
}

impl<'a> Packer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, open: SmallVec::new() }
    }

    pub(super) fn begin(&mut self, map: bool) {
        self.open.push(Open { map, header: self.out.len(), entries: 0 });
        self.out.push(0);
    }

    pub(super) fn end(&mut self) {
        let Open { map, header, entries } = self.open.pop().expect("every end has a beginning");
        let mut bytes = [0; 5];
        let mut rest = &mut bytes[..];
        let written =
            if map { encode::write_map_len(&mut rest, entries) } else { encode::write_array_len(&mut rest, entries) };
        written.expect("the longest header has 5 bytes");
        let unused = rest.len();
        self.out.splice(header..=header, bytes[..5 - unused].iter().copied());
    }

    /// Counts an entry of the innermost map or array.
    pub(super) fn entry(&mut self) {
        self.open.last_mut().expect("entries stand in a map or an array").entries += 1;
    }

    pub(super) fn text(&mut self, text: &str) {
        encode::write_str(self.out, text).expect(VEC);
    }

    pub(super) fn number(&mut self, number: u64) {
        encode::write_uint(self.out, number).expect(VEC);
    }

    pub(super) fn boolean(&mut self, value: bool) {
        encode::write_bool(self.out, value).expect(VEC);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        encode::write_bin(self.out, bytes).expect(VEC);
    }

    /// Writes a JSON value that was scanned before.
    pub(super) fn json(&mut self, json: &str) {
        let mut transcoder = Transcoder { packer: self, depth: 0, arrays: 0 };
        Scanner::new(json).walk(0, &mut transcoder).expect("the text was scanned before");
    }
}

/// Takes the tokens of a JSON value.
struct Transcoder<'a, 'out> {
    packer: &'a mut Packer<'out>,
    /// How many containers of the value are open.
    depth: usize,
    /// One bit for each of them, the innermost last: 1 for an array, whose values are its entries.
    arrays: u64,
}

impl Transcoder<'_, '_> {
    fn value(&mut self) {
        if self.depth > 0 && self.arrays & 1 == 1 {
            self.packer.entry();
        }
    }

    fn begin(&mut self, map: bool) {
        self.value();
        self.packer.begin(map);
        self.depth += 1;
        self.arrays = self.arrays << 1 | u64::from(!map);
    }
}

impl Tokens for Transcoder<'_, '_> {
    fn begin_object(&mut self) {
        self.begin(true);
    }

    fn begin_array(&mut self) {
        self.begin(false);
    }

    fn end(&mut self) {
        self.depth -= 1;
        self.arrays >>= 1;
        self.packer.end();
    }

    fn key(&mut self, key: Text<'_>) {
        self.packer.entry();
        self.packer.text(&key.unescape());
    }

    fn text(&mut self, text: Text<'_>) {
        self.value();
        self.packer.text(&text.unescape());
    }

    fn number(&mut self, number: &str) {
        self.value();
        // A whole number that fits stays one; any other is the nearest f64, as in every reader of JSON.
        if let Ok(number) = number.parse() {
            self.packer.number(number);
        } else if let Ok(number) = number.parse() {
            encode::write_sint(self.packer.out, number).expect(VEC);
        } else {
            let number = number.parse().expect("a number of JSON is one of Rust's");
            encode::write_f64(self.packer.out, number).expect(VEC);
        }
    }

    fn literal(&mut self, literal: &str) {
        self.value();
        match literal {
            "null" => encode::write_nil(self.packer.out).expect(VEC),
            literal => self.packer.boolean(literal == "true"),
        }
    }
}
