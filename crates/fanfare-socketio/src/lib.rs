//! Engine.IO and Socket.IO for fanfare, so that every Socket.IO client can talk to a Rust service unchanged.
//!
//! **Here so far:** the packets of both protocols, as pure functions of text and bytes. They know no socket, no clock and no
//! runtime.
//!
//! **Not here yet:** sessions, HTTP long-polling, the upgrade to WebSocket, heartbeats, namespaces, acknowledgements that
//! wait, the server API on fanfare's hub, connection state recovery, and the bindings for web frameworks. This crate cannot
//! serve a client by itself.
//!
//! ```text
//!  what the application says    ["message","hi",<bytes>]
//!           ▼
//!  socket::Packet               51-["message","hi",{"_placeholder":true,"num":0}]   and one attachment
//!           ▼
//!  engine::Packet               451-["message","hi",{"_placeholder":true,"num":0}]  and one binary packet
//!           ▼
//!  Message on a WebSocket,  or  engine::payload for a long poll: 451-[…]␞bAQIDBA==
//! ```
//!
//! - [`engine`]: what one message of the transport means, the bodies of long polls, and the handshake.
//! - [`socket`]: events, acknowledgements, namespaces and binary attachments; the port [`Parser`](socket::Parser) with the
//!   default encoding and the one of `socket.io-msgpack-parser`.
//! - [`Revision`]: which of the two revisions a client speaks. Everything that differs takes it as an argument.
//!
//! ```
//! use bytes::Bytes;
//! use fanfare_socketio::{Message, Revision, engine, socket};
//!
//! // A WebSocket client sends a text message…
//! let engine::Packet::Text(text) = engine::Packet::from_text(Revision::V4, "4212[\"hello\",\"world\"]")? else { panic!() };
//! let mut decoder = socket::Decoder::new(Revision::V4, socket::PacketLimits::default());
//! let packet = decoder.text(text)?.expect("it has no attachments to wait for");
//! assert_eq!(packet.event_name().as_deref(), Some("hello"));
//!
//! // …and is answered, with bytes.
//! let data = Bytes::from_static(br#"[{"_placeholder":true,"num":0}]"#);
//! let ack = socket::Packet::ack(packet.namespace().clone(), 12, data, vec![Bytes::from_static(&[1, 2])])?;
//! let (text, attachments) = ack.encode();
//! assert_eq!(text, r#"61-12[{"_placeholder":true,"num":0}]"#);
//! assert_eq!(engine::Packet::Text(&text).to_message(Revision::V4), Message::Text(format!("4{text}")));
//! assert_eq!(attachments[0], [1, 2][..]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is refused
//!
//! What the reference implementations refuse, and what they would read in a way that nobody meant: text after a complete
//! value, ids beyond 2^53 - 1, nesting beyond 64, attachments that no placeholder names or that two do. Nothing here
//! recurses on what a peer sent, and no announced length allocates anything.

pub mod engine;
mod message;
mod revision;
pub mod socket;

pub use message::Message;
pub use revision::Revision;
