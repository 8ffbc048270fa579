//! Socket.IO: the packets on top of Engine.IO's messages, in revisions 4 (Socket.IO 1 and 2) and 5 (3 and 4).
//!
//! ```text
//!  5 1- /admin, 12 ["message",{"_placeholder":true,"num":0}]      and one binary message
//!  │ │  │       │  ╰ data: JSON, where a placeholder stands for each attachment
//!  │ │  │       ╰ id: wants an acknowledgement
//!  │ │  ╰ namespace; not written for `/`
//!  │ ╰ how many attachments follow; only in types 5 and 6
//!  ╰ type: 0 CONNECT · 1 DISCONNECT · 2 EVENT · 3 ACK · 4 CONNECT_ERROR · 5 BINARY_EVENT · 6 BINARY_ACK
//! ```
//!
//! A [`Packet`] is right once it exists: whoever makes it or reads it has checked it. [`Decoder`] puts one together from a text
//! and the attachments that follow; [`Packet::encode`] takes it apart. [`Parser`] is the port for other encodings.

mod binary;
mod connect;
mod decoder;
mod json;
mod msgpack;
mod packet;
mod parser;

pub use decoder::{DecodeError, Decoder, PacketLimits};
pub use msgpack::MsgpackParser;
pub use packet::{BuildError, Kind, MAX_ACK_ID, Packet};
pub use parser::{Decode, DefaultParser, Encoded, Parser};
