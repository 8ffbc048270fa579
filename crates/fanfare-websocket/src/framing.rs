//! Messages as frames on the wire, for both ends (RFC 6455, section 5).

use std::sync::{Arc, LazyLock};

use fanfare::{
    CloseCode,
    transport::{Framing, MessageKind},
};
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

use crate::mask::apply_mask;

/// The most bytes of a close frame's reason: a control frame carries 125, two of them are the code.
const MAX_REASON_BYTES: usize = 123;

/// A server's frames: unmasked, so that one frame serves everybody in a room.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebSocketFraming;

impl WebSocketFraming {
    /// The framing, shared.
    pub fn shared() -> Arc<dyn Framing> {
        static SHARED: LazyLock<Arc<dyn Framing>> = LazyLock::new(|| Arc::new(WebSocketFraming));
        SHARED.clone()
    }
}

impl Framing for WebSocketFraming {
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn frame(&self, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>) {
        put(data(kind), None, payload, out);
    }

    fn ping(&self, out: &mut Vec<u8>) -> bool {
        put(OpCode::Control(Control::Ping), None, &[], out);
        true
    }

    fn pong(&self, payload: &[u8], out: &mut Vec<u8>) {
        put(OpCode::Control(Control::Pong), None, payload, out);
    }

    fn close(&self, code: CloseCode, reason: &str, out: &mut Vec<u8>) -> bool {
        put(OpCode::Control(Control::Close), None, &close_payload(code, reason), out);
        true
    }
}

/// A client's frames: each with a fresh mask from the operating system's random source.
///
/// Do not share frames between connections: the masks are there to be unpredictable on each one.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientFraming;

impl Framing for ClientFraming {
    fn name(&self) -> &'static str {
        "websocket-client"
    }

    fn frame(&self, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>) {
        put(data(kind), Some(fresh_mask()), payload, out);
    }

    fn ping(&self, out: &mut Vec<u8>) -> bool {
        put(OpCode::Control(Control::Ping), Some(fresh_mask()), &[], out);
        true
    }

    fn pong(&self, payload: &[u8], out: &mut Vec<u8>) {
        put(OpCode::Control(Control::Pong), Some(fresh_mask()), payload, out);
    }

    fn close(&self, code: CloseCode, reason: &str, out: &mut Vec<u8>) -> bool {
        put(OpCode::Control(Control::Close), Some(fresh_mask()), &close_payload(code, reason), out);
        true
    }
}

fn data(kind: MessageKind) -> OpCode {
    OpCode::Data(match kind {
        MessageKind::Text => Data::Text,
        MessageKind::Binary => Data::Binary,
    })
}

fn put(opcode: OpCode, mask: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    let header = FrameHeader { opcode, mask, ..FrameHeader::default() };
    let length = payload.len() as u64;
    out.reserve(header.len(length) + payload.len());
    header.format(length, out).expect("writing to a Vec cannot fail");
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(mask, 0, &mut out[start..]);
    }
}

fn close_payload(code: CloseCode, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = Vec::with_capacity(2 + end);
    payload.extend_from_slice(&code.code().to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    payload
}

fn fresh_mask() -> [u8; 4] {
    let mut mask = [0; 4];
    getrandom::fill(&mut mask).expect("the operating system has a random source");
    mask
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fanfare::transport::Inbound;
    use tungstenite::protocol::Role;

    use super::*;
    use crate::{Decoder, DecoderConfig};

    fn framed(kind: MessageKind, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0xEE];
        WebSocketFraming.frame(kind, payload, &mut out);
        out.remove(0);
        out
    }

    #[test]
    fn the_header_is_as_short_as_the_length_allows() {
        for (length, header) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (65_535, &[0x82, 126, 0xFF, 0xFF]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = framed(MessageKind::Binary, &vec![7; length]);
            assert_eq!(&frame[..header.len()], header, "length {length}");
            assert_eq!(&frame[header.len()..], vec![7; length]);
        }
        assert_eq!(framed(MessageKind::Text, b"hi"), [0x81, 2, b'h', b'i']);
    }

    #[test]
    fn a_reason_is_cut_before_a_character_that_does_not_fit() {
        let mut out = Vec::new();
        assert!(WebSocketFraming.close(CloseCode::Kicked, &"é".repeat(100), &mut out));
        assert_eq!(out[..2], [0x88, 124]);
        assert_eq!(std::str::from_utf8(&out[4..]).unwrap(), "é".repeat(61));
    }

    #[test]
    fn what_either_end_frames_the_other_decodes() {
        let framings: [(&dyn Framing, Role); 2] = [(&WebSocketFraming, Role::Client), (&ClientFraming, Role::Server)];
        for (framing, role) in framings {
            let mut out = Vec::new();
            framing.frame(MessageKind::Text, "grüße".as_bytes(), &mut out);
            framing.frame(MessageKind::Binary, &[1, 2, 3], &mut out);
            assert!(framing.ping(&mut out));
            framing.pong(b"echo", &mut out);
            assert!(framing.close(CloseCode::GoingAway, "bye", &mut out));
            let mut seen = Vec::new();
            Decoder::new(role, DecoderConfig::default())
                .decode(&mut out, &mut |inbound| seen.push(format!("{inbound:?}")))
                .unwrap();
            let expected = [
                Inbound::Text("grüße"),
                Inbound::Binary(&[1, 2, 3]),
                Inbound::Ping(&[]),
                Inbound::Pong(b"echo"),
                Inbound::Close(1001, "bye"),
            ];
            assert_eq!(seen, expected.map(|inbound| format!("{inbound:?}")));
        }
    }
}
