//! WebSocket for fanfare: a sans-I/O codec (RFC 6455), a transport over any byte stream, and the server's handshake.
//!
//! ```text
//!              bytes ─▶ handshake::accept ─▶ Upgraded { stream, read_buf }       or an HTTP framework and validate_upgrade
//!                                                │
//!  shard ◀─ Inbound ◀─ Decoder ◀─ scratch ◀─ WebSocketTransport ◀─ bytes         checked, unmasked and parsed in place
//!  shard ─▶ Outgoing ──────────────────────▶ WebSocketTransport ─▶ bytes         framed once by WebSocketFraming, shared
//! ```
//! Frame headers, opcodes, close codes and the handshake's parts are [tungstenite]'s. Its connection type is not used: that
//! one keeps a buffer for each connection, copies each message for each receiver, and leaves the close frame after a
//! violation to its user. Here an idle connection holds no buffer at all, and a frame for a room is written where it lies.
//! Who has a `WebSocketStream` already uses `TungsteniteTransport` (feature `tokio-tungstenite`).
//!
//! # Example
//! Accepting a stream, here one in memory, for the hub to drive:
//! ```
//! use fanfare_websocket::{DecoderConfig, WebSocketTransport, handshake};
//! use http::Response;
//! use std::sync::Arc;
//! use tokio::{io::AsyncWriteExt, time};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (stream, mut client) = tokio::io::duplex(1024);
//! client.write_all(b"GET /ws HTTP/1.1\r\nHost: example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
//!     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").await?;
//!
//! let handshake_config = handshake::HandshakeConfig::default();
//! let decoder_config = Arc::new(DecoderConfig::default());
//! let accepting = handshake::accept(stream, &handshake_config, async |request, upgrade| {
//!     if request.uri().path() != "/ws" {
//!         return Err(Response::builder().status(404).body("not here\n".to_owned()).expect("a valid response"));
//!     }
//!     let subprotocol = upgrade.select(&["chat.v1"]).map(str::to_owned);
//!     Ok(handshake::Accepted { subprotocol, carry: request })
//! });
//! let upgraded = time::timeout(time::Duration::from_secs(10), accepting).await??;
//! let transport = WebSocketTransport::new(upgraded.stream, decoder_config).with_read_buf(upgraded.read_buf);
//! # fn accept_on_hub(_: impl fanfare::transport::Transport) {}
//! accept_on_hub(transport); // such as `hub.accept(transport, …)`
//! # Ok(())
//! # }
//! ```
//!
//! # When the peer breaks a rule
//! | what | [`ViolationError`] | close code |
//! |---|---|---|
//! | client frame without a mask, server frame with one | `Unmasked`, `Masked` | 1002 |
//! | reserved bit or opcode | `ReservedBits`, `ReservedOpcode` | 1002 |
//! | control frame over 125 bytes, or in fragments | `ControlTooLong`, `ControlFragmented` | 1002 |
//! | continuation without a message, message within a message | `ContinuationWithoutStart`, `StartInsideMessage` | 1002 |
//! | length not in its shortest form, or with its top bit set | `LengthNotMinimal`, `LengthOverflow` | 1002 |
//! | half a close code, or one that must not be sent | `CloseTooShort`, `CloseCode` | 1002 |
//! | text or close reason not UTF-8, at the first bad byte | `Utf8`, `CloseReason` | 1007 |
//! | over 1,024 fragments, or 64 empty ones | `TooManyFragments`, `TooManyEmptyFragments` | 1008 |
//! | over 20 control frames a second, 100 at once | `ControlFlood` | 1008 |
//! | message over 64 KiB, told by a header | `MessageTooBig` | 1009 |
//!
//! The numbers are those of [`DecoderConfig::default`]. The transport reports the code; the shard sends the close frame.
//!
//! # What it does not do
//! - permessage-deflate: offers of it are passed over, and frames with RSV1 are refused. [`Extensions`] is its place.
//! - WebSocket over HTTP/2 (RFC 8441).
//! - Time limits other than the one for control frames: for the handshake they are the caller's, then the shard's.
//! - The client's handshake; [`ClientFraming`] and [`Role::Client`] are the other parts of a client.

mod decoder;
mod framing;
pub mod handshake;
mod mask;
mod transport;
#[cfg(feature = "tokio-tungstenite")]
mod tungstenite_transport;

pub use decoder::{Decoder, DecoderConfig, Extensions, TimedDecoder, ViolationError};
pub use framing::{ClientFraming, WebSocketFraming};
pub use mask::apply_mask;
pub use transport::WebSocketTransport;
/// Which end of a connection we are.
pub use tungstenite::protocol::Role;
#[cfg(feature = "tokio-tungstenite")]
pub use tungstenite_transport::TungsteniteTransport;
