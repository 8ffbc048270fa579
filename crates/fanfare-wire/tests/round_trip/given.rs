//! What the properties are tried on: commands, faults in them, and notices.

use fanfare_wire::{
    CloseCode, Command, Connected, Epoch, EventName, Member, Notice, Payload, Position, ResumeToken, RoomName,
    ServerEvent, SessionId,
};
use proptest::{collection::vec, option, prelude::*, sample::Index};
use serde::{Deserializer, de};
use serde_json::{Map, Value, json};

/// Any JSON. Its fractions are multiples of 1/4, which every reader of numbers reads alike.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 4.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 20, |value| {
        prop_oneof![
            vec(value.clone(), 0..20).prop_map(Value::from),
            vec((key(), value), 0..20).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Keys, most of them with a meaning.
fn key() -> impl Strategy<Value = String> {
    const WORDS: [&str; 20] = [
        "type",
        "id",
        "call",
        "key",
        "room",
        "data",
        "content",
        "clientId",
        "timestamp",
        "epoch",
        "offset",
        "encoding",
        "since",
        "history",
        "limit",
        "auth",
        "token",
        "resume",
        "rooms",
        "inbox",
    ];
    prop_oneof![3 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => any::<String>()]
}

/// Fields of any kind, words of the envelope among them.
pub(crate) fn any_fields() -> impl Strategy<Value = Map<String, Value>> {
    vec((key(), value()), 0..20).prop_map(Map::from_iter)
}

/// Fields with no key of the envelope among them.
pub(crate) fn own_fields() -> impl Strategy<Value = Map<String, Value>> {
    any_fields().prop_map(|fields| {
        let own = |key: &str| !["type", "id", "key", "room", "epoch", "offset"].contains(&key);
        fields.into_iter().filter(|(key, _)| own(key)).collect()
    })
}

/// A message of a client: most of them right, some with a wrong field.
pub(crate) fn command() -> impl Strategy<Value = Value> {
    let place = || json!({"epoch": 3, "offset": 4});
    let words = vec![
        json!({"type": "join_room", "room": "r", "since": place(), "history": 5}),
        json!({"type": "leave_room", "room": "r"}),
        json!({"type": "message", "room": "r", "content": "hi"}),
        json!({"type": "draw", "key": "k"}),
        json!({"type": "ack", "id": 3}),
        json!({"type": "history", "room": "r", "limit": 5}),
        json!({"type": "presence", "room": "r"}),
        json!({"type": "refresh", "token": "x"}),
        json!({"type": "hello", "auth": {}, "resume": {"token": "AAAAAAAAAAAAAAAAAAAAAQ", "rooms": {"r": place()}}}),
        json!({"type": "error", "room": "r"}),
        json!({"type": "user_left", "room": "r"}),
        json!({"type": "ping"}),
        json!({"type": "pong"}),
    ];
    let own = prop_oneof![Just(Map::new()), own_fields(), vec((key(), value()), 1..3).prop_map(Map::from_iter)];
    (proptest::sample::select(words), option::of(0u64..1 << 53), own).prop_map(|(mut message, id, mut fields)| {
        fields.extend(id.map(|id| ("id".to_owned(), id.into())));
        message.as_object_mut().unwrap().extend(fields);
        message
    })
}

/// One fault of a line.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Change(Index, u8),
    Insert(Index, u8),
    Cut(Index),
    Repeat(Index, Index),
}

pub(crate) fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let byte = || prop_oneof![any::<u8>(), proptest::sample::select(&b"{}[]\",:\\u0e-\xc1\xc4\xdf\xdb"[..])];
    let fault = prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Fault::Change(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Fault::Insert(at, byte)),
        any::<Index>().prop_map(Fault::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Fault::Repeat(from, to)),
    ];
    vec(fault, 1..4)
}

