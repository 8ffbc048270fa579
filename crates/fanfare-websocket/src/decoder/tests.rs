//! Every rule of the decoder, as tables; each row holds for one piece and for one byte at a time.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;
const CLOSE: u8 = 0x88;
/// The first byte of frames that are not the last of their message.
const TEXT_START: u8 = 0x01;
const BINARY_START: u8 = 0x02;
const MIDDLE: u8 = 0x00;
const LAST: u8 = 0x80;

/// A client's frame with the shortest length.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&KEY);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(KEY, 0, &mut out[start..]);
    out
}

fn server(config: &DecoderConfig) -> Decoder {
    Decoder::new(Role::Server, config.clone())
}

type Outcome = (Vec<String>, Result<(), ViolationError>);

/// Feeds `pieces` one after the other, until an error.
fn feed<'a>(decoder: &mut Decoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut seen = Vec::new();
    for piece in pieces {
        let mut scratch = piece.to_vec();
        let result = decoder.decode(&mut scratch, &mut |inbound| seen.push(format!("{inbound:?}")));
        if result.is_err() {
            return (seen, result);
        }
    }
    (seen, Ok(()))
}

/// The outcome for `bytes` in one piece, after checking that single bytes and pairs give the same.
fn outcome(config: &DecoderConfig, bytes: &[u8]) -> Outcome {
    let whole = feed(&mut server(config), [bytes]);
    assert_eq!(feed(&mut server(config), bytes.chunks(1)), whole, "byte by byte");
    assert_eq!(feed(&mut server(config), bytes.chunks(2)), whole, "in pairs");
    whole
}

fn violation(bytes: &[u8]) -> Option<ViolationError> {
    outcome(&DecoderConfig::default(), bytes).1.err()
}

#[test]
fn each_broken_rule_has_its_name_and_its_close_code() {
    use ViolationError as V;
    let masked = |first: u8, rest: &[u8]| [&[first][..], rest].concat();
    let rows: Vec<(&str, Vec<u8>, V, u16)> = vec![
        ("no mask", vec![TEXT, 0x01, b'a'], V::Unmasked, 1002),
        ("RSV1", frame(TEXT | 0x40, b"a"), V::ReservedBits, 1002),
        ("RSV2", frame(TEXT | 0x20, b"a"), V::ReservedBits, 1002),
        ("RSV3", frame(TEXT | 0x10, b"a"), V::ReservedBits, 1002),
        ("RSV1 on a ping", frame(PING | 0x40, b"a"), V::ReservedBits, 1002),
        ("opcode 3", frame(0x83, b""), V::ReservedOpcode, 1002),
        ("opcode 7", frame(0x87, b""), V::ReservedOpcode, 1002),
        ("opcode 11", frame(0x8B, b""), V::ReservedOpcode, 1002),
        ("opcode 15", frame(0x8F, b""), V::ReservedOpcode, 1002),
        ("ping of 126 bytes", frame(PING, &[0; 126]), V::ControlTooLong, 1002),
        ("close of 65,536 bytes", frame(CLOSE, &[0; 65_536]), V::ControlTooLong, 1002),
        ("ping in fragments", frame(0x09, b""), V::ControlFragmented, 1002),
        ("close in fragments", frame(0x08, b""), V::ControlFragmented, 1002),
        ("lonely continuation", frame(MIDDLE, b"a"), V::ContinuationWithoutStart, 1002),
        ("lonely last continuation", frame(LAST, b"a"), V::ContinuationWithoutStart, 1002),
        ("text inside text", [frame(TEXT_START, b"a"), frame(TEXT, b"b")].concat(), V::StartInsideMessage, 1002),
        ("125 in 16 bits", masked(BINARY, &[0xFE, 0, 125]), V::LengthNotMinimal, 1002),
        ("65,535 in 64 bits", masked(BINARY, &[0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]), V::LengthNotMinimal, 1002),
        ("2^63", masked(BINARY, &[0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0]), V::LengthOverflow, 1002),
        (
            "2^63 - 1",
            masked(BINARY, &[0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4]),
            V::MessageTooBig,
            1009,
        ),
        ("close of one byte", frame(CLOSE, &[3]), V::CloseTooShort, 1002),
        ("close reason", frame(CLOSE, &[3, 0xE8, 0xFF]), V::CloseReason, 1007),
        ("bad text", frame(TEXT, b"ab\xFFcd"), V::Utf8, 1007),
        ("surrogate", frame(TEXT, b"\xED\xA0\x80"), V::Utf8, 1007),
        ("overlong", frame(TEXT, b"\xC0\xAF"), V::Utf8, 1007),
        ("beyond U+10FFFF", frame(TEXT, b"\xF4\x90\x80\x80"), V::Utf8, 1007),
        ("text that ends inside a character", frame(TEXT, b"a\xE2\x82"), V::Utf8, 1007),
        (
            "fragments that end inside a character",
            [frame(TEXT_START, b"a\xE2"), frame(LAST, b"\x82")].concat(),
            V::Utf8,
            1007,
        ),
    ];
    for (name, bytes, expected, code) in rows {
        let (seen, result) = outcome(&DecoderConfig::default(), &bytes);
        assert_eq!(result, Err(expected), "{name}");
        assert!(seen.is_empty(), "{name}: {seen:?}");
        assert_eq!(expected.code().code(), code, "{name}");
    }
}

