//! What the properties and the oracle are tried on: packets, bodies, and faults in them.

use std::collections::BTreeMap;

use bytes::Bytes;
use fanfare_socketio::{
    engine::{self, payload::Format},
    socket,
};
use fanfare_wire::Namespace;
use proptest::{collection::vec, option, prelude::*, sample::Index};
use serde_json::Value;

/// A JSON value in which bytes may stand.
#[derive(Debug, Clone)]
enum Tree {
    Leaf(Value),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    /// Its keys have no meaning for JavaScript, such as `__proto__`, and keep their order there, as `1` would not.
    Map(BTreeMap<String, Tree>),
}

/// Numbers are whole or multiples of 1/4, which JavaScript and Rust write alike.
fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1i64 << 53) + 1..1 << 53).prop_map(Value::from),
        (0..1u32 << 20).prop_map(|number| Value::from(f64::from(number) + 0.25)),
        "(?s).{0,10}".prop_map(Value::from),
    ];
    let leaf = prop_oneof![4 => leaf.prop_map(Tree::Leaf), 1 => vec(any::<u8>(), 0..40).prop_map(Tree::Bytes)];
    leaf.prop_recursive(3, 12, 4, |tree| {
        let key = "k.{0,6}";
        prop_oneof![
            vec(tree.clone(), 0..5).prop_map(Tree::List),
            vec((key, tree), 0..4).prop_map(|fields| Tree::Map(fields.into_iter().collect())),
        ]
    })
}

/// Writes a tree as JSON with placeholders. Beyond 10 attachments, bytes are `null`.
fn write(tree: &Tree, json: &mut String, attachments: &mut Vec<Bytes>) {
    match tree {
        Tree::Leaf(value) => json.push_str(&value.to_string()),
        Tree::Bytes(_) if attachments.len() == 10 => json.push_str("null"),
        Tree::Bytes(bytes) => {
            json.push_str(&format!(r#"{{"_placeholder":true,"num":{}}}"#, attachments.len()));
            attachments.push(Bytes::copy_from_slice(bytes));
        }
        Tree::List(items) => {
            json.push('[');
            for (at, item) in items.iter().enumerate() {
                json.push_str(if at > 0 { "," } else { "" });
                write(item, json, attachments);
            }
            json.push(']');
        }
        Tree::Map(fields) => {
            json.push('{');
            for (at, (key, value)) in fields.iter().enumerate() {
                json.push_str(if at > 0 { "," } else { "" });
                json.push_str(&Value::from(key.as_str()).to_string());
                json.push(':');
                write(value, json, attachments);
            }
            json.push('}');
        }
    }
}

/// A JSON array and its attachments; with a name it is an event's.
fn arguments(name: Option<String>, trees: Vec<Tree>) -> (String, Vec<Bytes>) {
    let name = name.map(|name| Tree::Leaf(name.into()));
    let (mut json, mut attachments) = (String::new(), Vec::new());
    write(&Tree::List(name.into_iter().chain(trees).collect()), &mut json, &mut attachments);
    (json, attachments)
}

fn namespace() -> impl Strategy<Value = Namespace> {
    let other = "/[^,?\\p{Cc}]{0,12}".prop_map(|name| Namespace::new(name).unwrap());
    prop_oneof![2 => Just(Namespace::default()), 1 => other]
}

/// Any packet that both revisions have.
pub(crate) fn packet() -> impl Strategy<Value = socket::Packet> {
    let id = || prop_oneof![0..1000u64, 0..=socket::MAX_ACK_ID];
    let name = "e.{0,6}";
    let object = || {
        vec(tree(), 0..3).prop_map(|trees| {
            let mut json = String::new();
            let fields = trees.into_iter().enumerate().map(|(at, tree)| (format!("f{at}"), without_bytes(tree)));
            write(&Tree::Map(fields.collect()), &mut json, &mut Vec::new());
            Bytes::from(json)
        })
    };
    prop_oneof![
        1 => (namespace(), option::of(object())).prop_map(|(name, auth)| socket::Packet::connect(name, auth)),
        1 => namespace().prop_map(socket::Packet::disconnect),
        1 => (namespace(), ".{0,20}", option::of(object())).prop_map(|(name, message, data)| {
            socket::Packet::refusal(fanfare_socketio::Revision::V4, name, &message, data)
        }),
        1 => (namespace(), ".{0,20}").prop_map(|(name, message)| {
            socket::Packet::refusal(fanfare_socketio::Revision::V3, name, &message, None)
        }),
        6 => (namespace(), option::of(id()), name, vec(tree(), 0..4)).prop_map(|(namespace, id, name, trees)| {
            let (json, attachments) = arguments(Some(name), trees);
            socket::Packet::event(namespace, id, json, attachments)
        }),
        3 => (namespace(), id(), vec(tree(), 0..4)).prop_map(|(namespace, id, trees)| {
            let (json, attachments) = arguments(None, trees);
            socket::Packet::ack(namespace, id, json, attachments)
        }),
    ]
    .prop_map(|packet| packet.unwrap())
}

fn without_bytes(tree: Tree) -> Tree {
    match tree {
        Tree::Bytes(_) => Tree::Leaf(Value::Null),
        Tree::List(items) => Tree::List(items.into_iter().map(without_bytes).collect()),
        Tree::Map(fields) => Tree::Map(fields.into_iter().map(|(key, tree)| (key, without_bytes(tree))).collect()),
        leaf => leaf,
    }
}

/// A packet of Engine.IO that owns its text: the digit of its type, or bytes.
#[derive(Debug, Clone)]
pub(crate) enum EnginePacket {
    Text(u8, String),
    Bytes(Vec<u8>),
}

impl EnginePacket {
    pub(crate) fn packet(&self) -> engine::Packet<'_> {
        match self {
            Self::Text(0, data) => engine::Packet::Open(data),
            Self::Text(1, _) => engine::Packet::Close,
            Self::Text(2, data) => engine::Packet::Ping(data),
            Self::Text(3, data) => engine::Packet::Pong(data),
            Self::Text(4, data) => engine::Packet::Text(data),
            Self::Text(5, _) => engine::Packet::Upgrade,
            Self::Text(_, _) => engine::Packet::Noop,
            Self::Bytes(bytes) => engine::Packet::Binary(Bytes::copy_from_slice(bytes)),
        }
    }
}

/// The packets of one body, at least one.
pub(crate) fn engine_packets() -> impl Strategy<Value = Vec<EnginePacket>> {
    let packet = prop_oneof![
        2 => (0..7u8, "[^\x1e]{0,20}").prop_map(|(kind, data)| {
            EnginePacket::Text(kind, if matches!(kind, 1 | 5 | 6) { String::new() } else { data })
        }),
        2 => "[^\x1e]{0,20}".prop_map(|data| EnginePacket::Text(4, data)),
        1 => vec(any::<u8>(), 0..40).prop_map(EnginePacket::Bytes),
    ];
    vec(packet, 1..8)
}

pub(crate) fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::V4), Just(Format::V3Text), Just(Format::V3Binary)]
}

