//! WebSocket frames of both ends, as few as a measurement needs (RFC 6455, section 5): whole messages, no extensions.

/// A text message.
pub const TEXT: u8 = 1;
/// The end of the connection.
pub const CLOSE: u8 = 8;
/// Asks for a pong.
pub const PING: u8 = 9;
/// Answers a ping.
pub const PONG: u8 = 10;

/// Clients mask with this key: a server has the same work with any but zero.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0xe8];

/// One frame, found in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is, such as [`TEXT`].
    pub opcode: u8,
    /// Its payload, unmasked.
    pub payload: &'a [u8],
    /// Bytes of the whole frame.
    pub length: usize,
}

/// Finds the frame at the beginning of `bytes` and unmasks it where it lies; `None` while it is not whole.
///
/// # Errors
/// The rule that it breaks. Fragments and extensions are legal WebSocket, but nothing here sends them.
pub fn first(bytes: &mut [u8]) -> Result<Option<Frame<'_>>, &'static str> {
    let [start, second, ..] = *bytes else { return Ok(None) };
    if start & 0x70 != 0 {
        return Err("a reserved bit");
    }
    if start & 0x80 == 0 || start & 0x0f == 0 {
        return Err("a fragment");
    }
    let masked = second & 0x80 != 0;
    let (after_length, payload_length) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(length) => (4, usize::from(u16::from_be_bytes([length[0], length[1]]))),
            None => return Ok(None),
        },
        127 => return Err("a message of more than 64 KiB"),
        length => (2, usize::from(length)),
    };
    let begin = after_length + if masked { 4 } else { 0 };
    let end = begin + payload_length;
    if bytes.len() < end {
        return Ok(None);
    }
    if masked {
        let key = [bytes[begin - 4], bytes[begin - 3], bytes[begin - 2], bytes[begin - 1]];
        apply_mask(key, &mut bytes[begin..end]);
    }
    Ok(Some(Frame { opcode: start & 0x0f, payload: &bytes[begin..end], length: end }))
}

/// Appends a server's frame.
///
/// # Panics
/// If the payload is longer than 65,535 bytes.
pub fn write_server(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    write_header(opcode, payload.len(), 0, out);
    out.extend_from_slice(payload);
}

/// Appends a client's frame, masked.
///
/// # Panics
/// If the payload is longer than 65,535 bytes.
pub fn write_client(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    write_header(opcode, payload.len(), 0x80, out);
    out.extend_from_slice(&MASK);
    let begin = out.len();
    out.extend_from_slice(payload);
    apply_mask(MASK, &mut out[begin..]);
}

fn write_header(opcode: u8, length: usize, masked: u8, out: &mut Vec<u8>) {
    let long = u16::try_from(length).expect("measured messages are shorter than 64 KiB");
    out.push(0x80 | opcode);
    match u8::try_from(length) {
        Ok(short @ 0..=125) => out.push(masked | short),
        _ => {
            out.push(masked | 126);
            out.extend_from_slice(&long.to_be_bytes());
        }
    }
}

fn apply_mask(key: [u8; 4], bytes: &mut [u8]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut words = bytes.chunks_exact_mut(8);
    for word in &mut words {
        let masked = u64::from_ne_bytes(word.try_into().expect("a chunk of eight")) ^ wide;
        word.copy_from_slice(&masked.to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_when_its_last_byte_is_there_and_not_before() {
        for length in [0, 1, 7, 8, 125, 126, 1000, 65_535] {
            let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            for write in [write_server, write_client] {
                let mut whole = Vec::new();
                write(TEXT, &payload, &mut whole);
                let end = whole.len();
                for cut in [0, 1, 2, 3, 5, end - 1] {
                    if cut < end {
                        assert_eq!(first(&mut whole[..cut].to_vec()), Ok(None), "{cut} of {end}");
                    }
                }
                whole.extend_from_slice(b"next");
                let found = first(&mut whole).unwrap().unwrap();
                assert_eq!((found.opcode, found.payload, found.length), (TEXT, &payload[..], end));
            }
        }
    }

    #[test]
    fn tungstenite_reads_what_a_client_writes() {
        let mut bytes = Vec::new();
        write_client(TEXT, b"hello, all of you", &mut bytes);
        let mut stream = tungstenite::WebSocket::from_partially_read(
            std::io::Cursor::new(Vec::new()),
            bytes,
            tungstenite::protocol::Role::Server,
            None,
        );
        assert_eq!(stream.read().unwrap().to_text().unwrap(), "hello, all of you");
    }

    #[test]
    fn what_a_measurement_does_not_expect_is_an_error() {
        for (bytes, rule) in [
            ([0xc1, 0x00], "a reserved bit"),
            ([0x01, 0x00], "a fragment"),
            ([0x80, 0x00], "a fragment"),
            ([0x81, 0x7f], "a message of more than 64 KiB"),
        ] {
            assert_eq!(first(&mut bytes.to_vec()), Err(rule));
        }
    }
}
