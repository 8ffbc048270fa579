#![allow(clippy::unwrap_used)]
//! Messages are found however the stream is cut, the limit holds on the byte, and nothing is held in between.

use fanfare::CloseCode;
use proptest::prelude::*;

use super::*;

type Pieces<'a> = &'a [&'a [u8]];
/// What a splitter told, and how it ended.
type Told = (Vec<String>, Option<CloseCode>);

fn split(mut splitter: impl Splitter, pieces: Pieces<'_>) -> Told {
    let mut told = Vec::new();
    for piece in pieces {
        let result = splitter.split(piece, &mut |inbound| match inbound {
            Inbound::Text(text) => told.push(text.to_owned()),
            Inbound::Binary(bytes) => told.push(format!("{bytes:?}")),
            other => panic!("no message: {other:?}"),
        });
        match result {
            Ok(()) => {}
            Err(ReceiveError::Peer { code, .. }) => return (told, Some(code)),
            Err(other) => panic!("not the peer's fault: {other}"),
        }
    }
    (told, None)
}

fn lines(max: usize, pieces: Pieces<'_>) -> Told {
    split(LineSplitter::new(max), pieces)
}

fn texts(max: usize, pieces: Pieces<'_>) -> Told {
    split(LengthSplitter::new(MessageKind::Text, max), pieces)
}

#[test]
fn a_line_ends_with_a_line_feed() {
    let rows: [(Pieces<'_>, &[&str]); 9] = [
        (&[b"one\n"], &["one"]),
        (&[b"one\ntwo\n"], &["one", "two"]),
        (&[b"one\r\ntwo\n"], &["one", "two"]),
        (&[b"on", b"e", b"\n"], &["one"]),
        (&[b"one\r", b"\ntwo\n"], &["one", "two"]),
        // A carriage return within a line is the line's own.
        (&[b"o\rne\n"], &["o\rne"]),
        (&[b"\n\r\n\none\n\n"], &["one"]),
        (&["gr".as_bytes(), &[0xC3], &[0xBC], b"n\n"], &["gr\u{fc}n"]),
        // What never ends is no message.
        (&[b"one\ntw"], &["one"]),
    ];
    for (pieces, expected) in rows {
        assert_eq!(lines(100, pieces), (expected.iter().map(ToString::to_string).collect(), None), "{pieces:?}");
    }
}

#[test]
fn a_line_may_be_as_long_as_the_limit_and_no_byte_longer() {
    let too_big = Some(CloseCode::TooBig);
    let rows: [(Pieces<'_>, Option<CloseCode>); 10] = [
        (&[b"1234\n"], None),
        (&[b"1234\r\n"], None),
        (&[b"1234", b"\n"], None),
        (&[b"1234", b"\r", b"\n"], None),
        (&[b"1234\r", b"\n"], None),
        (&[b"12345\n"], too_big),
        (&[b"1234", b"5"], too_big),
        // Refused before its end has come.
        (&[b"12345"], too_big),
        (&[b"1234\r", b"5"], too_big),
        (&[b"1234\r\r"], too_big),
    ];
    for (pieces, expected) in rows {
        assert_eq!(lines(4, pieces).1, expected, "{pieces:?}");
    }
}

#[test]
fn messages_before_a_broken_rule_stay_valid() {
    assert_eq!(lines(4, &[b"one\n\xFF\ntwo\n"]), (vec!["one".into()], Some(CloseCode::InvalidPayload)));
    assert_eq!(lines(4, &[b"one\n12345\ntwo\n"]), (vec!["one".into()], Some(CloseCode::TooBig)));
    assert_eq!(texts(4, &[b"\0\0\0\x01a\0\0\0\x01\xFF"]), (vec!["a".into()], Some(CloseCode::InvalidPayload)));
}

#[test]
fn a_message_comes_behind_its_length() {
    let rows: [(Pieces<'_>, &[&str], Option<CloseCode>); 8] = [
        (&[b"\0\0\0\x03one"], &["one"], None),
        (&[b"\0\0\0\x03one\0\0\0\x04four"], &["one", "four"], None),
        (&[b"\0", b"\0\0", b"\x03o", b"ne\0", b"\0\0\x01x"], &["one", "x"], None),
        // Empty ones keep a connection alive and are nothing else.
        (&[b"\0\0\0\0\0\0\0\x01x", b"\0\0", b"\0\0"], &["x"], None),
        (&[b"\0\0\0\x03on"], &[], None),
        // Refused on the header, before anything of the message has come.
        (&[b"\0\0\0\x05"], &[], Some(CloseCode::TooBig)),
        (&[b"\0\0\0", b"\x05"], &[], Some(CloseCode::TooBig)),
        (&[b"\xFF\xFF\xFF\xFF"], &[], Some(CloseCode::TooBig)),
    ];
    for (pieces, expected, code) in rows {
        assert_eq!(texts(4, pieces), (expected.iter().map(ToString::to_string).collect(), code), "{pieces:?}");
    }
    let bytes = split(LengthSplitter::new(MessageKind::Binary, 4), &[b"\0\0\0\x02\xFF\0"]);
    assert_eq!(bytes, (vec!["[255, 0]".into()], None));
}

#[test]
fn nothing_is_held_between_messages() {
    let mut line = LineSplitter::new(100_000);
    let mut length = LengthSplitter::new(MessageKind::Text, 100_000);
    let long = "x".repeat(50_000);
    for (splitter, whole) in [
        (&mut line as &mut dyn Splitter, [long.as_bytes(), b"\n"].concat()),
        (&mut length, [&50_000_u32.to_be_bytes()[..], long.as_bytes()].concat()),
    ] {
        let (first, rest) = whole.split_at(20_000);
        let mut told = 0;
        splitter.split(first, &mut |_| told += 1).unwrap();
        splitter.split(rest, &mut |_| told += 1).unwrap();
        assert_eq!(told, 1);
    }
    assert_eq!((line.partial.capacity(), length.partial.capacity()), (0, 0));
}

#[test]
fn a_header_makes_nobody_allocate() {
    let mut splitter = LengthSplitter::new(MessageKind::Binary, 1 << 30);
    splitter.split(&(1_u32 << 30).to_be_bytes(), &mut |_| {}).unwrap();
    assert!(splitter.partial.capacity() < 64);
}

/// Cuts `bytes` at these places, whatever they are.
fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn cutting_a_stream_changes_nothing(
        // Few different bytes, so that line ends, zeros and limits are met often.
        bytes in prop::collection::vec(prop::sample::select(b"\n\r\0\x01\x02\x05ab\xC3\xBC".to_vec()), 0..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        max in 1_usize..6,
    ) {
        let pieces = cut(&bytes, &cuts);
        // A line that is too long is noticed at different places, but what was told before is the same.
        prop_assert_eq!(lines(max, &pieces), lines(max, &[&bytes]));
        prop_assert_eq!(texts(max, &pieces), texts(max, &[&bytes]));
    }

    #[test]
    fn what_is_framed_is_found(messages in prop::collection::vec("[^\n]{0,20}", 0..10), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let splitters: [(_, Box<dyn Splitter>); 2] = [
            ("lines", Box::new(LineSplitter::new(100))),
            ("length", Box::new(LengthSplitter::new(MessageKind::Text, 100))),
        ];
        for (name, mut splitter) in splitters {
            let mut wire = Vec::new();
            let framing = splitter.framing();
            for message in &messages {
                framing.frame(MessageKind::Text, message.as_bytes(), &mut wire);
                framing.frame(MessageKind::Binary, b"has no form", &mut wire);
            }
            let mut found = Vec::new();
            for piece in cut(&wire, &cuts) {
                splitter.split(piece, &mut |inbound| match inbound {
                    Inbound::Text(text) => found.push(text.to_owned()),
                    other => panic!("{other:?}"),
                }).unwrap();
            }
            let trim = |text: &String| if name == "lines" { text.strip_suffix('\r').unwrap_or(text).to_owned() } else { text.clone() };
            let expected: Vec<String> = messages.iter().map(trim).filter(|text| !text.is_empty()).collect();
            prop_assert_eq!(&found, &expected, "{}", name);
        }
    }
}
