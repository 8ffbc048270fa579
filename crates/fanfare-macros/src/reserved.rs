//! Words that an event cannot have as its name.

/// The protocols' own words. The core refuses the same ones at run time, where names are not known before.
pub(crate) const RESERVED: &[&str] = &[
    // Commands of the native protocol.
    "ack",
    "hello",
    "history",
    "join_room",
    "leave_room",
    "ping",
    "pong",
    "presence",
    "raw",
    "refresh",
    // Its notices.
    "closing",
    "connected",
    "error",
    "gap",
    "joined",
    "left",
    "position",
    "user_joined",
    "user_left",
    // What Socket.IO's clients refuse to emit.
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];