#[test]
fn a_message_is_over_after_its_last_fragment() {
    let bytes = [frame(TEXT_START, b"a"), frame(LAST, b"b"), frame(LAST, b"c")].concat();
    let (seen, result) = outcome(&DecoderConfig::default(), &bytes);
    assert_eq!((seen, result), (vec!["Text(\"ab\")".to_owned()], Err(ViolationError::ContinuationWithoutStart)));
}

#[test]
fn a_client_refuses_masked_frames() {
    let mut bytes = frame(TEXT, b"a");
    let result = Decoder::new(Role::Client, DecoderConfig::default()).decode(&mut bytes, &mut |_| {});
    assert_eq!(result, Err(ViolationError::Masked));
}

#[test]
fn close_codes_follow_the_registry() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let (seen, result) = outcome(&DecoderConfig::default(), &frame(CLOSE, &u16::to_be_bytes(code)));
        assert_eq!((seen, result), (vec![format!("Close({code}, \"\")")], Ok(())));
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_eq!(violation(&frame(CLOSE, &u16::to_be_bytes(code))), Some(ViolationError::CloseCode), "{code}");
    }
}

#[test]
fn messages_of_every_length_class_arrive_whole() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
        let payload: Vec<u8> = (0..length).map(|i| b'a' + (i % 26) as u8).collect();
        let text = String::from_utf8(payload.clone()).unwrap();
        let bytes = [frame(TEXT, &payload), frame(BINARY, &payload)].concat();
        let (seen, result) = outcome(&DecoderConfig::default(), &bytes);
        assert_eq!(result, Ok(()));
        assert_eq!(seen, [format!("{:?}", Inbound::Text(&text)), format!("{:?}", Inbound::Binary(&payload))]);
    }
}

#[test]
fn control_frames_pass_between_fragments_in_order() {
    let bytes = [
        frame(TEXT_START, "gr".as_bytes()),
        frame(PING, b"1"),
        frame(MIDDLE, &"ü".as_bytes()[..1]),
        frame(PONG, b"2"),
        frame(MIDDLE, &"ü".as_bytes()[1..]),
        frame(LAST, "ße".as_bytes()),
        frame(BINARY_START, b"x"),
        frame(LAST, b"y"),
    ]
    .concat();
    let (seen, result) = outcome(&DecoderConfig::default(), &bytes);
    assert_eq!(result, Ok(()));
    assert_eq!(seen, ["Ping([49])", "Pong([50])", "Text(\"grüße\")", "Binary([120, 121])"]);
}

#[test]
fn nothing_is_delivered_after_a_close() {
    let bytes = [frame(CLOSE, &[0x03, 0xE8, b'o', b'k']), frame(TEXT, b"late"), vec![0xFF; 20]].concat();
    let (seen, result) = outcome(&DecoderConfig::default(), &bytes);
    assert_eq!((seen, result), (vec!["Close(1000, \"ok\")".to_owned()], Ok(())));
    let (seen, _) = outcome(&DecoderConfig::default(), &frame(CLOSE, b""));
    assert_eq!(seen, ["Close(1005, \"\")"]);
}

