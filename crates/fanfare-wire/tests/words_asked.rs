//! Every command is read from exactly the text that `docs/protocol.md` promises, and what breaks a rule is refused by name.

#![allow(clippy::unwrap_used)]

use fanfare_wire::{
    ClientEvent, Command, DecodeError, Epoch, EventName, Hello, NameError, Payload, Position, Resume, RoomName, binary,
    is_reserved, json,
};

fn decode(text: &str) -> Result<Command, DecodeError> {
    json::decode(text.as_bytes())
}

fn room() -> RoomName {
    RoomName::new("r").unwrap()
}

fn payload(json: &str) -> Payload {
    Payload::from_json(json.to_owned()).unwrap()
}

fn event(id: Option<u64>, name: &str, room: Option<&str>, key: Option<&str>, json: &str) -> Command {
    Command::Event(ClientEvent {
        id,
        name: EventName::new(name).unwrap(),
        room: room.map(|room| RoomName::new(room).unwrap()),
        key: key.map(str::to_owned),
        payload: payload(json),
    })
}

#[test]
fn reserved_words() {
    let place = Some(Position::new(Epoch(3), 4));
    let token = "AAAAAAAAAAAAAAAAAAAAAQ";
    let resume = |rooms, inbox| Some(Resume { token: token.parse().unwrap(), rooms, inbox });
    let table = [
        (r#"{"type":"join_room","room":"r"}"#, Command::Join { id: None, room: room(), since: None, history: None }),
        (
            r#" { "room" : "\u0072", "since":{"epoch":3,"offset":4,"new":0}, "history":50,"id":0, "t\u0079pe":"join_room" } "#,
            Command::Join { id: Some(0), room: room(), since: place, history: Some(50) },
        ),
        (
            r#"{"type":"join_room","room":"r","id":null,"since":null,"new":{}}"#,
            Command::Join { id: None, room: room(), since: None, history: None },
        ),
        (
            r#"{"type":"leave_room","room":"r","id":9007199254740991}"#,
            Command::Leave { id: Some((1 << 53) - 1), room: room() },
        ),
        (
            r#"{"type":"history","room":"r","since":{"epoch":3,"offset":4},"limit":10}"#,
            Command::History { id: None, room: room(), since: place, limit: Some(10) },
        ),
        (r#"{"type":"presence","room":"r","id":1}"#, Command::Presence { id: Some(1), room: room() }),
        (r#"{"type":"ping"}"#, Command::Ping { id: None }),
        (r#"{"type":"ping","id":1}"#, Command::Ping { id: Some(1) }),
        (r#"{"type":"pong"}"#, Command::Pong),
        (r#"{"type":"ack","id":1}"#, Command::Ack { id: 1, payload: payload("{}") }),
        (r#"{"type":"ack","id":1,"data":[1, 2]}"#, Command::Ack { id: 1, payload: payload("[1, 2]") }),
        (r#"{"type":"ack","id":1,"data":null}"#, Command::Ack { id: 1, payload: payload("null") }),
        (r#"{"type":"ack","id":1,"a":2,"data":3}"#, Command::Ack { id: 1, payload: payload(r#"{"a":2,"data":3}"#) }),
        (r#"{"type":"refresh","auth":"x"}"#, Command::Refresh { id: None, auth: payload(r#""x""#) }),
        (
            r#"{"type":"refresh","id":1,"token":"x"}"#,
            Command::Refresh { id: Some(1), auth: payload(r#"{"token":"x"}"#) },
        ),
        (r#"{"type":"hello"}"#, Command::Hello(Hello::default())),
        (
            r#"{"type":"hello","auth":{"user":1},"token":"x"}"#,
            Command::Hello(Hello { auth: Some(payload(r#"{"user":1}"#)), resume: None }),
        ),
        (
            r#"{"type":"hello","resume":{"token":"AAAAAAAAAAAAAAAAAAAAAQ"}}"#,
            Command::Hello(Hello { auth: None, resume: resume(vec![], None) }),
        ),
        (
            r#"{"type":"hello","token":"x","resume":{"token":"AAAAAAAAAAAAAAAAAAAAAQ","rooms":{"r":{"epoch":3,"offset":4}},"inbox":{"epoch":3,"offset":4}}}"#,
            Command::Hello(Hello {
                auth: Some(payload(r#"{"token":"x"}"#)),
                resume: resume(vec![(room(), Position::new(Epoch(3), 4))], place),
            }),
        ),
    ];
    for (text, command) in table {
        assert_eq!(decode(text), Ok(command), "{text}");
    }
}

#[test]
fn events() {
    let table = [
        (
            r#"{"type":"message","room":"r","content":"hi"}"#,
            event(None, "message", Some("r"), None, r#"{"room":"r","content":"hi"}"#),
        ),
        (
            r#"{"a": 1.0e0 ,"type":"draw","id":5,"b":"\u0041","key":"k\n","c":[ ]}"#,
            event(Some(5), "draw", None, Some("k\n"), r#"{"a": 1.0e0,"b":"\u0041","c":[ ]}"#),
        ),
        (r#"{"type":"x"}"#, event(None, "x", None, None, "{}")),
        (r#"{"type":"x","data":1}"#, event(None, "x", None, None, r#"{"data":1}"#)),
        (r#"{"type":"x","room":1}"#, event(None, "x", None, None, r#"{"room":1}"#)),
        ("{\"type\":\"x\",\r\n\"a\":{\n\"b\":1}}", event(None, "x", None, None, "{\"a\":{ \"b\":1}}")),
        (r#"{"type":"Error","call":1}"#, event(None, "Error", None, None, r#"{"call":1}"#)),
    ];
    for (text, command) in table {
        assert_eq!(decode(text), Ok(command), "{text}");
    }
}

#[test]
fn what_breaks_a_rule_is_refused_by_its_name() {
    use DecodeError::{MissingField, NotAnObject, RepeatedField, WrongField};
    let bad_room = |error| DecodeError::Name { field: "room", error };
    let table = [
        ("[]", NotAnObject),
        ("\"ping\"", NotAnObject),
        ("{}", MissingField("type")),
        (r#"{"type":null}"#, MissingField("type")),
        (r#"{"type":1}"#, WrongField("type")),
        (r#"{"type":""}"#, DecodeError::Name { field: "type", error: NameError::Empty }),
        (r#"{"type":"raw","data":"x"}"#, WrongField("type")),
        (r#"{"type":"ping","type":"pong"}"#, RepeatedField("type")),
        (r#"{"type":"x","a":1,"\u0061":1}"#, RepeatedField("*")),
        (r#"{"type":"join_room"}"#, MissingField("room")),
        (r#"{"type":"join_room","room":7}"#, WrongField("room")),
        (r#"{"type":"join_room","room":""}"#, bad_room(NameError::Empty)),
        (r#"{"type":"x","room":"\n"}"#, bad_room(NameError::ControlCharacter)),
        (r#"{"type":"ack"}"#, MissingField("id")),
        (r#"{"type":"ping","id":-1}"#, WrongField("id")),
        (r#"{"type":"ping","id":1.0}"#, WrongField("id")),
        (r#"{"type":"ping","id":"1"}"#, WrongField("id")),
        (r#"{"type":"ping","id":9007199254740992}"#, WrongField("id")),
        (r#"{"type":"join_room","room":"r","history":4294967296}"#, WrongField("history")),
        (r#"{"type":"join_room","room":"r","since":{"epoch":3}}"#, WrongField("since")),
        (r#"{"type":"join_room","room":"r","since":{"epoch":4294967296,"offset":1}}"#, WrongField("since")),
        (r#"{"type":"join_room","room":"r","since":{"epoch":1,"epoch":1,"offset":1}}"#, WrongField("since")),
        (r#"{"type":"refresh"}"#, MissingField("auth")),
        (r#"{"type":"refresh","token":1}"#, WrongField("token")),
        (r#"{"type":"hello","resume":1}"#, WrongField("resume")),
        (r#"{"type":"hello","resume":{}}"#, MissingField("token")),
        (r#"{"type":"hello","resume":{"token":"x"}}"#, WrongField("token")),
        (r#"{"type":"hello","resume":{"token":"AAAAAAAAAAAAAAAAAAAAAQ","rooms":[]}}"#, WrongField("rooms")),
        (r#"{"type":"hello","resume":{"token":"AAAAAAAAAAAAAAAAAAAAAQ","rooms":{"r":{}}}}"#, WrongField("rooms")),
        (r#"{"type":"x","key":""}"#, WrongField("key")),
        (r#"{"type":"x","key":1}"#, WrongField("key")),
        ("", DecodeError::Malformed { at: 0 }),
        ("{\"type\":\"ping\"} {}", DecodeError::Malformed { at: 16 }),
        ("\u{feff}{}", DecodeError::Malformed { at: 0 }),
    ];
    for (text, error) in table {
        assert_eq!(decode(text), Err(error), "{text}");
    }
    assert_eq!(json::decode(b"{\"type\":\"\xff\"}"), Err(DecodeError::Malformed { at: 9 }));
}

#[test]
fn a_client_cannot_speak_in_the_server_s_words() {
    let words = ["closing", "connected", "error", "gap", "joined", "left", "position", "user_joined", "user_left"];
    for word in words {
        assert!(is_reserved(word), "{word}");
        let refused = Err(DecodeError::WrongField("type"));
        assert_eq!(decode(&format!(r#"{{"type":"{word}","room":"r","id":1}}"#)), refused, "{word}");
        let escaped = format!(r#"{{"type":"\u{:04x}{}"}}"#, word.as_bytes()[0], &word[1..]);
        assert_eq!(decode(&escaped), refused, "{escaped}");
        let packed = [b"\x81\xa4type".to_vec(), vec![0xa0 | word.len() as u8], word.into()].concat();
        assert_eq!(binary::decode(&packed), refused, "{word}");
    }
    let commands = ["ack", "hello", "history", "join_room", "leave_room", "ping", "pong", "presence", "raw", "refresh"];
    for word in commands {
        assert!(is_reserved(word), "{word}");
        assert!(!matches!(decode(&format!(r#"{{"type":"{word}"}}"#)), Ok(Command::Event(_))), "{word}");
    }
    for word in ["message", "Error", "error ", "user", "typing", ""] {
        assert!(!is_reserved(word), "{word}");
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let nested = |depth| format!(r#"{{"type":"x","a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(decode(&nested(63)).is_ok());
    assert_eq!(decode(&nested(64)), Err(DecodeError::TooDeep));
    assert_eq!(decode(&nested(100_000)), Err(DecodeError::TooDeep));
    let key = |len| format!(r#"{{"type":"x","key":"{}"}}"#, "k".repeat(len));
    assert!(decode(&key(255)).is_ok());
    assert_eq!(decode(&key(256)), Err(DecodeError::WrongField("key")));
    let rooms = |count| {
        let rooms: Vec<_> = (0..count).map(|n| format!(r#""{n}":{{"epoch":1,"offset":1}}"#)).collect();
        format!(r#"{{"type":"hello","resume":{{"token":"AAAAAAAAAAAAAAAAAAAAAQ","rooms":{{{}}}}}}}"#, rooms.join(","))
    };
    assert!(decode(&rooms(1024)).is_ok());
    assert_eq!(decode(&rooms(1025)), Err(DecodeError::WrongField("rooms")));
    let many: String = (0..10_000).map(|n| format!(r#","{n}":0"#)).collect();
    assert!(decode(&format!(r#"{{"type":"x"{many}}}"#)).is_ok());
    assert_eq!(decode(&format!(r#"{{"type":"x"{many},"77":0}}"#)), Err(DecodeError::RepeatedField("*")));
}

#[test]
fn a_refused_command_still_tells_its_id() {
    let table = [
        (r#"{"type":"join_room","id":4}"#, Some(4)),
        (r#"{"id":4,"id":5}"#, Some(4)),
        ("{}", None),
        ("{\"id\":4", None),
    ];
    for (text, id) in table {
        assert_eq!(json::command_id(text.as_bytes()), id, "{text}");
    }
    assert_eq!(binary::command_id(b"\x81\xa2id\x04"), Some(4));
    assert_eq!(binary::command_id(b"\x81\xa2id"), None);
}

#[test]
fn messagepack_refuses_what_has_no_place_in_json() {
    let malformed = |at| Err(DecodeError::Malformed { at });
    let with = |value: &[u8]| binary::decode(&[b"\x82\xa4type\xa1x\xa1a", value].concat());
    let data = |value: &[u8]| binary::decode(&[b"\x82\xa4type\xa1x\xa4data", value].concat());
    assert!(with(b"\xc3").is_ok());
    let table: [(&[u8], &str); 13] = [
        (b"\xc1", "the reserved byte"),
        (b"\xd4\x01\x00", "an extension"),
        (b"\xc7\x00\x01", "an extension with a length"),
        (b"\xc4\x01\x00", "bytes that are not data"),
        (b"\x81\xa4data\xc4\x01\x00", "bytes as data of something inside"),
        (b"\xca\x7f\xc0\x00\x00", "a NaN"),
        (b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "an infinity"),
        (b"\xa1\xff", "text that is not UTF-8"),
        (b"\x81\x01\x02", "a key that is a number"),
        (b"\xdd\xff\xff\xff\xff", "an array that is announced and not there"),
        (b"\xdb\xff\xff\xff\xff", "a text that is announced and not there"),
        (b"\xdf\xff\xff\xff\xff\xa1a", "a map that is announced and not there"),
        (b"\xc0\xc0", "a second value"),
    ];
    for (value, what) in table {
        assert!(matches!(with(value), Err(DecodeError::Malformed { .. })), "{what}");
    }
    assert!(data(b"\xc4\x01\x00").is_ok());
    assert_eq!(data(b"\x91\xc4\x01\x00"), malformed(14));
    assert_eq!(binary::decode(b""), malformed(0));
    assert_eq!(binary::decode(b"\x90"), Err(DecodeError::NotAnObject));
    assert_eq!(binary::decode(b"\x81\x01\x02"), malformed(1));
    assert_eq!(binary::decode(b"\x82\xa4type\xa4ping\xa4type\xa4pong"), Err(DecodeError::RepeatedField("type")));
    assert_eq!(with(&[0x91; 100_000]), Err(DecodeError::TooDeep));
}

#[test]
fn bytes_in_messagepack_stand_alone_as_data() {
    let bytes = Payload::binary(&b"\x00\xff"[..]);
    assert_eq!(
        binary::decode(b"\x83\xa4type\xa4draw\xa4room\xa1r\xa4data\xc4\x02\x00\xff"),
        Ok(Command::Event(ClientEvent {
            id: None,
            name: EventName::new("draw").unwrap(),
            room: Some(room()),
            key: None,
            payload: bytes.clone(),
        }))
    );
    assert_eq!(
        binary::decode(b"\x83\xa4type\xa3ack\xa2id\x01\xa4data\xc4\x02\x00\xff"),
        Ok(Command::Ack { id: 1, payload: bytes })
    );
    assert_eq!(
        binary::decode(b"\x82\xa4type\xa3raw\xa4data\xc4\x02\x00\xff"),
        Ok(Command::Raw(bytes::Bytes::from_static(b"\x00\xff")))
    );
    assert_eq!(
        binary::decode(b"\x83\xa4type\xa4draw\xa1a\x01\xa4data\xc4\x02\x00\xff"),
        Err(DecodeError::WrongField("data"))
    );
}
