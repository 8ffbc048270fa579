//! Engine.IO: the packets below Socket.IO, in revisions 3 and 4.
//!
//! On a WebSocket each packet is a message of its own: [`Packet::from_text`], [`Packet::from_binary`],
//! [`Packet::to_message`]. A long poll carries several, in one of three [`Format`](payload::Format)s: [`payload`].
//!
//! | packet | revision 4 | revision 3 |
//! |---|---|---|
//! | text | `4hello` | `4hello` |
//! | bytes on a WebSocket | `01 02` | `04 01 02` |
//! | bytes in text | `bAQI=` | `b4AQI=` |
//! | a long poll | `4hello␞bAQI=` | `6:4hello6:b4AQI=`, or `00 06 ff 4hello 01 03 ff 04 01 02` |

mod handshake;
mod packet;
pub mod payload;

pub use handshake::Handshake;
pub use packet::{Packet, PacketError};
