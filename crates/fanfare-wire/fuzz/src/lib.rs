//! What every fuzz target does with a message that it could read: relay it, and read what came out.

#![forbid(unsafe_code)]

use fanfare_wire::{
    ClientEvent, Command, Epoch, Notice, Payload, Position, ServerEvent, SessionId, Version, binary, json,
};

/// Relays the payload of the command in every way there is.
///
/// # Panics
/// When what was encoded is not one whole object. That is what fuzzing looks for.
pub fn relay(command: &Command) {
    match command {
        Command::Event(ClientEvent { name, room, payload, .. }) => {
            check(&Notice::Call { id: 1, name, payload });
            check(&Notice::Event(ServerEvent {
                name,
                payload,
                client_id: Some(SessionId::from_bytes([7; 16])),
                room: room.as_ref(),
                timestamp: Some(1),
                position: Some(Position::new(Epoch(1), 2)),
            }));
            answer(payload);
        }
        Command::Ack { payload, .. } => answer(payload),
        _ => {}
    }
}

/// An answer reads as what it was.
fn answer(payload: &Payload) {
    let notice = Notice::Ack { id: 1, payload: Some(payload), position: None };
    check(&notice);
    if let Some(json) = payload.as_json() {
        let mut out = Vec::new();
        assert!(json::encode(&notice, Version::V1, &mut out));
        let Ok(Command::Ack { id: 1, payload: read }) = json::decode(&out) else { panic!("an ack is one") };
        let value = |json| serde_json::from_str::<serde_json::Value>(json).expect("a payload is JSON");
        assert_eq!(value(json), value(read.as_json().expect("a payload of JSON stays one")));
    }
}

fn check(notice: &Notice<'_>) {
    for version in [Version::Plain, Version::V1] {
        let mut text = Vec::new();
        assert!(json::encode(notice, version, &mut text));
        assert!(!text.contains(&b'\n') && !text.contains(&b'\r'));
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text).expect("one JSON object");
        let mut packed = Vec::new();
        assert!(binary::encode(notice, version, &mut packed));
        let mut rest = &packed[..];
        let value = rmpv::decode::read_value(&mut rest).expect("one MessagePack value");
        assert!(value.is_map() && rest.is_empty());
    }
}
