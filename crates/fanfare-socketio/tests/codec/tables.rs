//! What the protocol documents show, and what a server must refuse.

use bytes::Bytes;
use fanfare_socketio::{
    Revision::{self, V3, V4},
    socket::{BuildError, DecodeError, Decoder, Kind, MAX_ACK_ID, Packet, PacketLimits},
};
use fanfare_wire::Namespace;

fn decoder(revision: Revision) -> Decoder {
    Decoder::new(revision, PacketLimits::default())
}

fn namespace(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

#[test]
fn packets_are_written_and_read_as_the_protocol_documents_show() {
    let buffers = |buffers: &[&'static [u8]]| buffers.iter().copied().map(Bytes::from_static).collect::<Vec<_>>();
    let event = |name, id, data: &'static str, attached: &[&'static [u8]]| {
        Packet::event(namespace(name), id, data, buffers(attached))
    };
    let ack = |name, id, data: &'static str, attached: &[&'static [u8]]| {
        Packet::ack(namespace(name), id, data, buffers(attached))
    };
    let connect = |name, auth: Option<&'static str>| Packet::connect(namespace(name), auth.map(Bytes::from));
    let one = r#"{"_placeholder":true,"num":0}"#;
    let table = [
        (connect("/", None), "0".to_owned()),
        (connect("/", Some(r#"{"sid":"wZX3oN0bSVIhsaknAAAI"}"#)), r#"0{"sid":"wZX3oN0bSVIhsaknAAAI"}"#.into()),
        (connect("/admin", None), "0/admin,".into()),
        (connect("/admin", Some(r#"{"sid":"oSO0"}"#)), r#"0/admin,{"sid":"oSO0"}"#.into()),
        (Packet::disconnect(namespace("/")), "1".into()),
        (Packet::disconnect(namespace("/admin")), "1/admin,".into()),
        (event("/", None, r#"["foo"]"#, &[]), r#"2["foo"]"#.into()),
        (event("/admin", None, r#"["bar"]"#, &[]), r#"2/admin,["bar"]"#.into()),
        (event("/", Some(12), r#"["foo"]"#, &[]), r#"212["foo"]"#.into()),
        (event("/admin", Some(13), r#"["foo"]"#, &[]), r#"2/admin,13["foo"]"#.into()),
        (event("/", None, r#"[7,{"a":1}]"#, &[]), r#"2[7,{"a":1}]"#.into()),
        (event("/", Some(MAX_ACK_ID), r#"["a"]"#, &[]), r#"29007199254740991["a"]"#.into()),
        (ack("/", 12, "[]", &[]), "312[]".into()),
        (ack("/admin", 13, r#"["bar"]"#, &[]), r#"3/admin,13["bar"]"#.into()),
        (
            event("/", None, r#"["baz",{"_placeholder":true,"num":0}]"#, &[&[1, 2, 3, 4]]),
            format!(r#"51-["baz",{one}]"#),
        ),
        (
            event(
                "/admin",
                None,
                r#"["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
                &[&[1, 2], &[3, 4]],
            ),
            format!(r#"52-/admin,["baz",{one},{{"_placeholder":true,"num":1}}]"#),
        ),
        (event("/", Some(14), r#"["foo",{"_placeholder":true,"num":0}]"#, &[&[]]), format!(r#"51-14["foo",{one}]"#)),
        (ack("/", 15, r#"["bar",{"_placeholder":true,"num":0}]"#, &[&[1]]), format!(r#"61-15["bar",{one}]"#)),
        // A placeholder in a packet without attachments is data like any other.
        (
            event("/", None, r#"["a",{"_placeholder":true,"num":9}]"#, &[]),
            r#"2["a",{"_placeholder":true,"num":9}]"#.into(),
        ),
    ];
    for (packet, text) in table {
        let packet = packet.unwrap();
        assert_eq!(packet.encode(), (text.clone(), packet.attachments().to_vec()));
        for revision in [V3, V4] {
            let mut decoder = decoder(revision);
            let mut read = decoder.text(&text).unwrap();
            for attachment in packet.attachments() {
                assert_eq!(read, None);
                read = decoder.binary(attachment.clone()).unwrap();
            }
            assert_eq!(read.as_ref(), Some(&packet), "{text}");
        }
    }
}

#[test]
fn a_namespace_needs_no_comma_behind_it() {
    for (text, kind, name) in [
        ("0/custom", Kind::Connect, "/custom"),
        ("0/custom,", Kind::Connect, "/custom"),
        ("0/,", Kind::Connect, "/"),
        ("0/", Kind::Connect, "/"),
        ("1/custom", Kind::Disconnect, "/custom"),
    ] {
        let packet = decoder(V4).text(text).unwrap().unwrap();
        assert_eq!((packet.kind(), packet.namespace().as_str()), (kind, name), "{text}");
    }
}

#[test]
fn what_is_malformed_is_refused_by_the_rule_it_broke() {
    let rule = DecodeError::Packet;
    let json = |at| rule(BuildError::Json { at });
    let deep = format!("2[{}{}]", "[".repeat(5000), "]".repeat(5000));
    let table = [
        ("", DecodeError::UnknownKind),
        ("abc", DecodeError::UnknownKind),
        ("7", DecodeError::UnknownKind),
        ("9[\"a\"]", DecodeError::UnknownKind),
        ("2{}", rule(BuildError::Shape)),
        ("2", rule(BuildError::Shape)),
        ("2[]", rule(BuildError::Shape)),
        ("2\"a\"", rule(BuildError::Shape)),
        ("2[null]", rule(BuildError::Shape)),
        ("2[{}]", rule(BuildError::Shape)),
        ("2/a[\"b\"]", rule(BuildError::Shape)),
        ("2abc[\"a\"]", json(0)),
        ("2[\"a\"", json(4)),
        ("2[\"a\"]x", json(5)),
        ("2[\"a\",\u{1}]", json(5)),
        ("2 [\"a\"]", json(0)),
        ("21 [\"a\"]", json(0)),
        (&deep, rule(BuildError::TooDeep)),
        ("2[\"connect\"]", rule(BuildError::ReservedName)),
        ("2[\"connect_error\"]", rule(BuildError::ReservedName)),
        ("2[\"disconnect\"]", rule(BuildError::ReservedName)),
        ("2[\"disconnecting\"]", rule(BuildError::ReservedName)),
        ("2[\"newListener\"]", rule(BuildError::ReservedName)),
        ("2[\"removeListener\",1]", rule(BuildError::ReservedName)),
        ("2[\"\\u0063onnect\"]", rule(BuildError::ReservedName)),
        ("29007199254740992[\"a\"]", rule(BuildError::Id)),
        ("299999999999999999999999[\"a\"]", rule(BuildError::Id)),
        ("2-1[\"a\"]", json(2)),
        ("3[]", rule(BuildError::Id)),
        ("31{}", rule(BuildError::Shape)),
        ("01{}", rule(BuildError::Id)),
        ("0[]", rule(BuildError::Shape)),
        ("0null", rule(BuildError::Shape)),
        ("0\"a\"", rule(BuildError::Shape)),
        ("1{}", rule(BuildError::Shape)),
        ("1[]", rule(BuildError::Shape)),
        ("4", rule(BuildError::Shape)),
        ("4[]", rule(BuildError::Shape)),
        ("4false", rule(BuildError::Shape)),
        ("5[\"a\"]", DecodeError::Attachments),
        ("5-[\"a\"]", DecodeError::Attachments),
        ("50-[\"a\"]", DecodeError::Attachments),
        ("51[\"a\"]", DecodeError::Attachments),
        ("51.5-[\"a\"]", DecodeError::Attachments),
        ("5-1-[\"a\"]", DecodeError::Attachments),
        ("599999999999999999999999-[\"a\"]", DecodeError::Attachments),
        ("511-[\"a\"]", DecodeError::TooManyAttachments { limit: 10 }),
        ("51-[\"a\"]", rule(BuildError::Placeholders)),
        ("51-", rule(BuildError::Shape)),
        ("61-[{\"_placeholder\":true,\"num\":0}]", rule(BuildError::Id)),
    ];
    for (text, error) in table {
        assert_eq!(decoder(V4).text(text), Err(error), "{:.40}", text);
    }
    let long = format!("0/{}", "a".repeat(255));
    assert!(matches!(decoder(V4).text(&long), Err(DecodeError::Packet(BuildError::NamespaceName(_)))));
    assert!(matches!(decoder(V4).text("0/a\nb,"), Err(DecodeError::Packet(BuildError::NamespaceName(_)))));
}

#[test]
fn a_query_belongs_to_the_connect_of_revision_3_only() {
    let table = [
        (V3, "0/admin?token=1234&uid=abcd,", "/admin", Some("token=1234&uid=abcd")),
        (V3, "0/admin?token=1234", "/admin", Some("token=1234")),
        (V3, "0/?a=b,", "/", Some("a=b")),
        (V3, "2/admin?token=1234,[\"a\"]", "/admin", None),
        (V4, "0/admin?token=1234,", "/admin?token=1234", None),
    ];
    for (revision, text, name, query) in table {
        let packet = decoder(revision).text(text).unwrap().unwrap();
        assert_eq!((packet.namespace().as_str(), packet.query()), (name, query), "{text}");
    }
    let long = format!("0/a?{},", "t".repeat(5000));
    assert_eq!(decoder(V3).text(&long).unwrap().unwrap().query().map(str::len), Some(5000));
}

#[test]
fn attachments_come_right_behind_their_packet_and_nothing_else_does() {
    let header = r#"52-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    let mut decoder = decoder(V4);
    assert_eq!(decoder.binary(Bytes::new()), Err(DecodeError::UnexpectedBinary));
    assert_eq!(decoder.text(header), Ok(None));
    assert_eq!(decoder.binary(Bytes::from_static(b"one")), Ok(None));
    assert_eq!(decoder.held_bytes(), header.len() + 3);
    assert_eq!(decoder.text("2[\"a\"]"), Err(DecodeError::UnexpectedText));
    assert_eq!(decoder.held_bytes(), 0);
    assert_eq!(decoder.binary(Bytes::new()), Err(DecodeError::UnexpectedBinary));
}

#[test]
fn a_packet_is_not_larger_than_its_limit_with_all_its_attachments() {
    let limits = PacketLimits { max_packet_bytes: 60, max_attachments: 1 };
    let header = r#"51-["a",{"_placeholder":true,"num":0}]"#;
    let mut decoder = Decoder::new(V4, limits);
    for (length, fits) in [(60 - header.len(), true), (61 - header.len(), false)] {
        assert_eq!(decoder.text(header), Ok(None));
        let read = decoder.binary(vec![0; length].into());
        assert_eq!(read.is_ok(), fits);
        assert!(fits || read == Err(DecodeError::TooLarge { limit: 60 }));
    }
    let text = format!("2[\"{}\"]", "a".repeat(56));
    assert_eq!(decoder.text(&text), Err(DecodeError::TooLarge { limit: 60 }));
}

#[test]
fn whoever_makes_a_packet_is_held_to_the_same_rules() {
    let event = |name: &str, data: &'static str| Packet::event(Namespace::new(name).unwrap(), None, data, Vec::new());
    let table = [
        (event("admin", "[\"a\"]"), BuildError::Namespace),
        (event("/a,b", "[\"a\"]"), BuildError::Namespace),
        (event("/", "{}"), BuildError::Shape),
        (event("/", "[\"a\"] []"), BuildError::Json { at: 6 }),
        (event("/", "[\"disconnect\"]"), BuildError::ReservedName),
        (Packet::ack(Namespace::default(), 1 << 53, "[]", Vec::new()), BuildError::Id),
        (Packet::ack(Namespace::default(), 1, "[]", vec![Bytes::new()]), BuildError::Placeholders),
        (Packet::connect(Namespace::default(), Some("[]".into())), BuildError::Shape),
    ];
    for (packet, error) in table {
        assert_eq!(packet, Err(error));
    }
}

#[test]
fn the_revision_decides_who_is_in_the_root_namespace() {
    assert_eq!(Revision::from_query("3"), Some(V3));
    assert_eq!(Revision::from_query("4"), Some(V4));
    for other in ["", "2", "5", "04", "abc"] {
        assert_eq!(Revision::from_query(other), None);
    }
    assert!(V3.joins_root_unasked() && !V4.joins_root_unasked());
}
