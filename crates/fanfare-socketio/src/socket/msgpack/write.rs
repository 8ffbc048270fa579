//! Writes a packet as a map, its JSON as MessagePack, without recursion.

use bytes::Bytes;
use rmp::encode;

use crate::socket::{
    Packet, binary,
    json::{self, Token, Tokens, unescape},
};

const VEC: &str = "a Vec takes all";
/// Below it every f64 that is whole stands for one whole number only (2^53).
const WHOLE_BELOW: f64 = 9_007_199_254_740_992.0;

/// The whole message: the map `{type, data?, nsp, id?}`.
pub(super) fn packet(packet: &Packet) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + packet.data().map_or(0, Bytes::len));
    let fields = 2 + u32::from(packet.data().is_some()) + u32::from(packet.id().is_some());
    encode::write_map_len(&mut out, fields).expect(VEC);
    text("type", &mut out);
    encode::write_uint(&mut out, packet.kind() as u64).expect(VEC);
    if let Some(data) = packet.data() {
        text("data", &mut out);
        value(json::text(data), packet.attachments(), &mut out);
    }
    text("nsp", &mut out);
    match packet.query() {
        Some(query) => text(&format!("{}?{query}", packet.namespace()), &mut out),
        None => text(packet.namespace().as_str(), &mut out),
    }
    if let Some(id) = packet.id() {
        text("id", &mut out);
        encode::write_uint(&mut out, id).expect(VEC);
    }
    out
}

/// Appends checked JSON, with the attachments in the places of their placeholders.
fn value(json: &str, attachments: &[Bytes], out: &mut Vec<u8>) {
    let mut lengths = lengths(json).into_iter();
    let mut tokens = Tokens::new(json);
    while let Some(token) = tokens.next() {
        match token {
            Token::BeginObject => {
                let length = lengths.next().expect("every object was counted");
                let attachment = if attachments.is_empty() { None } else { binary::take(&mut tokens) };
                match attachment {
                    Some(number) => encode::write_bin(out, &attachments[number]).expect(VEC),
                    None => drop(encode::write_map_len(out, length).expect(VEC)),
                }
            }
            Token::BeginArray => {
                let length = lengths.next().expect("every array was counted");
                encode::write_array_len(out, length).expect(VEC);
            }
            Token::End => {}
            Token::Key(quoted) | Token::Text(quoted) => text(&unescape(quoted), out),
            Token::Number(digits) => number(digits, out),
            Token::Literal("null") => encode::write_nil(out).expect(VEC),
            Token::Literal(literal) => encode::write_bool(out, literal == "true").expect(VEC),
        }
    }
}

/// How many entries each object and array has, in the order in which they begin.
fn lengths(json: &str) -> Vec<u32> {
    let mut lengths = Vec::new();
    let mut open: Vec<(usize, bool)> = Vec::new();
    for token in Tokens::new(json) {
        let entry = match token {
            Token::End => false,
            Token::Key(_) => true,
            _ => open.last().is_some_and(|&(_, object)| !object),
        };
        if let (true, Some(&(at, _))) = (entry, open.last()) {
            lengths[at] += 1;
        }
        match token {
            Token::BeginObject | Token::BeginArray => {
                open.push((lengths.len(), token == Token::BeginObject));
                lengths.push(0);
            }
            Token::End => drop(open.pop()),
            _ => {}
        }
    }
    lengths
}

fn text(text: &str, out: &mut Vec<u8>) {
    encode::write_str(out, text).expect(VEC);
}

/// A whole number, however it is written, stays one, as in JavaScript; any other is the nearest f64.
fn number(digits: &str, out: &mut Vec<u8>) {
    if let Ok(number) = digits.parse() {
        encode::write_uint(out, number).expect(VEC);
    } else if let Ok(number) = digits.parse() {
        encode::write_sint(out, number).expect(VEC);
    } else {
        let number: f64 = digits.parse().expect("a number of JSON is one of Rust's");
        if number.fract() == 0.0 && number.abs() < WHOLE_BELOW {
            encode::write_sint(out, number as i64).expect(VEC);
        } else {
            encode::write_f64(out, number).expect(VEC);
        }
    }
}