#[test]
fn nothing_is_delivered_after_a_violation() {
    let mut decoder = server(&DecoderConfig::default());
    let mut bytes = [frame(TEXT_START, b"held"), frame(0x83, b"")].concat();
    assert!(decoder.decode(&mut bytes, &mut |_| panic!("nothing is complete")).is_err());
    assert!(decoder.is_failed() && !decoder.is_closed());
    assert_eq!(decoder.held_bytes(), 0);
    assert_eq!(decoder.decode(&mut frame(TEXT, b"late"), &mut |_| panic!("ended")), Ok(()));
}

#[test]
fn bad_text_fails_at_its_first_bad_byte() {
    // Autobahn 6.4: valid, then a byte that cannot follow, then more; in fragments, and within one unfinished frame.
    let bad = [&b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90"[..], b"\x80\x80edited"].concat();
    let whole = frame(TEXT, &bad);
    let header = whole.len() - bad.len();
    let mut decoder = server(&DecoderConfig::default());
    assert_eq!(feed(&mut decoder, [&whole[..header + 12]]).1, Ok(()));
    assert_eq!(feed(&mut decoder, [&whole[header + 12..header + 13]]).1, Err(ViolationError::Utf8));

    let mut decoder = server(&DecoderConfig::default());
    assert_eq!(feed(&mut decoder, [&frame(TEXT_START, &bad[..12])[..]]).1, Ok(()));
    assert_eq!(feed(&mut decoder, [&frame(MIDDLE, &bad[12..13])[..]]).1, Err(ViolationError::Utf8));
}

#[test]
fn a_message_over_the_limit_is_refused_on_its_header() {
    let config = DecoderConfig { max_message_bytes: 1000, ..DecoderConfig::default() };
    assert_eq!(outcome(&config, &frame(BINARY, &[0; 1000])).1, Ok(()));
    let over = frame(BINARY, &[0; 1001]);
    let mut decoder = server(&config);
    assert_eq!(feed(&mut decoder, [&over[..8]]).1, Err(ViolationError::MessageTooBig));
    assert_eq!(decoder.held_bytes(), 0);

    let sum = [frame(BINARY_START, &[0; 600]), frame(LAST, &[0; 400])].concat();
    assert_eq!(outcome(&config, &sum).1, Ok(()));
    let sum = [frame(BINARY_START, &[0; 600]), frame(LAST, &[0; 401])].concat();
    assert_eq!(feed(&mut server(&config), [&sum[..sum.len() - 401]]).1, Err(ViolationError::MessageTooBig));
}

#[test]
fn fragments_are_counted() {
    let config = DecoderConfig { max_fragments: 3, max_empty_fragments: 1, ..DecoderConfig::default() };
    let fragments = |n: usize, payload: &[u8]| {
        [frame(BINARY_START, payload), frame(MIDDLE, payload).repeat(n - 2), frame(LAST, payload)].concat()
    };
    assert_eq!(outcome(&config, &fragments(3, b"a").repeat(2)).1, Ok(()), "counted per message");
    assert_eq!(outcome(&config, &fragments(4, b"a")).1, Err(ViolationError::TooManyFragments));
    assert_eq!(outcome(&config, &fragments(2, b"")).1, Err(ViolationError::TooManyEmptyFragments));
    assert_eq!(outcome(&config, &frame(TEXT, b"").repeat(10)).1, Ok(()), "empty messages are not fragments");
    assert_eq!(violation(&fragments(1025, b"a")), Some(ViolationError::TooManyFragments));
    assert_eq!(violation(&fragments(1024, b"a")), None);
    assert_eq!(violation(&fragments(65, b"")), Some(ViolationError::TooManyEmptyFragments));
    assert_eq!(ViolationError::TooManyFragments.code().code(), 1008);
    assert_eq!(ViolationError::TooManyEmptyFragments.code().code(), 1008);
}

#[test]
fn control_frames_are_limited_by_burst_and_by_rate() {
    let mut decoder = server(&DecoderConfig::default());
    assert_eq!(feed(&mut decoder, [&frame(PING, b"").repeat(100)[..]]).1, Ok(()));
    // Half of a frame's time is not used up, and counts the next time.
    let half = Duration::from_millis(25);
    assert_eq!(decoder.refill_control(half), Duration::ZERO);
    assert_eq!(decoder.refill_control(half * 3), half * 2);
    assert_eq!(feed(&mut decoder, [&frame(PONG, b"")[..]]).1, Ok(()));
    assert_eq!(feed(&mut decoder, [&frame(PONG, b"")[..]]).1, Err(ViolationError::ControlFlood));
    assert_eq!(ViolationError::ControlFlood.code().code(), 1008);

    let mut decoder = server(&DecoderConfig::default());
    assert!(decoder.control_is_full());
    feed(&mut decoder, [&frame(PING, b"").repeat(40)[..]]).1.unwrap();
    assert!(!decoder.control_is_full());
    decoder.refill_control(Duration::from_secs(2));
    assert!(decoder.control_is_full());
}

#[test]
fn an_idle_decoder_holds_nothing() {
    let config = DecoderConfig { max_message_bytes: 4096, control_burst: u32::MAX, ..DecoderConfig::default() };
    let mut decoder = server(&config);
    let idle_again =
        [frame(TEXT_START, b"a"), frame(PING, b"b"), frame(LAST, b"c"), frame(BINARY, &[0; 4096])].concat();
    for cut in 0..=idle_again.len() {
        let (left, right) = idle_again.split_at(cut);
        feed(&mut decoder, [left]).1.unwrap();
        assert!(decoder.held_bytes() <= 4096 + 512, "cut at {cut}: {}", decoder.held_bytes());
        feed(&mut decoder, [right]).1.unwrap();
        assert_eq!(decoder.held_bytes(), 0, "cut at {cut}");
    }
}

#[test]
fn memory_grows_by_what_arrived_and_not_by_what_was_announced() {
    let config = DecoderConfig { max_message_bytes: 16 << 20, ..DecoderConfig::default() };
    for first in [BINARY, TEXT] {
        let bytes = frame(first, &vec![b'a'; 16 << 20]);
        let mut decoder = server(&config);
        feed(&mut decoder, [&bytes[..14 + 100]]).1.unwrap();
        assert!((100..1024).contains(&decoder.held_bytes()));
        feed(&mut decoder, bytes[14 + 100..1 << 20].chunks(1000)).1.unwrap();
        assert!(decoder.held_bytes() <= 3 << 20, "at most twice what arrived: {}", decoder.held_bytes());
        feed(&mut decoder, bytes[1 << 20..bytes.len() - 1].chunks(60_000)).1.unwrap();
        assert!(decoder.held_bytes() <= (16 << 20) + 512, "{}", decoder.held_bytes());
    }
}

#[test]
fn a_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 32, "{}", size_of::<Decoder>());
    assert!(size_of::<TimedDecoder>() <= 48, "{}", size_of::<TimedDecoder>());
}

