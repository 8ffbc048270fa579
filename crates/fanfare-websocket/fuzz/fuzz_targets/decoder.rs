//! Any bytes, cut anywhere, for both roles: no panic, the same outcome as in one piece, and bounded memory.
#![no_main]

use std::sync::{Arc, LazyLock};

use fanfare_websocket::{Decoder, DecoderConfig, Role, ViolationError};
use libfuzzer_sys::fuzz_target;

const MAX_MESSAGE_BYTES: usize = 4096;
/// What the decoder may hold beside a message: its state, and the start of a control frame.
const CONSTANT: usize = 1024;

static CONFIG: LazyLock<Arc<DecoderConfig>> = LazyLock::new(|| {
    Arc::new(DecoderConfig { max_message_bytes: MAX_MESSAGE_BYTES, max_fragments: 64, ..DecoderConfig::default() })
});

fn decode(role: Role, pieces: &mut [&mut [u8]]) -> (Vec<String>, Result<(), ViolationError>) {
    let mut decoder = Decoder::new(role, CONFIG.clone());
    let mut seen = Vec::new();
    for piece in pieces {
        let result = decoder.decode(piece, &mut |inbound| seen.push(format!("{inbound:?}")));
        assert!(decoder.held_bytes() <= MAX_MESSAGE_BYTES + CONSTANT);
        if result.is_err() {
            assert_eq!(decoder.held_bytes(), 0);
            return (seen, result);
        }
    }
    (seen, Ok(()))
}

// The first byte says the role, the second how many of the next bytes are the lengths of pieces.
fuzz_target!(|input: &[u8]| {
    let [role, count, rest @ ..] = input else { return };
    let role = if role % 2 == 0 { Role::Server } else { Role::Client };
    let (lengths, bytes) = rest.split_at(usize::from(*count).min(rest.len()));

    let whole = decode(role, &mut [&mut bytes.to_vec()]);
    let mut copy = bytes.to_vec();
    let mut left = &mut copy[..];
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, others) = left.split_at_mut(usize::from(*length).min(left.len()));
        pieces.push(piece);
        left = others;
    }
    pieces.push(left);
    assert_eq!(decode(role, &mut pieces), whole);
});
