//! Notices: what a server may tell.

use crate::{CloseCode, EventName, Payload, Position, ResumeToken, RoomName, SessionId};

/// One thing that a server tells a client. Borrowed, because it is encoded at once and never kept.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// `connected`: the session is open.
    Connected(Connected<'a>),
    /// `user_joined`: somebody is now in the room.
    UserJoined {
        /// Whose session.
        client_id: SessionId,
        /// Which room.
        room: &'a RoomName,
        /// The user, where the session has one.
        user: Option<&'a str>,
        /// What the application says about the member: a JSON object.
        info: Option<&'a Payload>,
    },
    /// `user_left`: somebody is no longer in the room.
    UserLeft {
        /// Whose session.
        client_id: SessionId,
        /// Which room.
        room: &'a RoomName,
        /// The user, where the session has one.
        user: Option<&'a str>,
        /// What the application says about the member: a JSON object.
        info: Option<&'a Payload>,
    },
    /// An event: `message` or the application's own word.
    Event(ServerEvent<'a>),
    /// `ack`: the command with this id was carried out.
    Ack {
        /// The id of the command.
        id: u64,
        /// What the application answers.
        payload: Option<&'a Payload>,
        /// Where the message of the command stands in its room.
        position: Option<Position>,
    },
    /// `error`: the command was not carried out.
    Error {
        /// The id of the command, if it had one.
        id: Option<u64>,
        /// A short word for programs, such as `not_joined`.
        code: &'a str,
        /// A sentence for people.
        message: &'a str,
        /// What else the application says about it.
        data: Option<&'a Payload>,
        /// After how many milliseconds to try again, where that makes sense.
        retry_after: Option<u64>,
    },
    /// A call: an event of the application that asks for an `ack`. An object that has a `call` of its own stands as a whole
    /// under `data`.
    Call {
        /// Told as `call`; the ack repeats it as its `id`. Not told as `id`, so that an event with an `id` of its own is never
        /// taken for a call.
        id: u64,
        /// The `type`.
        name: &'a EventName,
        /// The fields.
        payload: &'a Payload,
    },
    /// `joined`: the session is now in the room. Answers `join_room` in version 1, and tells of joins that the server made.
    Joined {
        /// The id of the command, if there was one.
        id: Option<u64>,
        /// Which room.
        room: &'a RoomName,
        /// The place after which live messages follow, in rooms that keep history.
        position: Option<Position>,
        /// Whether everything after the place that was asked for follows (or was not asked for).
        recovered: bool,
    },
    /// `left`: the session is no longer in the room, by its own wish or the server's.
    Left {
        /// The id of the command, if there was one.
        id: Option<u64>,
        /// Which room.
        room: &'a RoomName,
    },
    /// `gap`: messages of the room were lost for this session and won't come.
    Gap {
        /// Which room; `None` for the session's own inbox.
        room: Option<&'a RoomName>,
        /// The last place before the loss, where it is known.
        from: Option<Position>,
        /// The last place that is lost, where it is known. Of another epoch than `from` when the log was lost.
        to: Option<Position>,
    },
    /// `position`: the room went on by a message that is not for this session.
    Position {
        /// Which room.
        room: &'a RoomName,
        /// The place of that message.
        position: Position,
    },
    /// `history`: past messages, oldest first, then the place of the last.
    History {
        /// The id of the command, if it had one.
        id: Option<u64>,
        /// Which room.
        room: &'a RoomName,
        /// The messages.
        events: &'a [ServerEvent<'a>],
        /// The room's last place.
        position: Option<Position>,
        /// Whether everything that was asked for is here.
        complete: bool,
    },
    /// `presence`: who is in the room.
    Presence {
        /// The id of the command, if it had one.
        id: Option<u64>,
        /// Which room.
        room: &'a RoomName,
        /// One entry a session, so that several sessions of one user stand side by side.
        members: &'a [Member],
        /// How many sessions are in the room, also those that the list leaves out.
        total: usize,
    },
    /// `refresh`: the credentials end soon; the client answers with a `refresh`.
    Refresh {
        /// Milliseconds until the session is closed.
        expires_in: u64,
    },
    /// `ping`: asks for a `pong`, on transports that have no ping of their own.
    Ping,
    /// `pong`.
    Pong {
        /// The id of the ping, if it had one.
        id: Option<u64>,
    },
    /// `closing`: the server is about to close, and why. Sent on transports whose own close says too little.
    Closing {
        /// The reason, whose range says whether to come back.
        code: CloseCode,
        /// The reason for people.
        reason: &'a str,
        /// After how many milliseconds to come back.
        retry_after: Option<u64>,
    },
    /// Bytes of the application that are no word of the protocol: a binary message beside the JSON; `raw` with `data` in
    /// MessagePack.
    Raw(&'a [u8]),
}

/// The contents of `connected`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Connected<'a> {
    /// The session's id.
    pub client_id: SessionId,
    /// The server's clock, milliseconds since 1970.
    pub timestamp: u64,
    /// The secret to resume with; version 1 only.
    pub resume: Option<&'a ResumeToken>,
    /// Whether an earlier session goes on. `None` where none was asked for.
    pub resumed: Option<bool>,
    /// Why it does not go on.
    pub reason: Option<&'a str>,
    /// The server pings in this interval, in milliseconds.
    pub ping_interval: u64,
    /// A pong must come within this time, in milliseconds.
    pub ping_timeout: u64,
    /// The longest message that the server takes, in bytes.
    pub max_message: u64,
}

/// An event as it is told to clients.
///
/// Its fields and the payload's stand side by side. `type`, `epoch` and `offset` of a payload are always left out; its
/// `clientId` and `room` are where the event has its own. Its `timestamp` takes the place of the event's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerEvent<'a> {
    /// The `type`.
    pub name: &'a EventName,
    /// The fields.
    pub payload: &'a Payload,
    /// The session that published it; told as `clientId`.
    pub client_id: Option<SessionId>,
    /// Which room; `None` for what was sent to one session or to everyone.
    pub room: Option<&'a RoomName>,
    /// When it was published, milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// Its place in the room, where the room keeps history.
    pub position: Option<Position>,
}

/// One session in a room, as others see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The session.
    pub client_id: SessionId,
    /// The user, where the session has one.
    pub user: Option<std::sync::Arc<str>>,
    /// What the application says about the member: a JSON object.
    pub info: Option<Payload>,
}
