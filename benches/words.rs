//! The few words of the native protocol's plain form that a measurement needs, written and scanned without a JSON library.

use std::io::Write as _;

use memchr::memchr;

/// Appends what a client says to join a room; `id` asks for an answer.
pub fn write_join(room: &str, out: &mut Vec<u8>) {
    write!(out, r#"{{"type":"join_room","room":"{room}","id":1}}"#).expect("a Vec takes all");
}

/// Appends what a client says to everyone else in a room: a stamp, filled up to `payload` bytes.
pub fn write_message(room: &str, stamp: Stamp, payload: usize, out: &mut Vec<u8>) {
    write!(out, r#"{{"type":"message","room":"{room}","content":""#).expect("a Vec takes all");
    let begin = out.len();
    write!(out, "{:06}{:010}", stamp.sender, stamp.sequence).expect("a Vec takes all");
    out.resize(begin + payload.max(Stamp::LENGTH), b'x');
    out.extend_from_slice(b"\"}");
}

/// Appends what the server tells the members about a message.
pub fn write_relayed(client_id: &str, content: &[u8], timestamp: u128, room: &str, out: &mut Vec<u8>) {
    write!(out, r#"{{"type":"message","clientId":"{client_id}","content":""#).expect("a Vec takes all");
    out.extend_from_slice(content);
    write!(out, r#"","timestamp":{timestamp},"room":"{room}"}}"#).expect("a Vec takes all");
}

/// The fields of a flat object whose texts have no escapes and no space around them, in their order: a scan, no check. It is
/// what our own clients and servers write.
pub fn fields(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = text.get(1..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (key, after) = quoted(rest)?;
        let after = after.get(1..)?;
        let (value, after) = match after.first()? {
            b'"' => quoted(after)?,
            _ => after.split_at(after.iter().position(|byte| matches!(byte, b',' | b'}'))?),
        };
        rest = after.get(1..)?;
        Some((key, value))
    })
}

/// What stands between the quote that `text` begins with and the next one, and what comes behind it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let end = memchr(b'"', text)?;
    Some((&text[..end], &text[end + 1..]))
}

/// What the beginning of a message's content says: who sent it, and its number among the sender's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The connection, counted from 0; below a million.
    pub sender: u32,
    /// Counts the sender's messages, from 0.
    pub sequence: u32,
}

impl Stamp {
    /// Bytes of a stamp: the least that a payload can be.
    pub const LENGTH: usize = 16;

    fn read(content: &[u8]) -> Option<Self> {
        let number = |digits: &[u8]| {
            digits
                .iter()
                .try_fold(0_u64, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
        };
        let sender = number(content.get(..6)?)?;
        let sequence = number(content.get(6..Self::LENGTH)?)?;
        Some(Self { sender: sender.try_into().ok()?, sequence: sequence.try_into().ok()? })
    }
}

/// Reads stamps. It looks first where the last one stood, because a server words all messages alike: millions a second are
/// read by one thread.
#[derive(Debug, Default)]
pub struct StampReader {
    at: usize,
}

impl StampReader {
    const BEFORE: &[u8] = br#""content":""#;

    /// The stamp of a message; `None` for any other word.
    pub fn read(&mut self, text: &[u8]) -> Option<Stamp> {
        let guess = text.get(self.at.saturating_sub(Self::BEFORE.len())..).unwrap_or_default();
        if !guess.starts_with(Self::BEFORE) {
            let mut fields = fields(text);
            if fields.next()? != (b"type", b"message") {
                return None;
            }
            let content = fields.find(|(key, _)| *key == b"content")?.1;
            self.at = content.as_ptr().addr() - text.as_ptr().addr();
        }
        Stamp::read(&text[self.at..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_from_what_a_server_makes_of_a_message() {
        let mut reader = StampReader::default();
        for (sender, sequence) in [(0, 0), (999_999, 1), (7, u32::MAX)] {
            let stamp = Stamp { sender, sequence };
            let mut asked = Vec::new();
            write_message("lobby", stamp, 64, &mut asked);
            let found: Vec<_> = fields(&asked).collect();
            let [(b"type", b"message"), (b"room", b"lobby"), (b"content", content)] = found[..] else {
                panic!("{found:?}");
            };
            assert_eq!(content.len(), 64);
            for id in ["short", "of-another-length"] {
                let mut told = Vec::new();
                write_relayed(id, content, 1_760_000_000_000, "lobby", &mut told);
                assert_eq!(reader.read(&told), Some(stamp), "{}", String::from_utf8_lossy(&told));
            }
        }
    }

    #[test]
    fn other_words_have_no_stamp() {
        let mut reader = StampReader::default();
        for text in [
            "",
            "{}",
            r#"{"type":"user_joined","clientId":"a","room":"r"}"#,
            r#"{"type":"ack","id":1}"#,
            r#"{"type":"message","content":"hello"}"#,
        ] {
            assert_eq!(reader.read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_fields_too() {
        let found: Vec<_> = fields(br#"{"type":"ack","id":17,"room":"r"}"#).collect();
        assert_eq!(found, [(&b"type"[..], &b"ack"[..]), (b"id", b"17"), (b"room", b"r")]);
    }
}
