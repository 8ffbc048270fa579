//! The words of fanfare's native protocol, and the two ways to write them.
//!
//! A message is one JSON object. What a client asks is a [`Command`], what a server tells is a [`Notice`]; the field `type`
//! names which, and everything else is a field beside it. Ten lines of JavaScript can speak it:
//!
//! ```text
//!  {"type":"message","id":7,"key":"k1","room":"lobby","content":"hi"}             the client asks
//!   ╰────────┬─────╯ ╰──┬─╯ ╰───┬────╯ ╰─────┬──────╯ ╰─────┬──────╯
//!    name of the event  │   apply once       │              ╰ the application's own fields
//!                 wants an ack            whose room         (with the room, they are the payload)
//!
//!  {"type":"message","clientId":"wfkQ…","content":"hi","timestamp":1787648400000,"room":"lobby","epoch":3,"offset":42}
//!                                       ╰─────┬──────╯                                       ╰─────────┬─────────╯
//!     the server tells everyone in the room   ╰ untouched            its place, in version 1 ──────────╯
//! ```
//!
//! The same words are written in MessagePack by [`binary`], with the same keys. A client chooses by the WebSocket
//! subprotocol: [`V1_JSON_SUBPROTOCOL`], [`V1_BINARY_SUBPROTOCOL`], or none for the plain form ([`Version`]).
//!
//! ```
//! use fanfare_wire::{Command, Notice, ServerEvent, SessionId, Version, json};
//!
//! // A client's message comes in…
//! let command = json::decode(br#"{"type":"message","room":"lobby","content":"hi"}"#)?;
//! let Command::Event(event) = command else { panic!("not an event") };
//! assert_eq!(event.name.as_str(), "message");
//!
//! // …and goes out to the room. The fields of its payload are relayed as the text that they were.
//! let notice = Notice::Event(ServerEvent {
//!     name: &event.name,
//!     payload: &event.payload,
//!     client_id: Some(SessionId::from_bytes([0; 16])),
//!     room: event.room.as_ref(),
//!     timestamp: None,
//!     position: None,
//! });
//! let mut out = Vec::new();
//! assert!(json::encode(&notice, Version::Plain, &mut out));
//! assert_eq!(out, br#"{"type":"message","clientId":"AAAAAAAAAAAAAAAAAAAAAA","content":"hi","room":"lobby"}"#);
//! # Ok::<(), fanfare_wire::DecodeError>(())
//! ```
//!
//! # The words
//!
//! Fields with a question mark may be missing; `place` is `epoch` and `offset`. A reader ignores fields that it does not know.
//!
//! | a client asks | with | is answered |
//! |---|---|---|
//! | `join_room` | `room id? since? history?` | `joined`; plain: `ack`, if there was an `id` |
//! | `leave_room` | `room id?` | `left`; plain: `ack`, if there was an `id` |
//! | `message`, or any word that is in neither list | `id? key? room?` and fields of its own | `ack`, if there was an `id` |
//! | `ack` | `id`, and `data?` or fields of its own | |
//! | `history` | `room id? since? limit?` | `history` |
//! | `presence` | `room id?` | `presence` |
//! | `hello` | `auth?` or `token?`, `resume?` | `connected` |
//! | `refresh` | `auth` or `token`, `id?` | `ack`, if there was an `id` |
//! | `ping` | `id?` | `pong` |
//! | `pong` | | |
//! | `raw` (MessagePack only) | `data` | |
//!
//! | a server tells | with | in version 1 also |
//! |---|---|---|
//! | `connected` | `clientId timestamp` | `resume? resumed? reason? pingInterval pingTimeout maxMessage` |
//! | `user_joined`, `user_left` | `clientId room` | `user? info?` |
//! | an event | `clientId?`, its fields, `timestamp? room?` | `place?` |
//! | a call | `call`, its fields or `data`; wants an `ack` with that number as `id` | |
//! | `ack` | `id`, and the answer's fields or `data?` | `place?` |
//! | `error` | `id? code message retryAfter?` | |
//! | `joined` | | `id? room place? recovered` |
//! | `left` | | `id? room` |
//! | `position` | | `room place` |
//! | `gap` | `room? from? to?` | |
//! | `history` | `id? room events place? complete` | |
//! | `presence` | `id? room members total` | |
//! | `refresh` | `expiresIn` | |
//! | `ping` | | |
//! | `pong` | `id?` | |
//! | `closing` | `code reason retryAfter?` | |
//! | `raw` (MessagePack only) | `data` | |
//!
//! Where an event and its payload have the same key, the event's `type`, `clientId`, `room`, `epoch` and `offset` win, so that
//! nobody speaks in another's name; a payload's own `timestamp` stays ([`ServerEvent`]). The events of a client cannot be
//! called by a word of these lists other than `message` ([`is_reserved`]).
//!
//! # What is refused
//!
//! The same key twice, nesting beyond [`limits::MAX_DEPTH`], names beyond their limits, text that is not UTF-8, lone
//! surrogates, numbers beyond an `f64`: whatever could be read in two ways, or would break the reader that it is relayed to.
//! Nothing here recurses on what a peer sent, and no announced length allocates anything. The limit of a message's size is
//! the transport's.

pub mod binary;
mod close;
mod command;
mod encode;
mod error;
mod fields;
pub mod json;
pub mod limits;
mod names;
mod notice;
mod payload;
mod reserved;
mod scan;
mod version;

pub use close::CloseCode;
pub use command::{ClientEvent, Command, Hello, Resume};
pub use error::DecodeError;
pub use names::{Epoch, EventName, NameError, Namespace, Position, ResumeToken, RoomName, SessionId};
pub use notice::{Connected, Member, Notice, ServerEvent};
pub use payload::{Payload, PayloadError};
pub use reserved::is_reserved;
pub use version::{V1_BINARY_SUBPROTOCOL, V1_JSON_SUBPROTOCOL, Version};
