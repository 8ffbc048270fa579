//! Sizes that the words themselves have; what a server allows beyond them is its configuration.

/// Longest room name, in bytes of UTF-8. Every peer keeps names whole, so the bound is short enough for a key in any store.
pub const MAX_ROOM_NAME_BYTES: usize = 255;
/// Longest event name, in bytes of UTF-8.
pub const MAX_EVENT_NAME_BYTES: usize = 128;
/// Longest name of a namespace, in bytes of UTF-8.
pub const MAX_NAMESPACE_BYTES: usize = 255;
/// Longest idempotency or conflation key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 255;
/// Largest id of a command. Beyond 2^53 - 1 a JavaScript peer would answer with another number.
pub const MAX_COMMAND_ID: u64 = (1 << 53) - 1;
/// Deepest nesting of arrays and objects that is read. A reader that recursed deeper could be made to overflow its stack.
pub const MAX_DEPTH: usize = 64;
/// Most rooms that one `hello` may ask to resume.
pub const MAX_RESUME_ROOMS: usize = 1024;