impl Fault {
    pub(crate) fn put_into(&self, message: &mut Vec<u8>) {
        let place = |at: &Index| at.index(message.len() + 1);
        match self {
            Self::Change(at, byte) => {
                let at = place(at);
                if let Some(changed) = message.get_mut(at) {
                    *changed = *byte;
                }
            }
            Self::Insert(at, byte) => message.insert(place(at), *byte),
            Self::Cut(at) => message.truncate(place(at)),
            Self::Repeat(from, to) => {
                let (from, to) = (place(from), place(to));
                message.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
}

/// Everything that a notice may borrow.
#[derive(Debug)]
pub(crate) struct GivenNotice {
    name: EventName,
    room: RoomName,
    text: String,
    payload: Payload,
    number: u64,
    optional: Option<u64>,
    position: Option<Position>,
    flag: bool,
    token: ResumeToken,
}

pub(crate) fn notice() -> impl Strategy<Value = GivenNotice> {
    let name = || any::<String>().prop_filter("no name", |name| EventName::new(name).is_ok());
    let payload = prop_oneof![
        value().prop_map(|value| Payload::new(&value).unwrap()),
        any_fields().prop_map(|fields| Payload::new(&fields).unwrap()),
        value().prop_map(|value| Payload::from_json(serde_json::to_vec_pretty(&value).unwrap()).unwrap()),
    ];
    let position =
        option::of((any::<u32>(), any::<u64>()).prop_map(|(epoch, offset)| Position::new(Epoch(epoch), offset)));
    let numbers = (any::<u64>(), option::of(any::<u64>()), position, any::<bool>());
    (name(), name(), any::<String>(), payload, numbers).prop_map(|(name, room, text, payload, numbers)| GivenNotice {
        name: EventName::new(name).unwrap(),
        room: RoomName::new(room).unwrap(),
        text,
        payload,
        number: numbers.0,
        optional: numbers.1,
        position: numbers.2,
        flag: numbers.3,
        token: ResumeToken::random(),
    })
}

impl GivenNotice {
    /// Calls `check` with every kind of notice.
    pub(crate) fn with(&self, check: impl Fn(&Notice<'_>)) {
        let Self { name, room, text, payload, number, optional, position, flag, token } = self;
        let (number, id, position, recovered) = (*number, *optional, *position, *flag);
        let client_id = SessionId::from_bytes([number as u8; 16]);
        let (user, info) = (recovered.then_some(&**text), id.map(|_| payload));
        let event =
            ServerEvent { name, payload, client_id: Some(client_id), room: Some(room), timestamp: id, position };
        let member = Member { client_id, user: user.map(Into::into), info: info.cloned() };
        let connected = Connected {
            client_id,
            timestamp: number,
            resume: Some(token),
            resumed: id.map(|_| recovered),
            reason: user,
            ping_interval: 1,
            ping_timeout: 2,
            max_message: 3,
        };
        for notice in [
            Notice::Connected(connected),
            Notice::UserJoined { client_id, room, user, info },
            Notice::UserLeft { client_id, room, user, info },
            Notice::Event(event),
            Notice::Ack { id: number, payload: info, position },
            Notice::Error { id, code: text, message: text, data: None, retry_after: id },
            Notice::Call { id: number, name, payload },
            Notice::Joined { id, room, position, recovered },
            Notice::Left { id, room },
            Notice::Gap { room: id.map(|_| room), from: position, to: position },
            Notice::Position { room, position: position.unwrap_or(Position::new(Epoch(1), 0)) },
            Notice::History { id, room, events: &[event, event], position, complete: recovered },
            Notice::Presence { id, room, members: &vec![member; 20], total: 20 },
            Notice::Refresh { expires_in: number },
            Notice::Ping,
            Notice::Pong { id },
            Notice::Closing { code: CloseCode::Slow, reason: text, retry_after: id },
        ] {
            check(&notice);
        }
    }
}

/// The command with its payload written without spaces.
pub(crate) fn compact(mut command: Command) -> Command {
    let payload = match &mut command {
        Command::Event(event) => Some(&mut event.payload),
        Command::Ack { payload, .. } => Some(payload),
        Command::Refresh { auth, .. } => Some(auth),
        Command::Hello(hello) => hello.auth.as_mut(),
        _ => None,
    };
    if let Some(payload) = payload {
        if let Some(json) = payload.as_json() {
            *payload = Payload::new(&serde_json::from_str::<Value>(json).unwrap()).unwrap();
        }
    }
    command
}

/// The fields of an object, each key once.
pub(crate) fn distinct_fields(object: &str) -> Map<String, Value> {
    struct Distinct;
    impl<'de> de::Visitor<'de> for Distinct {
        type Value = Map<String, Value>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: de::MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
            let mut seen = Map::new();
            while let Some((key, value)) = fields.next_entry::<String, Value>()? {
                assert!(seen.insert(key.clone(), value).is_none(), "{key:?} stands twice");
            }
            Ok(seen)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(object);
    let fields = reader.deserialize_map(Distinct).unwrap();
    reader.end().unwrap();
    fields
}

pub(crate) fn to_messagepack(value: &Value) -> Vec<u8> {
    fn convert(value: &Value) -> rmpv::Value {
        match value {
            Value::Null => rmpv::Value::Nil,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => number.into(),
                (_, Some(number)) => number.into(),
                _ => number.as_f64().unwrap().into(),
            },
            Value::String(text) => text.as_str().into(),
            Value::Array(values) => rmpv::Value::Array(values.iter().map(convert).collect()),
            Value::Object(fields) => {
                rmpv::Value::Map(fields.iter().map(|(key, value)| (key.as_str().into(), convert(value))).collect())
            }
        }
    }
    let mut packed = Vec::new();
    rmpv::encode::write_value(&mut packed, &convert(value)).unwrap();
    packed
}

/// The JSON that a MessagePack value stands for.
pub(crate) fn from_messagepack(value: &rmpv::Value) -> Value {
    match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(value) => (*value).into(),
        rmpv::Value::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, number) => number.unwrap().into(),
        },
        rmpv::Value::F64(number) => (*number).into(),
        rmpv::Value::String(text) => text.as_str().unwrap().into(),
        rmpv::Value::Array(values) => values.iter().map(from_messagepack).collect(),
        rmpv::Value::Map(fields) => {
            fields.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), from_messagepack(value))).collect()
        }
        other => panic!("{other} is never written"),
    }
}
