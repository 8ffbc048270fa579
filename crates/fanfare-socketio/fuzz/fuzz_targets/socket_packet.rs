//! Any bytes as a text and attachments, or as one MessagePack message. The first byte chooses; lines separate messages.

#![no_main]

use bytes::Bytes;
use fanfare_socketio::{
    Message, Revision,
    socket::{DefaultParser, MsgpackParser, Packet, PacketLimits, Parser},
};
use libfuzzer_sys::fuzz_target;

const LIMITS: PacketLimits = PacketLimits { max_attachments: 100, max_packet_bytes: 1_000_000 };

fuzz_target!(|input: &[u8]| {
    let Some((choice, input)) = input.split_first() else { return };
    let revision = if choice & 1 == 0 { Revision::V4 } else { Revision::V3 };
    let parsers: [&dyn Parser; 2] = [&DefaultParser { limits: LIMITS }, &MsgpackParser { limits: LIMITS }];
    if choice & 2 == 0 {
        let mut decoder = parsers[0].decoder(revision);
        for line in input.split(|&byte| byte == b'\n') {
            let read = match std::str::from_utf8(line) {
                Ok(text) if decoder.held_bytes() == 0 => decoder.text(text),
                _ => decoder.binary(Bytes::copy_from_slice(line)),
            };
            assert!(decoder.held_bytes() <= LIMITS.max_packet_bytes);
            let Ok(read) = read else { return };
            read.iter().for_each(|packet| check(packet, &parsers, revision));
        }
    } else if let Ok(Some(packet)) = parsers[1].decoder(revision).binary(Bytes::copy_from_slice(input)) {
        check(&packet, &parsers, revision);
    }
});

/// What was read can be written in each encoding, and is read as the same.
fn check(packet: &Packet, parsers: &[&dyn Parser; 2], revision: Revision) {
    assert_eq!(again(parsers[0], packet, revision), *packet);
    // MessagePack has one form of each number and the attachments in their places, so that there the text of the data and the
    // order of the attachments may change, but only once.
    let once = again(parsers[1], packet, revision);
    assert_eq!(again(parsers[1], &once, revision), once);
    assert_eq!((once.kind(), once.namespace(), once.id()), (packet.kind(), packet.namespace(), packet.id()));
    assert_eq!((once.query(), sorted(&once)), (packet.query(), sorted(packet)));
}

fn sorted(packet: &Packet) -> Vec<Bytes> {
    let mut attachments = packet.attachments().to_vec();
    attachments.sort();
    attachments
}

fn again(parser: &dyn Parser, packet: &Packet, revision: Revision) -> Packet {
    let encoded = parser.encode(packet);
    let mut decoder = parser.decoder(revision);
    let mut read = match encoded.first {
        Message::Text(text) => decoder.text(&text),
        Message::Binary(bytes) => decoder.binary(bytes),
    };
    for attachment in encoded.attachments {
        assert_eq!(read, Ok(None));
        read = decoder.binary(attachment);
    }
    read.expect("it was written").expect("it is complete")
}
