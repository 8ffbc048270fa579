//! Words that are the protocol's own, so that no event can be called by them.

/// Every command and every notice, but `message`, which is an event in both directions. `raw` too, although only
/// MessagePack says it: a name means the same in every encoding.
const RESERVED: [&str; 19] = [
    "ack",
    "closing",
    "connected",
    "error",
    "gap",
    "hello",
    "history",
    "join_room",
    "joined",
    "leave_room",
    "left",
    "ping",
    "pong",
    "position",
    "presence",
    "raw",
    "refresh",
    "user_joined",
    "user_left",
];

/// Whether `name` is a word of the protocol and cannot be an event's name. Exact: `Error` is free where `error` is not.
///
/// An event called `user_left` or `error` would be relayed in the very shape in which the server speaks, and its receivers
/// would believe it. So the decoders refuse one from a client; a server checks the names that it registers and publishes.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}