proptest! {
    /// Any bytes, mostly near-frames, cut anywhere: the same outcome as in one piece, and bounded memory.
    #[test]
    fn the_outcome_does_not_depend_on_how_the_bytes_were_split(
        frames in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40), any::<bool>()), 0..12),
        noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut bytes = Vec::new();
        for (first, payload, tame) in &frames {
            let first = if *tame { [TEXT, BINARY, PING, TEXT_START, MIDDLE, LAST][*first as usize % 6] } else { *first & 0x8F };
            let ascii: Vec<u8> = payload.iter().map(|byte| byte & 0x7F).collect();
            bytes.extend(frame(first, if *tame { &ascii } else { payload }));
        }
        if !bytes.is_empty() {
            for (at, value) in noise {
                *at.get_mut(&mut bytes) = value;
            }
        }
        let config = DecoderConfig { max_message_bytes: 100, ..DecoderConfig::default() };
        let whole = feed(&mut server(&config), [&bytes[..]]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let mut decoder = server(&config);
        let mut from = 0;
        let mut seen = Vec::new();
        let mut result = Ok(());
        for cut in cuts {
            let part = feed(&mut decoder, [&bytes[from..cut]]);
            from = cut;
            prop_assert!(decoder.held_bytes() <= 100 + 512);
            seen.extend(part.0);
            result = result.and(part.1);
        }
        prop_assert_eq!((seen, result), whole);
    }
}
