//! Typed events: a Rust type for each word that goes over the wire.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{DecodeError, Payload};

/// A type that is an event: its fields are the payload, its name is the `type` on the wire.
///
/// Derive it. `name` is the event's name; without it, it is the type's name in snake case. `ack` is what the receiver
/// answers; without it the answer is empty.
/// ```
/// use fanfare::{Event, RoomName};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event(name = "message", ack = Sent)]
/// struct Say { room: RoomName, content: String }
///
/// #[derive(Serialize, Deserialize)]
/// struct Sent { id: u64 }
///
/// #[derive(Serialize, Deserialize, Event)]
/// struct TypingStopped;
///
/// assert_eq!(Say::NAME, "message");
/// assert_eq!(TypingStopped::NAME, "typing_stopped");
/// ```
///
/// # What the envelope keeps for itself
/// In a client's message `id` and `key` belong to the protocol and do not reach the payload; in a server's message `epoch`
/// and `offset` do. `type` is the event's name in both, so that a field or a serde tag of this name does not compile:
/// ```compile_fail
/// #[derive(serde::Serialize, serde::Deserialize, fanfare::Event)]
/// #[serde(tag = "type")]
/// enum Move { Up, Down }
/// ```
/// A type that is no object in JSON, such as `struct Volume(u8)`, stands under `data`; a type that is nothing, such as a
/// unit struct, has no field.
///
/// # Names
/// A name has 1 to 128 bytes and no control characters. The protocol's own words cannot be taken:
/// ```compile_fail
/// #[derive(serde::Serialize, serde::Deserialize, fanfare::Event)]
/// #[event(name = "join_room")]
/// struct Enter {}
/// ```
///
/// # Types
/// Structs and enums can be events, unions cannot. An event has one name and one shape, so that a type with generics or
/// lifetimes cannot be derived; implement the trait for `Changed<Price>` by hand, or make it a newtype:
/// ```compile_fail
/// #[derive(serde::Serialize, serde::Deserialize, fanfare::Event)]
/// struct Changed<T> { value: T }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event",
    note = "derive it: `#[derive(serde::Serialize, serde::Deserialize, fanfare::Event)]`, with `#[event(name = \"…\")]` for its name on the wire",
    note = "a handler's last argument is the event; extractors come before it"
)]
pub trait Event: Serialize + DeserializeOwned + Send + 'static {
    /// The name on the wire; a valid [`EventName`](crate::EventName).
    const NAME: &'static str;
    /// What the receiver answers.
    type Ack: Serialize + DeserializeOwned + Send + 'static;
}

/// Reads `T`, in the two forms in which the wire carries one: the fields of an object, or, for types that are no object in
/// JSON, the value under `data`. A type that is nothing, such as a unit struct, needs no field at all.
///
/// # Errors
/// What does not fit; its text names at most a field of `T`.
pub(crate) fn decode<T: DeserializeOwned>(payload: &Payload) -> Result<T, DecodeError> {
    match payload.read() {
        Ok(value) => Ok(value),
        Err(error) => bare(payload).ok_or(error),
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
