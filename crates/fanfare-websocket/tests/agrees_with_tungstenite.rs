//! The decoder and tungstenite's `WebSocketContext` read any stream of frames alike, where both follow the RFC.
#![allow(clippy::unwrap_used)]

use std::io::{self, Read, Write};

use fanfare::transport::Inbound;
use fanfare_websocket::{Decoder, DecoderConfig, Role, ViolationError, apply_mask};
use proptest::prelude::*;
use tungstenite::{
    Message,
    error::Error,
    protocol::{WebSocketConfig, WebSocketContext},
};

const MAX_MESSAGE_BYTES: usize = 300;

/// What is to be read; what tungstenite answers is dropped.
struct Feed<'a>(&'a [u8]);

impl Read for Feed<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(out) }
    }
}

impl Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn oracle(role: Role, bytes: &[u8]) -> (Vec<String>, Option<Error>) {
    let config = WebSocketConfig::default()
        .read_buffer_size(512)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let mut context = WebSocketContext::new(role, Some(config));
    let mut feed = Feed(bytes);
    let mut seen = Vec::new();
    loop {
        match context.read(&mut feed) {
            Ok(Message::Text(text)) => seen.push(format!("{:?}", Inbound::Text(&text))),
            Ok(Message::Binary(bytes)) => seen.push(format!("{:?}", Inbound::Binary(&bytes))),
            Ok(Message::Ping(bytes)) => seen.push(format!("{:?}", Inbound::Ping(&bytes))),
            Ok(Message::Pong(bytes)) => seen.push(format!("{:?}", Inbound::Pong(&bytes))),
            Ok(Message::Close(close)) => {
                let (code, reason) = close.as_ref().map_or((1005, ""), |close| (close.code.into(), &*close.reason));
                seen.push(format!("{:?}", Inbound::Close(code, reason)));
                return (seen, None);
            }
            Ok(Message::Frame(_)) => unreachable!("never read"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (seen, None),
            Err(error) => return (seen, Some(error)),
        }
    }
}

fn ours(role: Role, bytes: &[u8]) -> (Vec<String>, Option<ViolationError>) {
    let config = DecoderConfig {
        max_message_bytes: MAX_MESSAGE_BYTES,
        // tungstenite has no limits of this kind.
        max_fragments: u32::MAX,
        max_empty_fragments: u32::MAX,
        control_burst: u32::MAX,
        ..DecoderConfig::default()
    };
    let mut seen = Vec::new();
    let mut bytes = bytes.to_vec();
    let result = Decoder::new(role, config).decode(&mut bytes, &mut |inbound| seen.push(format!("{inbound:?}")));
    (seen, result.err())
}

/// Checks that both read `bytes` alike, and returns whether they failed.
fn compare(role: Role, bytes: &[u8]) -> Result<bool, TestCaseError> {
    let (mut theirs, mut error) = oracle(role, bytes);
    let (seen, violation) = ours(role, bytes);
    match violation {
        // tungstenite reads lengths that are not in their shortest form, those of control frames too.
        Some(ViolationError::LengthNotMinimal | ViolationError::ControlTooLong) => {
            prop_assert!(theirs.starts_with(&seen));
            return Ok(true);
        }
        // tungstenite tells its user of a close with 1002 where the code is not allowed.
        Some(ViolationError::CloseCode) if error.is_none() => {
            prop_assert_eq!(theirs.pop(), Some("Close(1002, \"Protocol violation\")".to_owned()));
        }
        // tungstenite looks at a frame when it is whole, we as soon as its bytes show what is wrong.
        Some(_) if error.is_none() => {
            let padded = [bytes, &[0; MAX_MESSAGE_BYTES + 14]].concat();
            (theirs, error) = oracle(role, &padded);
            prop_assert!(error.is_some(), "only we fail: {:?}", violation);
        }
        Some(_) => {}
        None => prop_assert!(error.is_none(), "only tungstenite fails: {:?}", error),
    }
    // 1014 was registered after tungstenite's table was written.
    if seen.last().is_some_and(|last| last.starts_with("Close(1014")) {
        theirs.pop();
        prop_assert_eq!(&seen[..seen.len() - 1], &theirs[..]);
    } else {
        prop_assert_eq!(seen, theirs);
    }
    Ok(violation.is_some())
}

fn frame(role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if role == Role::Server { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        length @ 0..126 => out.push(mask_bit | length as u8),
        length => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    if role == Role::Server {
        out.extend_from_slice(&[1, 2, 3, 4]);
    }
    let start = out.len();
    out.extend_from_slice(payload);
    if role == Role::Server {
        apply_mask([1, 2, 3, 4], 0, &mut out[start..]);
    }
    out
}

/// A valid message in 1 to 5 fragments, with pings between them.
fn message() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let cuts = proptest::collection::vec(any::<prop::sample::Index>(), 0..5);
    (prop_oneof!["\\PC{0,60}".prop_map(Ok), proptest::collection::vec(any::<u8>(), 0..200).prop_map(Err)], cuts)
        .prop_map(|(body, cuts)| {
            let (opcode, payload) = match body {
                Ok(text) => (1, text.into_bytes()),
                Err(bytes) => (2, bytes),
            };
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(payload.len());
            let mut frames = Vec::new();
            let mut from = 0;
            for (i, &cut) in cuts.iter().enumerate() {
                let last = if i + 1 == cuts.len() { 0x80 } else { 0 };
                frames.push((last | if i == 0 { opcode } else { 0 }, payload[from..cut].to_vec()));
                if i % 2 == 1 && last == 0 {
                    frames.push((0x89, vec![i as u8]));
                }
                from = cut;
            }
            frames
        })
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_streams_are_read_alike(role in role(), messages in proptest::collection::vec(message(), 0..6)) {
        let frames = messages.concat();
        let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(role, *first, payload)).collect();
        prop_assert!(!compare(role, &bytes)?);
        prop_assert_eq!(ours(role, &bytes).0.iter().filter(|seen| !seen.starts_with('P')).count(), messages.len());
    }

    #[test]
    fn broken_streams_are_read_alike(
        role in role(),
        messages in proptest::collection::vec(message(), 0..4),
        close in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..6)),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut frames = messages.concat();
        frames.extend(close.map(|payload| (0x88, payload)));
        let mut bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(role, *first, payload)).collect();
        if !bytes.is_empty() {
            for (at, value) in changes {
                *at.get_mut(&mut bytes) = value;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        compare(role, &bytes)?;
    }

    /// Headers of any kind, most of them wrong.
    #[test]
    fn any_bytes_are_read_alike(
        role in role(),
        frames in proptest::collection::vec((any::<u8>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..20)), 0..5),
    ) {
        let bytes: Vec<u8> = frames.into_iter().flat_map(|(first, second, rest)| {
            // Fewer reserved bits, so that more than the first byte is looked at.
            let first = if second & 1 == 0 { first & 0x8F } else { first };
            [vec![first, second], rest].concat()
        }).collect();
        compare(role, &bytes)?;
    }
}
