//! The words as JSON: one object a message, in one line.

mod decode;
mod encode;

pub(crate) use decode::command;
pub use decode::{command_id, decode};
pub use encode::encode;
