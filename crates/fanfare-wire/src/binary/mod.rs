//! The words as MessagePack: one map a message, with the same keys as the JSON form.

mod decode;
mod encode;
mod pack;
mod unpack;

pub use decode::{command_id, decode};
pub use encode::encode;
