//! Commands: what a client may ask.

use crate::{EventName, Payload, Position, ResumeToken, RoomName};

/// One request of a client. `id`, where it is there, asks for an [`Ack`](crate::Notice::Ack) or an
/// [`Error`](crate::Notice::Error) with the same number; 0 to [`MAX_COMMAND_ID`](crate::limits::MAX_COMMAND_ID).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// `hello`: credentials and the session to resume. The opening word of protocol version 1; also how a plain client
    /// logs in when the server asked for it.
    Hello(Hello),
    /// `join_room`.
    Join {
        /// Asks for an answer.
        id: Option<u64>,
        /// Which room.
        room: RoomName,
        /// Everything after this place is wanted first; all of it or a gap.
        since: Option<Position>,
        /// The last so many messages are wanted first. Ignored where `since` is there.
        history: Option<u32>,
    },
    /// `leave_room`.
    Leave {
        /// Asks for an answer.
        id: Option<u64>,
        /// Which room.
        room: RoomName,
    },
    /// `message` and every word of the application's own.
    Event(ClientEvent),
    /// `ack`: the answer to a server's [`Call`](crate::Notice::Call).
    Ack {
        /// The number of the call, which was told as `call`.
        id: u64,
        /// The answer.
        payload: Payload,
    },
    /// `history`: past messages of a room.
    History {
        /// Names the answer.
        id: Option<u64>,
        /// Which room.
        room: RoomName,
        /// Only what came after this place.
        since: Option<Position>,
        /// At most so many; the server may answer with fewer.
        limit: Option<u32>,
    },
    /// `presence`: who is in a room.
    Presence {
        /// Names the answer.
        id: Option<u64>,
        /// Which room.
        room: RoomName,
    },
    /// `refresh`: new credentials for the session as it is.
    Refresh {
        /// Asks for an answer.
        id: Option<u64>,
        /// The credentials, in the shape that the application's check expects.
        auth: Payload,
    },
    /// `ping`: asks for a `pong`.
    Ping {
        /// Comes back in the pong.
        id: Option<u64>,
    },
    /// `pong`: the answer to a server's ping, on transports that have no ping of their own.
    Pong,
    /// Bytes that are no word of the protocol: a binary message beside the JSON, or MessagePack's `raw` with `data`.
    Raw(bytes::Bytes),
}

/// An application's word from a client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientEvent {
    /// Asks for an answer.
    pub id: Option<u64>,
    /// The `type`. Never a word that [is reserved](crate::is_reserved).
    pub name: EventName,
    /// The `room` field, where there is one that is a valid name. It stays in the payload too.
    pub room: Option<RoomName>,
    /// The `key` field: the same key is applied once.
    pub key: Option<String>,
    /// All fields but `type`, `id` and `key`.
    pub payload: Payload,
}

/// The opening word of a client.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hello {
    /// Credentials, in the shape that the application's check expects: the fields `auth` (any value) or `token` (a string,
    /// kept as `{"token":…}`).
    pub auth: Option<Payload>,
    /// The session to go on with.
    pub resume: Option<Resume>,
}

/// A request to go on with an earlier session.
#[derive(Debug, Clone, PartialEq)]
pub struct Resume {
    /// The secret of the last `connected`.
    pub token: ResumeToken,
    /// The last place seen in each room; at most [`MAX_RESUME_ROOMS`](crate::limits::MAX_RESUME_ROOMS).
    pub rooms: Vec<(RoomName, Position)>,
    /// The last place seen of what was sent to this session alone.
    pub inbox: Option<Position>,
}
