//! Bodies as the protocol documents and the reference implementations show them.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;

use super::{Format::*, *};
use crate::engine::Packet;

const BYTES: Packet<'static> = Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]));

fn write(format: Format, packets: &[Packet<'_>]) -> Bytes {
    let mut writer = PayloadWriter::new(format, PayloadLimits::default());
    for packet in packets {
        assert_eq!(writer.push(packet), Ok(true));
    }
    writer.finish()
}

fn read(format: Format, body: &Bytes) -> Result<Vec<Packet<'_>>, PayloadError> {
    decode(body, format, &PayloadLimits::default())?.collect()
}

#[test]
fn bodies_are_written_as_the_protocol_documents_show() {
    let table: [(Format, &[Packet<'_>], &[u8]); 11] = [
        (V4, &[Packet::Text("hello"), Packet::Ping(""), Packet::Text("world")], b"4hello\x1e2\x1e4world"),
        (V4, &[Packet::Text("hello"), BYTES], b"4hello\x1ebAQIDBA=="),
        (V4, &[Packet::Text("[\"hello\"]"), Packet::Close], b"4[\"hello\"]\x1e1"),
        (V3Text, &[Packet::Text("hey")], b"4:4hey"),
        (V3Text, &[Packet::Text("hello"), Packet::Text("world")], b"6:4hello6:4world"),
        (V3Text, &[Packet::Text("hello"), Packet::Text("€")], "6:4hello2:4€".as_bytes()),
        (V3Text, &[Packet::Text("€"), BYTES], "2:4€10:b4AQIDBA==".as_bytes()),
        (V3Text, &[Packet::Text("😀"), Packet::Noop], "3:4😀1:6".as_bytes()),
        (V3Text, &[], b"0:"),
        // The document forgets the type of the second packet here; the reference implementation and its test suite do not.
        (V3Binary, &[Packet::Text("€"), BYTES], &[0, 4, 255, 0x34, 0xe2, 0x82, 0xac, 1, 5, 255, 4, 1, 2, 3, 4]),
        (V3Binary, &[Packet::Text("0123456789")], b"\x00\x01\x01\xff40123456789"),
    ];
    for (format, packets, body) in table {
        let body = Bytes::copy_from_slice(body);
        assert_eq!(write(format, packets), body, "{packets:?}");
        assert_eq!(read(format, &body).as_deref(), Ok(packets));
    }
}

#[test]
fn a_body_is_refused_by_the_rule_it_broke() {
    let packet = PayloadError::Packet;
    let table: [(Format, &[u8], PayloadError); 24] = [
        (V4, b"", packet(PacketError::Empty)),
        (V4, b"abc", packet(PacketError::UnknownType)),
        (V4, b"4a\x1e", packet(PacketError::Empty)),
        (V4, b"\x1e4a", packet(PacketError::Empty)),
        (V4, b"4\xff", PayloadError::NotUtf8),
        (V3Text, b"", packet(PacketError::Empty)),
        (V3Text, b"abc", PayloadError::Length),
        (V3Text, b":4a", PayloadError::Length),
        (V3Text, b"1", PayloadError::Length),
        (V3Text, b"3:4a", PayloadError::Length),
        (V3Text, b"1:4a", PayloadError::Length),
        (V3Text, b"-1:4a", PayloadError::Length),
        (V3Text, b"+2:4a", PayloadError::Length),
        (V3Text, b"1e0:4", PayloadError::Length),
        (V3Text, b"99999999999999999999:4a", PayloadError::Length),
        (V3Text, "2:4😀".as_bytes(), PayloadError::Length),
        (V3Text, b"1:7", packet(PacketError::UnknownType)),
        (V3Binary, &[0], PayloadError::Length),
        (V3Binary, &[0, 255], PayloadError::Length),
        (V3Binary, &[0, 2, 255, b'4'], PayloadError::Length),
        (V3Binary, &[0, 10, 255, b'4'], PayloadError::Length),
        (V3Binary, &[0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255, b'4'], PayloadError::Length),
        (V3Binary, &[2, 1, 255, b'4'], PayloadError::Marker),
        (V3Binary, &[1, 1, 255, 2], packet(PacketError::BinaryType)),
    ];
    for (format, body, error) in table {
        assert_eq!(read(format, &Bytes::copy_from_slice(body)), Err(error), "{format:?} {body:?}");
    }
}

#[test]
fn packets_before_a_malformed_one_are_read_and_nothing_behind_it_is() {
    let body = Bytes::from_static(b"4a\x1ex\x1e4b");
    let packets: Vec<_> = decode(&body, V4, &PayloadLimits::default()).unwrap().collect();
    assert_eq!(packets, [Ok(Packet::Text("a")), Err(PacketError::UnknownType.into())]);
}

#[test]
fn a_body_beyond_its_limits_is_refused() {
    let limits = PayloadLimits { max_payload_bytes: 7, max_packets: 2 };
    let table: [(Format, &[u8], Option<PayloadError>); 6] = [
        (V4, b"4hello!", None),
        (V4, b"4hello!!", Some(PayloadError::TooLarge { limit: 7 })),
        (V4, b"2\x1e2", None),
        (V4, b"2\x1e2\x1e2", Some(PayloadError::TooManyPackets { limit: 2 })),
        (V3Text, b"0:0:1:2", Some(PayloadError::TooManyPackets { limit: 2 })),
        (V3Binary, &[0, 1, 255, b'2'], None),
    ];
    for (format, body, error) in table {
        let body = Bytes::copy_from_slice(body);
        let read = decode(&body, format, &limits).and_then(|packets| packets.collect::<Result<Vec<_>, _>>());
        assert_eq!(read.err(), error, "{body:?}");
    }
}

#[test]
fn a_body_that_is_full_takes_no_more_but_always_the_first() {
    for format in [V4, V3Text, V3Binary] {
        let limits = PayloadLimits { max_payload_bytes: 12, max_packets: 10 };
        let mut writer = PayloadWriter::new(format, limits);
        assert_eq!(writer.push(&Packet::Text("12345")), Ok(true));
        assert_eq!(writer.push(&Packet::Text("12345")), Ok(false));
        assert_eq!(writer.packets(), 1);
        assert_eq!(writer.finish(), write(format, &[Packet::Text("12345")]));
        let mut writer = PayloadWriter::new(format, limits);
        assert_eq!(writer.push(&Packet::Text("longer than the limit")), Ok(true));
        assert_eq!(writer.push(&Packet::Noop), Ok(false));
    }
    let mut writer = PayloadWriter::new(V4, PayloadLimits { max_packets: 1, ..PayloadLimits::default() });
    assert_eq!(writer.push(&Packet::Noop), Ok(true));
    assert_eq!(writer.push(&Packet::Noop), Ok(false));
}

#[test]
fn a_text_cannot_put_a_packet_of_its_own_into_a_body() {
    let mut writer = PayloadWriter::new(V4, PayloadLimits::default());
    assert_eq!(writer.push(&Packet::Text("a\x1e1")), Err(PayloadError::Separator));
    assert_eq!(writer.push(&Packet::Text("b")), Ok(true));
    assert_eq!(writer.finish(), "4b");
    for format in [V3Text, V3Binary] {
        let packets = [Packet::Text("a\x1e1"), Packet::Text("1:1\0\x01\u{ff}")];
        assert_eq!(read(format, &write(format, &packets)).as_deref(), Ok(&packets[..]));
    }
}

#[test]
fn revision_4_takes_no_binary_bodies() {
    assert_eq!(Format::of_request(Revision::V4, true), Err(PayloadError::ContentType));
    assert_eq!(Format::of_request(Revision::V3, true), Ok(V3Binary));
}
