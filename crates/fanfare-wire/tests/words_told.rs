//! Every notice has exactly the text that `docs/protocol.md` promises, in the plain form and in version 1.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use fanfare_wire::{
    CloseCode, Connected, Epoch, EventName, Member, Notice, Payload, Position, ResumeToken, RoomName, ServerEvent,
    SessionId, Version, binary, json,
};

const ID: SessionId = SessionId::from_bytes([0; 16]);
const PLACE: Option<Position> = Some(Position::new(Epoch(7), 42));

fn told(notice: Notice<'_>, version: Version) -> Option<String> {
    let mut out = b"before".to_vec();
    let spoken = json::encode(&notice, version, &mut out);
    let text = String::from_utf8(out).unwrap();
    let text = text.strip_prefix("before").unwrap().to_owned();
    assert_eq!(spoken, !text.is_empty());
    spoken.then_some(text)
}

/// Checks one notice in both versions; `None` where the version has no word. `@` stands for the session's id.
#[track_caller]
fn check(notice: Notice<'_>, plain: Option<&str>, v1: Option<&str>) {
    for (version, expected) in [(Version::Plain, plain), (Version::V1, v1)] {
        let expected = expected.map(|text| text.replace('@', "AAAAAAAAAAAAAAAAAAAAAA"));
        assert_eq!(told(notice, version), expected, "{version:?}");
    }
}

#[track_caller]
fn check_both(notice: Notice<'_>, text: &str) {
    check(notice, Some(text), Some(text));
}

fn event<'a>(name: &'a EventName, payload: &'a Payload, room: &'a RoomName) -> ServerEvent<'a> {
    ServerEvent { name, payload, client_id: Some(ID), room: Some(room), timestamp: Some(5), position: PLACE }
}

fn room() -> RoomName {
    RoomName::new("r").unwrap()
}

fn name(name: &str) -> EventName {
    EventName::new(name).unwrap()
}

fn payload(json: &str) -> Payload {
    Payload::from_json(json.to_owned()).unwrap()
}

