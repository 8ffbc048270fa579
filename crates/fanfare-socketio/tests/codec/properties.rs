//! Nothing that a peer sends makes a decoder panic or hold more than its limit, and what is written is read as it was.

use bytes::Bytes;
use fanfare_socketio::{
    Message,
    Revision::{self, V3, V4},
    engine::{
        self,
        payload::{self, Format, PayloadLimits, PayloadWriter},
    },
    socket::{DecodeError, Decoder, DefaultParser, Encoded, MsgpackParser, Packet, PacketLimits, Parser},
};
use proptest::{collection::vec, prelude::*};

use crate::given;

/// Reads the messages of one packet. More of them than it has are an error.
pub(crate) fn read(parser: &dyn Parser, revision: Revision, encoded: &Encoded) -> Result<Option<Packet>, DecodeError> {
    let mut decoder = parser.decoder(revision);
    let mut packet = match &encoded.first {
        Message::Text(text) => decoder.text(text)?,
        Message::Binary(bytes) => decoder.binary(bytes.clone())?,
    };
    for attachment in &encoded.attachments {
        packet = decoder.binary(attachment.clone())?;
    }
    Ok(packet)
}

/// What was read can be written and is then read as the same.
fn check_read(packet: Option<&Packet>, revision: Revision) {
    let parser = DefaultParser { limits: PacketLimits { max_attachments: 10_000, ..PacketLimits::default() } };
    if let Some(packet) = packet {
        assert_eq!(read(&parser, revision, &parser.encode(packet)).unwrap().as_ref(), Some(packet));
        MsgpackParser::default().encode(packet);
    }
}

/// The body of these packets.
pub(crate) fn body(format: Format, packets: &[given::EnginePacket]) -> Bytes {
    let mut writer = PayloadWriter::new(format, PayloadLimits::default());
    for packet in packets {
        assert_eq!(writer.push(&packet.packet()), Ok(true));
    }
    writer.finish()
}

proptest! {
    #[test]
    fn any_text_and_any_bytes_are_read_or_refused(texts in vec(any::<String>(), 4), binaries in vec(any::<Vec<u8>>(), 4)) {
        for revision in [V3, V4] {
            let mut decoder = Decoder::new(revision, PacketLimits::default());
            for (text, bytes) in texts.iter().zip(&binaries) {
                let bytes = Bytes::copy_from_slice(bytes);
                let _ = engine::Packet::from_text(revision, text);
                let _ = engine::Packet::from_binary(revision, bytes.clone());
                if let Ok(packet) = decoder.text(text) {
                    check_read(packet.as_ref(), revision);
                }
                let _ = decoder.binary(bytes.clone());
                if let Ok(packet) = MsgpackParser::default().decoder(revision).binary(bytes.clone()) {
                    check_read(packet.as_ref(), revision);
                }
                for format in [Format::V4, Format::V3Text, Format::V3Binary] {
                    for body in [bytes.clone(), Bytes::copy_from_slice(text.as_bytes())] {
                        let _ = payload::decode(&body, format, &PayloadLimits::default()).map(Iterator::count);
                    }
                }
            }
        }
    }

    #[test]
    fn packets_with_faults_are_read_or_refused(packet in given::packet(), faults in given::faults()) {
        let (mut text, attachments) = packet.encode();
        faults.iter().for_each(|fault| fault.put_into_text(&mut text));
        let Message::Binary(packed) = MsgpackParser::default().encode(&packet).first else { panic!("bytes") };
        let mut packed = packed.to_vec();
        faults.iter().for_each(|fault| fault.put_into_bytes(&mut packed));
        for revision in [V3, V4] {
            let mut decoder = Decoder::new(revision, PacketLimits::default());
            let mut read = decoder.text(&text);
            let mut attachments = attachments.iter();
            while let (Ok(None), Some(attachment)) = (&read, attachments.next()) {
                read = decoder.binary(attachment.clone());
            }
            check_read(read.ok().flatten().as_ref(), revision);
            let read = MsgpackParser::default().decoder(revision).binary(packed.clone().into());
            check_read(read.ok().flatten().as_ref(), revision);
        }
    }

    #[test]
    fn a_packet_is_read_as_it_was_written(packet in given::packet()) {
        for revision in [V3, V4] {
            for parser in [&DefaultParser::default() as &dyn Parser, &MsgpackParser::default()] {
                prop_assert_eq!(read(parser, revision, &parser.encode(&packet)), Ok(Some(packet.clone())));
            }
        }
    }

    #[test]
    fn a_body_is_read_as_it_was_written(packets in given::engine_packets(), format in given::format()) {
        let body = body(format, &packets);
        let read: Result<Vec<_>, _> = payload::decode(&body, format, &PayloadLimits::default()).unwrap().collect();
        let expected: Vec<_> = packets.iter().map(given::EnginePacket::packet).collect();
        prop_assert_eq!(read.as_ref(), Ok(&expected));
        for packet in expected {
            let read = match packet.to_message(format.revision()) {
                Message::Text(text) => engine::Packet::from_text(format.revision(), &text) == Ok(packet),
                Message::Binary(bytes) => engine::Packet::from_binary(format.revision(), bytes) == Ok(packet),
            };
            prop_assert!(read);
        }
    }

    #[test]
    fn a_decoder_holds_no_more_than_its_limit(sizes: Vec<(bool, u8)>, max_packet_bytes in 0..2000usize) {
        let limits = PacketLimits { max_packet_bytes, ..PacketLimits::default() };
        let mut decoder = Decoder::new(V4, limits);
        let places: Vec<_> = (0..10).map(|at| format!(r#"{{"_placeholder":true,"num":{at}}}"#)).collect();
        let header = format!(r#"510-["a",{}]"#, places.join(","));
        for (begin, size) in sizes {
            let _ = if begin { decoder.text(&header) } else { decoder.binary(vec![0; size.into()].into()) };
            prop_assert!(decoder.held_bytes() <= max_packet_bytes);
        }
    }
}