/// A fault in a message.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Cut(Index),
    Remove(Index),
    Replace(Index, char),
    Insert(Index, char),
}

pub(crate) fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let char = || {
        let telling = prop::sample::select("0123456789-/,?:[]{}\"\\ubtrue_num\x1e\0 ".chars().collect::<Vec<_>>());
        prop_oneof![3 => telling, 1 => any::<char>()]
    };
    let fault = prop_oneof![
        any::<Index>().prop_map(Fault::Cut),
        any::<Index>().prop_map(Fault::Remove),
        (any::<Index>(), char()).prop_map(|(at, char)| Fault::Replace(at, char)),
        (any::<Index>(), char()).prop_map(|(at, char)| Fault::Insert(at, char)),
    ];
    vec(fault, 1..4)
}

impl Fault {
    /// Puts the fault into text, where it stays text.
    pub(crate) fn put_into_text(&self, text: &mut String) {
        let mut chars: Vec<char> = text.chars().collect();
        self.put(&mut chars, |char| char);
        *text = chars.into_iter().collect();
    }

    /// Puts the fault into bytes; a character is its lowest byte.
    pub(crate) fn put_into_bytes(&self, bytes: &mut Vec<u8>) {
        self.put(bytes, |char| char as u32 as u8);
    }

    fn put<T>(&self, items: &mut Vec<T>, item: impl Fn(char) -> T) {
        let length = items.len();
        match self {
            Self::Insert(at, char) => items.insert(at.index(length + 1), item(*char)),
            _ if length == 0 => {}
            Self::Cut(at) => items.truncate(at.index(length)),
            Self::Remove(at) => drop(items.remove(at.index(length))),
            Self::Replace(at, char) => items[at.index(length)] = item(*char),
        }
    }
}
