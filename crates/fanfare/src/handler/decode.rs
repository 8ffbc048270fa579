//! Reads the payload of a typed event.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{Payload, error::Reject};

/// Reads `T`, in the two forms in which the wire carries one: the fields of an object, or, for types that are no object in
/// JSON, the value under `data`. A type that is nothing, such as a unit struct, needs no field at all.
///
/// # Errors
/// `bad_payload`; its text names at most a field of `T`.
pub(super) fn decode<T: DeserializeOwned>(payload: &Payload) -> Result<T, Reject> {
    match payload.read() {
        Ok(value) => Ok(value),
        Err(error) => bare(payload).ok_or_else(|| Reject::new("bad_payload", error.to_string())),
    }
}

fn bare<T: DeserializeOwned>(payload: &Payload) -> Option<T> {
    #[derive(Deserialize)]
    struct Bare<'a> {
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let value = serde_json::from_str::<Bare<'_>>(payload.as_json()?).ok()?.data.map_or("null", RawValue::get);
    // An object stands for itself and never under `data`: an event must not have two spellings.
    if value.starts_with('{') { None } else { serde_json::from_str(value).ok() }
}
