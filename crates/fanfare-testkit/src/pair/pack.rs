//! The words of MessagePack as JSON values, so that one test serves both encodings.

use bytes::Bytes;
use serde_json::{Map, Value, json};

pub(super) fn pack(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, &to_pack(value)).expect("a Vec takes all");
    out
}

/// The bytes of the application as the word that carries them.
pub(super) fn pack_raw(bytes: &[u8]) -> Vec<u8> {
    let map = vec![("type".into(), "raw".into()), ("data".into(), rmpv::Value::Binary(bytes.to_vec()))];
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, &rmpv::Value::Map(map)).expect("a Vec takes all");
    out
}

/// One message: its words, or the application's bytes.
///
/// # Panics
/// When it is no MessagePack.
pub(super) fn unpack(mut message: &[u8]) -> Result<Value, Bytes> {
    let value = rmpv::decode::read_value(&mut message).expect("the server speaks MessagePack");
    assert!(message.is_empty(), "{} bytes behind a message", message.len());
    if value["type"].as_str() == Some("raw") {
        if let Some(bytes) = value["data"].as_slice() {
            return Err(Bytes::copy_from_slice(bytes));
        }
    }
    Ok(to_json(value))
}

fn to_pack(value: &Value) -> rmpv::Value {
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Bool(value) => (*value).into(),
        Value::String(text) => text.as_str().into(),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, Some(number)) => number.into(),
            _ => number.as_f64().unwrap_or_default().into(),
        },
        Value::Array(values) => rmpv::Value::Array(values.iter().map(to_pack).collect()),
        Value::Object(fields) => {
            rmpv::Value::Map(fields.iter().map(|(key, value)| (key.as_str().into(), to_pack(value))).collect())
        }
    }
}

fn to_json(value: rmpv::Value) -> Value {
    match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(value) => value.into(),
        rmpv::Value::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (_, number) => number.into(),
        },
        rmpv::Value::F32(number) => json!(number),
        rmpv::Value::F64(number) => json!(number),
        rmpv::Value::String(text) => text.into_str().expect("the server's text is UTF-8").into(),
        rmpv::Value::Binary(bytes) => json!(bytes),
        rmpv::Value::Array(values) => values.into_iter().map(to_json).collect(),
        rmpv::Value::Map(fields) => {
            let fields = fields.into_iter().map(|(key, value)| {
                let key = key.as_str().expect("keys are text").to_owned();
                (key, to_json(value))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        rmpv::Value::Ext(..) => panic!("the server uses no extension types"),
    }
}
