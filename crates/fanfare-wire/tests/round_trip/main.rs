//! Nothing that a peer sends makes the decoders panic, and what is written is always one whole object.

#![allow(clippy::unwrap_used)]

mod given;

use fanfare_wire::{
    ClientEvent, Command, EventName, Notice, Payload, RoomName, ServerEvent, SessionId, Version, binary, is_reserved,
    json,
};
use proptest::prelude::*;
use serde_json::Value;

/// Decodes, and where it is an event, relays its payload in every way there is.
fn decode_and_relay(decode: fn(&[u8]) -> Result<Command, fanfare_wire::DecodeError>, message: &[u8]) {
    if let Ok(Command::Event(ClientEvent { name, room, payload, .. })) = decode(message) {
        let event = ServerEvent {
            name: &name,
            payload: &payload,
            client_id: None,
            room: room.as_ref(),
            timestamp: Some(1),
            position: None,
        };
        check_encoded(&Notice::Event(event));
        check_encoded(&Notice::Call { id: 1, name: &name, payload: &payload });
        check_encoded(&Notice::Ack { id: 1, payload: Some(&payload), position: None });
    }
}

/// Encodes in every version and encoding, and checks that each is one object with nothing before or after it, that no key
/// stands twice, and that both encodings say the same.
fn check_encoded(notice: &Notice<'_>) {
    for version in [Version::Plain, Version::V1] {
        let mut text = b"before".to_vec();
        let spoken = json::encode(notice, version, &mut text);
        let mut packed = b"before".to_vec();
        assert_eq!(binary::encode(notice, version, &mut packed), spoken);
        let text = text.strip_prefix(b"before").unwrap();
        let mut packed = packed.strip_prefix(b"before").unwrap();
        if !spoken {
            assert!(text.is_empty() && packed.is_empty());
            continue;
        }
        assert!(!text.contains(&b'\n') && !text.contains(&b'\r'));
        assert!(text.starts_with(b"{\"type\":\"") && text.ends_with(b"}"));
        let told = given::distinct_fields(std::str::from_utf8(text).unwrap());
        let applications = matches!(notice, Notice::Event(_) | Notice::Call { .. });
        assert!(applications || told["type"].as_str().is_some_and(is_reserved), "{told:?}");
        let map = rmpv::decode::read_value(&mut packed).unwrap();
        assert!(packed.is_empty());
        assert_eq!(given::from_messagepack(&map), Value::Object(told));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(message: Vec<u8>) {
        decode_and_relay(json::decode, &message);
        decode_and_relay(binary::decode, &message);
        let _ = (json::command_id(&message), binary::command_id(&message));
    }

    #[test]
    fn messages_with_faults_never_panic(message in given::command(), faults in given::faults()) {
        let mut text = message.to_string().into_bytes();
        let mut packed = given::to_messagepack(&message);
        faults.iter().for_each(|fault| fault.put_into(&mut text));
        faults.iter().for_each(|fault| fault.put_into(&mut packed));
        decode_and_relay(json::decode, &text);
        decode_and_relay(binary::decode, &packed);
    }

    #[test]
    fn both_encodings_of_a_command_are_the_same_command(message in given::command()) {
        let text = json::decode(message.to_string().as_bytes());
        prop_assert_eq!(&text, &binary::decode(&given::to_messagepack(&message)));
        prop_assert_eq!(text, json::decode(serde_json::to_string_pretty(&message).unwrap().as_bytes()).map(given::compact));
    }

    #[test]
    fn what_is_read_is_an_event_or_a_reserved_word(message in given::command()) {
        let word = message["type"].as_str().map(str::to_owned);
        if let Ok(command) = json::decode(message.to_string().as_bytes()) {
            prop_assert_eq!(word.is_some_and(|word| is_reserved(&word)), !matches!(command, Command::Event(_)));
        }
    }

    #[test]
    fn what_is_taken_out_is_gone_and_the_rest_is_unchanged(fields in given::any_fields()) {
        const KEYS: [&str; 3] = ["clientId", "timestamp", "room"];
        let rest = Payload::from_json(serde_json::to_vec_pretty(&fields).unwrap()).unwrap().without(&KEYS);
        let mut expected = fields;
        expected.retain(|key, _| !KEYS.contains(&key.as_str()));
        let json = rest.as_json().unwrap();
        prop_assert_eq!(given::distinct_fields(json), expected);
        prop_assert_eq!(Payload::from_json(json.to_owned()), Ok(rest));
    }

    #[test]
    fn nobody_speaks_in_another_s_name(fields in given::any_fields()) {
        let (name, room) = (EventName::new("draw").unwrap(), RoomName::new("r").unwrap());
        let payload = Payload::new(&fields).unwrap();
        let event = ServerEvent {
            name: &name,
            payload: &payload,
            client_id: Some(SessionId::from_bytes([0; 16])),
            room: Some(&room),
            timestamp: Some(1),
            position: None,
        };
        let mut out = Vec::new();
        prop_assert!(json::encode(&Notice::Event(event), Version::V1, &mut out));
        let mut expected = fields;
        expected.retain(|key, _| !["epoch", "offset"].contains(&key.as_str()));
        expected.insert("type".into(), "draw".into());
        expected.insert("clientId".into(), "AAAAAAAAAAAAAAAAAAAAAA".into());
        expected.insert("room".into(), "r".into());
        expected.entry("timestamp").or_insert(1.into());
        prop_assert_eq!(given::distinct_fields(std::str::from_utf8(&out).unwrap()), expected);
    }

    #[test]
    fn every_notice_is_one_whole_object(given in given::notice()) {
        given.with(check_encoded);
    }

    #[test]
    fn the_fields_of_an_event_arrive_unchanged(fields in given::own_fields()) {
        let mut message = fields.clone();
        message.insert("type".into(), "draw".into());
        message.insert("id".into(), 1.into());
        let Ok(Command::Event(event)) = json::decode(Value::Object(message).to_string().as_bytes()) else {
            panic!("an event is one");
        };
        let notice = Notice::Event(ServerEvent {
            name: &event.name,
            payload: &event.payload,
            client_id: None,
            room: None,
            timestamp: None,
            position: None,
        });
        let mut out = Vec::new();
        prop_assert!(json::encode(&notice, Version::V1, &mut out));
        let mut told: serde_json::Map<String, Value> = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(told.remove("type"), Some("draw".into()));
        prop_assert_eq!(told, fields);
    }

    #[test]
    fn an_answer_arrives_unchanged(answer in given::value()) {
        let payload = Payload::new(&answer).unwrap();
        let mut out = Vec::new();
        let notice = Notice::Ack { id: 1, payload: Some(&payload), position: None };
        prop_assert!(json::encode(&notice, Version::V1, &mut out));
        // An ack reads the same in both directions.
        prop_assert_eq!(json::decode(&out).map(given::compact), Ok(Command::Ack { id: 1, payload }));
    }
}

#[test]
fn a_name_that_needs_escapes_is_told_as_it_is() {
    let (name, room) = (EventName::new(r#"a"\"#).unwrap(), RoomName::new("\"é\\").unwrap());
    let payload = Payload::empty();
    check_encoded(&Notice::Call { id: 0, name: &name, payload: &payload });
    check_encoded(&Notice::Left { id: Some(1), room: &room });
}
