//! Words that an application's event cannot have as its name.

/// The protocols' own words, which would be taken for something else on their way. `#[derive(Event)]` has the same list.
pub(super) const RESERVED: &[&str] = &[
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
