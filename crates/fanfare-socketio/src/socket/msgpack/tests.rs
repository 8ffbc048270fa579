//! Messages byte by byte, and what JSON does not have.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use fanfare_wire::Namespace;

use super::*;
use crate::socket::BuildError;

fn decode(message: &[u8]) -> Result<Packet, DecodeError> {
    let packet = MsgpackParser::default().decoder(Revision::V4).binary(Bytes::copy_from_slice(message));
    packet.map(|packet| packet.unwrap())
}

fn encode(packet: &Packet) -> Bytes {
    let Encoded { first: Message::Binary(message), attachments } = MsgpackParser::default().encode(packet) else {
        panic!("one binary message");
    };
    assert!(attachments.is_empty());
    message
}

/// An event whose data is `data` in MessagePack.
fn event(data: &[u8]) -> Vec<u8> {
    [&b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data"[..], data].concat()
}

#[test]
fn a_packet_is_one_map_with_its_bytes_in_place() {
    let data = r#"["a",{"_placeholder":true,"num":0},{"é":[-1,1.5,1e3,null,true]}]"#;
    let attachments = vec![Bytes::from_static(&[1, 2])];
    let packet = Packet::event(Namespace::new("/b").unwrap(), Some(200), data, attachments).unwrap();
    let expected = [
        &b"\x84\xa4type\x02\xa4data\x93\xa1a\xc4\x02\x01\x02\x81\xa2\xc3\xa9\x95\xff\xcb\x3f\xf8\0\0\0\0\0\0"[..],
        &b"\xcd\x03\xe8\xc0\xc3\xa3nsp\xa2/b\xa2id\xcc\xc8"[..],
    ];
    assert_eq!(encode(&packet), expected.concat());
    let read = decode(&expected.concat()).unwrap();
    assert_eq!(read.attachments(), packet.attachments());
    assert_eq!(read.data().unwrap(), &data.replace("1e3", "1000"));
}

#[test]
fn what_json_does_not_have_becomes_what_javascript_makes_of_it() {
    let table: [(&[u8], &str); 10] = [
        (b"\xd4\0\0", "null"),
        (b"\x82\xa1a\xd4\0\0\xa1b\x01", r#"{"b":1}"#),
        (b"\x82\xa1a\x01\xa1b\xd4\0\0", r#"{"a":1}"#),
        (b"\x81\xa1a\xd4\0\0", "{}"),
        (b"\xd7\0\x00\x00\x01\x70\x90\xd5\x09\xae", r#""2020-02-29T12:04:05.678Z""#),
        (b"\xd7\0\x7f\xff\xff\xff\xff\xff\xff\xff", "null"),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", "null"),
        (b"\xca\x3d\xcc\xcc\xcd", "0.10000000149011612"),
        (b"\xa3a\xf0\x9f", "\"a\u{fffd}\""),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
    ];
    for (value, json) in table {
        let packet = decode(&event(&[b"\x92\xa1x", value].concat())).unwrap();
        assert_eq!(packet.data().unwrap(), &format!(r#"["x",{json}]"#));
    }
    let buffer = decode(&event(b"\x92\xa1x\xc7\x02\0\x08\x09")).unwrap();
    assert_eq!(buffer.attachments(), [Bytes::from_static(&[8, 9])]);
}

#[test]
fn fields_that_are_undefined_are_not_there_and_unknown_ones_are_walked_over() {
    let message = b"\x85\xa4type\x00\xa4data\xd4\0\0\xa7options\x81\xa8compress\xc3\xa3nsp\xa1/\xa2id\xd4\0\0";
    let packet = decode(message).unwrap();
    assert_eq!(packet, Packet::connect(Namespace::default(), None).unwrap());
}

#[test]
fn a_message_is_refused_by_the_rule_it_broke() {
    let at = |at| DecodeError::MessagePack { at };
    let deep = [&[0x91; 65][..], b"\xa1x"].concat();
    let many = [&b"\xdc\x04\x02\xa1x"[..], &[0xc4, 0].repeat(1025)].concat();
    let table: [(Vec<u8>, DecodeError); 16] = [
        (b"".to_vec(), at(0)),
        (b"\x90".to_vec(), at(0)),
        (b"\x80".to_vec(), DecodeError::UnknownKind),
        (b"\x82\xa4type\x05\xa3nsp\xa1/".to_vec(), DecodeError::UnknownKind),
        (b"\x82\xa4type\xff\xa3nsp\xa1/".to_vec(), at(6)),
        (b"\x81\xa4type\x00".to_vec(), at(7)),
        (b"\x82\xa4type\x00\xa3nsp\x01".to_vec(), at(11)),
        (b"\x82\xa4type\x00\xa3nsp\xa1a".to_vec(), BuildError::Namespace.into()),
        (b"\x82\xa4type\x00\xa3nsp\xa1/\x00".to_vec(), at(13)),
        (b"\x83\xa4type\x00\xa4type\x00\xa3nsp\xa1/".to_vec(), at(7)),
        (event(b"\xc0"), BuildError::Shape.into()),
        (event(b"\x91\xa7connect"), BuildError::ReservedName.into()),
        (event(b"\x92\xa1x\xd4\x05\0"), at(21)),
        (event(b"\xdd\xff\xff\xff\xff\xa1x"), at(25)),
        (event(&deep), BuildError::TooDeep.into()),
        (event(&many), DecodeError::TooManyAttachments { limit: 1024 }),
    ];
    for (message, error) in table {
        assert_eq!(decode(&message), Err(error), "{:?}", message.escape_ascii().to_string());
    }
    assert_eq!(MsgpackParser::default().decoder(Revision::V4).text("2[\"a\"]"), Err(DecodeError::UnexpectedText));
}

#[test]
fn json_that_grows_beyond_the_limit_is_refused() {
    let parser = MsgpackParser { limits: PacketLimits { max_packet_bytes: 100, ..PacketLimits::default() } };
    let data = [&b"\xdc\0\x20\xa1x"[..], &[0xc0; 31]].concat();
    let read = parser.decoder(Revision::V4).binary(event(&data).into());
    assert_eq!(read, Err(DecodeError::TooLarge { limit: 100 }));
}

#[test]
fn a_query_is_part_of_the_namespace_in_revision_3_only() {
    let packet = Packet::connect_with_query(Namespace::new("/a").unwrap(), "b=c").unwrap();
    let message = encode(&packet);
    let read = MsgpackParser::default().decoder(Revision::V3).binary(message.clone());
    assert_eq!(read, Ok(Some(packet)));
    assert_eq!(decode(&message).unwrap().namespace().as_str(), "/a?b=c");
}