#[test]
fn connected() {
    let token: ResumeToken = "AAAAAAAAAAAAAAAAAAAAAQ".parse().unwrap();
    let mut connected = Connected {
        client_id: ID,
        timestamp: 5,
        resume: None,
        resumed: None,
        reason: None,
        ping_interval: 25_000,
        ping_timeout: 20_000,
        max_message: 65_536,
    };
    check(
        Notice::Connected(connected),
        Some(r#"{"type":"connected","clientId":"@","timestamp":5}"#),
        Some(
            r#"{"type":"connected","clientId":"@","timestamp":5,"pingInterval":25000,"pingTimeout":20000,"maxMessage":65536}"#,
        ),
    );
    connected.resume = Some(&token);
    connected.resumed = Some(false);
    connected.reason = Some("unknown");
    check(
        Notice::Connected(connected),
        Some(r#"{"type":"connected","clientId":"@","timestamp":5}"#),
        Some(
            r#"{"type":"connected","clientId":"@","timestamp":5,"resume":"AAAAAAAAAAAAAAAAAAAAAQ","resumed":false,"reason":"unknown","pingInterval":25000,"pingTimeout":20000,"maxMessage":65536}"#,
        ),
    );
}

#[test]
fn joining_and_leaving() {
    let (room, info) = (room(), payload(r#"{"name":"Ann"}"#));
    check_both(
        Notice::UserJoined { client_id: ID, room: &room, user: None, info: None },
        r#"{"type":"user_joined","clientId":"@","room":"r"}"#,
    );
    check(
        Notice::UserLeft { client_id: ID, room: &room, user: Some("u\"1"), info: Some(&info) },
        Some(r#"{"type":"user_left","clientId":"@","room":"r"}"#),
        Some(r#"{"type":"user_left","clientId":"@","room":"r","user":"u\"1","info":{"name":"Ann"}}"#),
    );
    check(
        Notice::Joined { id: None, room: &room, position: PLACE, recovered: true },
        None,
        Some(r#"{"type":"joined","room":"r","epoch":7,"offset":42,"recovered":true}"#),
    );
    check(
        Notice::Joined { id: Some(3), room: &room, position: None, recovered: false },
        Some(r#"{"type":"ack","id":3,"room":"r"}"#),
        Some(r#"{"type":"joined","id":3,"room":"r","recovered":false}"#),
    );
    check(Notice::Left { id: None, room: &room }, None, Some(r#"{"type":"left","room":"r"}"#));
    check(
        Notice::Left { id: Some(0), room: &room },
        Some(r#"{"type":"ack","id":0,"room":"r"}"#),
        Some(r#"{"type":"left","id":0,"room":"r"}"#),
    );
    let members = [
        Member { client_id: ID, user: None, info: None },
        Member { client_id: ID, user: Some(Arc::from("u")), info: Some(info.clone()) },
    ];
    check_both(
        Notice::Presence { id: Some(1), room: &room, members: &members, total: 9 },
        r#"{"type":"presence","id":1,"room":"r","members":[{"clientId":"@"},{"clientId":"@","user":"u","info":{"name":"Ann"}}],"total":9}"#,
    );
}

#[test]
fn events() {
    let (room, message) = (room(), name("message"));
    // (payload, plain, what version 1 adds)
    let table = [
        (r#"{"content":"hi"}"#, r#"{"type":"message","clientId":"@","content":"hi","timestamp":5,"room":"r""#),
        (
            r#"{ "a" : 1.50, "\u00e9":[ ] }"#,
            r#"{"type":"message","clientId":"@", "a" : 1.50, "\u00e9":[ ] ,"timestamp":5,"room":"r""#,
        ),
        ("{}", r#"{"type":"message","clientId":"@","timestamp":5,"room":"r""#),
        // The payload's own time stays.
        (r#"{"timestamp":3,"content":1}"#, r#"{"type":"message","clientId":"@","timestamp":3,"content":1,"room":"r""#),
        // Words of other messages are nothing special.
        (
            r#"{"id":1,"call":2,"data":3}"#,
            r#"{"type":"message","clientId":"@","id":1,"call":2,"data":3,"timestamp":5,"room":"r""#,
        ),
        // Only at the top level.
        (r#"{"a":{"room":1}}"#, r#"{"type":"message","clientId":"@","a":{"room":1},"timestamp":5,"room":"r""#),
        // The envelope's words win.
        (r#"{"room":"x","content":1}"#, r#"{"type":"message","clientId":"@","content":1,"timestamp":5,"room":"r""#),
        (
            r#"{ "\u0072oom":4 , "a" : 1.50,"clientId":2,"timestamp":3}"#,
            r#"{"type":"message","clientId":"@","a" : 1.50,"timestamp":3,"room":"r""#,
        ),
        (
            r#"{"type":1,"a":2,"epoch":3,"off\u0073et":4}"#,
            r#"{"type":"message","clientId":"@","a":2,"timestamp":5,"room":"r""#,
        ),
        (r#"{"offset":1}"#, r#"{"type":"message","clientId":"@","timestamp":5,"room":"r""#),
        // What is no object.
        ("[1, 2]", r#"{"type":"message","clientId":"@","data":[1, 2],"timestamp":5,"room":"r""#),
        (r#""hi""#, r#"{"type":"message","clientId":"@","data":"hi","timestamp":5,"room":"r""#),
        ("null", r#"{"type":"message","clientId":"@","data":null,"timestamp":5,"room":"r""#),
    ];
    for (json, begin) in table {
        check(
            Notice::Event(event(&message, &payload(json), &room)),
            Some(&format!("{begin}}}")),
            Some(&format!("{begin},\"epoch\":7,\"offset\":42}}")),
        );
    }
    // An event without a sender or a room leaves these words to its payload; a place is never the payload's.
    let claims = payload(r#"{"clientId":2,"room":3,"timestamp":4,"epoch":5,"offset":6,"type":7}"#);
    for (client_id, room, text) in [
        (None, None, r#"{"type":"message","clientId":2,"room":3,"timestamp":4}"#),
        (Some(ID), None, r#"{"type":"message","clientId":"@","room":3,"timestamp":4}"#),
        (None, Some(&room), r#"{"type":"message","clientId":2,"timestamp":4,"room":"r"}"#),
    ] {
        let bare =
            ServerEvent { name: &message, payload: &claims, client_id, room, timestamp: Some(5), position: None };
        check_both(Notice::Event(bare), text);
    }
    for (bytes, base64) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
        let binary = Payload::binary(bytes);
        let bare = ServerEvent {
            client_id: None,
            room: None,
            timestamp: None,
            position: None,
            ..event(&message, &binary, &room)
        };
        check_both(Notice::Event(bare), &format!(r#"{{"type":"message","data":"{base64}","encoding":"base64"}}"#));
    }
    let unchecked = Payload::Json("{\"a\":".into());
    check_both(
        Notice::Event(ServerEvent { position: None, ..event(&message, &unchecked, &room) }),
        r#"{"type":"message","clientId":"@","timestamp":5,"room":"r"}"#,
    );
}

#[test]
fn answers_and_calls() {
    let (save, answer) = (name("save"), payload(r#"{"saved":true}"#));
    check(
        Notice::Ack { id: 1, payload: Some(&answer), position: PLACE },
        Some(r#"{"type":"ack","id":1,"saved":true}"#),
        Some(r#"{"type":"ack","id":1,"saved":true,"epoch":7,"offset":42}"#),
    );
    // An answer that would collide with the ack's own fields arrives unchanged all the same.
    for (json, text) in [
        (r#"{"id":9}"#, r#"{"type":"ack","id":1,"data":{"id":9}}"#),
        (r#"{"data":9}"#, r#"{"type":"ack","id":1,"data":{"data":9}}"#),
        ("[9]", r#"{"type":"ack","id":1,"data":[9]}"#),
        ("{}", r#"{"type":"ack","id":1}"#),
    ] {
        check_both(Notice::Ack { id: 1, payload: Some(&payload(json)), position: None }, text);
    }
    check_both(Notice::Ack { id: 1, payload: None, position: None }, r#"{"type":"ack","id":1}"#);
    check_both(Notice::Call { id: 2, name: &save, payload: &answer }, r#"{"type":"save","call":2,"saved":true}"#);
    for (json, text) in [
        (r#"{"id":1}"#, r#"{"type":"save","call":2,"id":1}"#),
        (r#"{"call":1,"a":3}"#, r#"{"type":"save","call":2,"data":{"call":1,"a":3}}"#),
        (r#"{"c\u0061ll":1}"#, r#"{"type":"save","call":2,"data":{"c\u0061ll":1}}"#),
        (r#"{"type":1}"#, r#"{"type":"save","call":2,"data":{"type":1}}"#),
        ("[1]", r#"{"type":"save","call":2,"data":[1]}"#),
        ("{}", r#"{"type":"save","call":2}"#),
    ] {
        check_both(Notice::Call { id: 2, name: &save, payload: &payload(json) }, text);
    }
    check_both(
        Notice::Error { id: None, code: "c", message: "m\n", data: None, retry_after: None },
        r#"{"type":"error","code":"c","message":"m\n"}"#,
    );
    check_both(
        Notice::Error { id: Some(1), code: "c", message: "m", data: Some(&answer), retry_after: Some(9) },
        r#"{"type":"error","id":1,"code":"c","message":"m","data":{"saved":true},"retryAfter":9}"#,
    );
}

#[test]
fn places_and_the_past() {
    let (room, message, content) = (room(), name("message"), payload(r#"{"content":1}"#));
    check_both(Notice::Gap { room: None, from: None, to: None }, r#"{"type":"gap"}"#);
    check_both(
        Notice::Gap { room: Some(&room), from: PLACE, to: PLACE },
        r#"{"type":"gap","room":"r","from":{"epoch":7,"offset":42},"to":{"epoch":7,"offset":42}}"#,
    );
    check(
        Notice::Position { room: &room, position: PLACE.unwrap() },
        None,
        Some(r#"{"type":"position","room":"r","epoch":7,"offset":42}"#),
    );
    let one = event(&message, &content, &room);
    let bare = r#"{"type":"message","clientId":"@","content":1,"timestamp":5,"room":"r""#;
    check(
        Notice::History { id: Some(1), room: &room, events: &[one, one], position: PLACE, complete: true },
        Some(&format!(
            r#"{{"type":"history","id":1,"room":"r","events":[{bare}}},{bare}}}],"epoch":7,"offset":42,"complete":true}}"#
        )),
        Some(&format!(
            r#"{{"type":"history","id":1,"room":"r","events":[{bare},"epoch":7,"offset":42}},{bare},"epoch":7,"offset":42}}],"epoch":7,"offset":42,"complete":true}}"#
        )),
    );
    check_both(
        Notice::History { id: None, room: &room, events: &[], position: None, complete: false },
        r#"{"type":"history","room":"r","events":[],"complete":false}"#,
    );
}

#[test]
fn the_life_of_a_session() {
    check_both(Notice::Refresh { expires_in: 1 }, r#"{"type":"refresh","expiresIn":1}"#);
    check_both(Notice::Ping, r#"{"type":"ping"}"#);
    check_both(Notice::Pong { id: None }, r#"{"type":"pong"}"#);
    check_both(Notice::Pong { id: Some(8) }, r#"{"type":"pong","id":8}"#);
    check_both(
        Notice::Closing { code: CloseCode::Restart, reason: "now", retry_after: Some(100) },
        r#"{"type":"closing","code":1012,"reason":"now","retryAfter":100}"#,
    );
    check_both(
        Notice::Closing { code: CloseCode::Kicked, reason: "", retry_after: None },
        r#"{"type":"closing","code":4502,"reason":""}"#,
    );
}

#[test]
fn raw_bytes_have_a_word_in_messagepack_alone() {
    check(Notice::Raw(b"ab"), None, None);
    let mut out = Vec::new();
    assert!(binary::encode(&Notice::Raw(b"ab"), Version::V1, &mut out));
    assert_eq!(out, b"\x82\xa4type\xa3raw\xa4data\xc4\x02ab");
}

#[test]
fn a_message_in_messagepack_byte_by_byte() {
    let (room, message, content) = (room(), name("message"), payload(r#"{"content":[-1,1.5,null]}"#));
    let mut out = b"before".to_vec();
    let event = ServerEvent { position: None, timestamp: Some(300), ..event(&message, &content, &room) };
    assert!(binary::encode(&Notice::Event(event), Version::V1, &mut out));
    let expected = [
        &b"before\x85\xa4type\xa7message\xa8clientId\xb6AAAAAAAAAAAAAAAAAAAAAA\xa7content\x93\xff\xcb"[..],
        &1.5f64.to_be_bytes(),
        b"\xc0\xa9timestamp\xcd\x01\x2c\xa4room\xa1r",
    ];
    assert_eq!(out, expected.concat());
}

#[test]
fn the_envelope_wins_in_messagepack_too() {
    let (room, message) = (room(), name("message"));
    let claims = payload(r#"{"clientId":1,"a":2,"room":"x","timestamp":3,"offset":4}"#);
    let mut out = Vec::new();
    let event = ServerEvent { position: None, ..event(&message, &claims, &room) };
    assert!(binary::encode(&Notice::Event(event), Version::V1, &mut out));
    assert_eq!(
        out,
        b"\x85\xa4type\xa7message\xa8clientId\xb6AAAAAAAAAAAAAAAAAAAAAA\xa1a\x02\xa9timestamp\x03\xa4room\xa1r"
    );
    out.clear();
    assert!(binary::encode(&Notice::Call { id: 2, name: &message, payload: &Payload::empty() }, Version::V1, &mut out));
    assert_eq!(out, b"\x82\xa4type\xa7message\xa4call\x02");
}
