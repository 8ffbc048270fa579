//! An embeddable real-time messaging library: rooms, fan-out, acks, history, presence, recovery, bounded memory.
//!
//! A message walks through the house once; each room is a noun, each door a verb.
//! ```text
//!  bytes ─▶ Transport ─▶ Protocol ─▶ Session ─▶ Hub ─▶ Room ─▶ Broker      receive · decode · handle · dispatch · publish
//!  bytes ◀─ Transport ◀─ Session ◀─ Protocol ◀──────── Room ◀─ Broker      deliver · encode once · enqueue · send
//! ```
//! Three ports are for others to fill: [`Transport`](transport::Transport) (how bytes arrive),
//! [`Protocol`](protocol::Protocol) (what they mean), [`Broker`](broker::Broker) (how nodes talk). The application sits in its
//! [handlers](handler). Everything else is a concrete type.

mod config;
mod error;
mod event;
mod observe;

pub mod transport;

pub mod protocol;

pub mod broker;

mod node;
mod session;

mod room;

pub mod handler;

mod engine;

mod hub;

pub use broker::{Level, Receipt};
pub use config::{Config, ConfigError, History, InboundRate, Origins, Overflow, RoomPolicy};
pub use error::{
    BrokerError, BuildError, CallError, DisconnectReason, JoinError, PublishError, QueryError, Refusal, Reject,
    SendToError,
};
pub use event::Event;
pub use fanfare_macros::Event;
pub use fanfare_wire::{
    ClientEvent, CloseCode, Command, Connected, DecodeError, Epoch, EventName, Hello, Member, NameError, Namespace,
    Notice, Payload, PayloadError, Position, Resume, ResumeToken, RoomName, ServerEvent, SessionId,
};
pub use handler::{Auth, InRoom, Incoming, State};
pub use hub::{Admission, Drain, Drained, Hub, HubBuilder, NamespaceBuilder, Reservation};
pub use node::{RoomChange, Select, Verb};
pub use observe::Stats;
pub use room::{Past, PastMessage, Publish, Room};
pub use session::{Handshake, Identity, Session};
