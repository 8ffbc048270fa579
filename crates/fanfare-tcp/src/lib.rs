//! fanfare on a TCP listener: WebSocket, newline-delimited JSON, or length-prefixed messages.
//!
//! Each of the three is a [`Server`]: give it a listener with [`serve`](Server::serve), or single streams of your own, such as
//! TLS ones, with [`accept`](Server::accept).
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = fanfare::Hub::builder().build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! fanfare_tcp::websocket(&hub).serve(listener).await;
//! # Ok(())
//! # }
//! ```
//!
//! | | [`websocket`] | [`lines`] | [`length_prefixed`] |
//! |---|---|---|---|
//! | a message is | a frame | a line, ended by `\n` or `\r\n` | `u32` length, big-endian, then so many bytes |
//! | protocol | by subprotocol | [`protocol`](Server::protocol), plain JSON unless set | the same, MessagePack too |
//! | text and bytes | both | text alone | one of both, by the protocol |
//! | a dead peer is found by | pings | TCP in the plain form, else pings | the same |
//! | who connects is checked | before the 101 | at once, or by the `hello` | the same |
//! | a refusal is | an HTTP status | an `error` and a `closing` notice | the same |
//!
//! # Bounds
//! There is one task for each connection that is being opened, and none afterwards: the hub's shards own open connections.
//! Connections being opened count against [`Config::max_connections`](fanfare::Config::max_connections) and
//! [`max_connections_per_address`](fanfare::Config::max_connections_per_address), and have
//! [`handshake_timeout`](fanfare::Config::handshake_timeout) from the moment that they were accepted. When the hub is full, 64
//! peers at a time are told so for a second; beyond that they are closed without a word.

mod accept_error;
mod framing;
mod listen;
mod messages;
mod server;
mod shedding;
mod splitter;
mod transport;
mod websocket;

pub use accept_error::AcceptError;
pub use listen::tune;
pub use messages::{LengthPrefixed, Lines};
pub use server::{Server, Wire};
pub use websocket::WebSocket;

use fanfare::Hub;

/// WebSocket (RFC 6455) for plain `ws://`, at any path unless one is [set](Server::path).
///
/// The client's favourite of [`Native::SUBPROTOCOLS`](fanfare::protocol::Native::SUBPROTOCOLS) is spoken. A client that asks
/// for none gets the plain form. So does one that asks only for unknown ones, and its 101 names no subprotocol, which is how a
/// server says that it agrees to none (RFC 6455, section 4.2.2, point 5): such a client decides by itself whether it goes on
/// without, and browsers do not.
pub fn websocket(hub: &Hub) -> Server<WebSocket> {
    Server::new(hub, WebSocket::new(hub))
}

/// Newline-delimited JSON: what a person with `nc` or a script in any language can speak.
///
/// Empty lines are ignored, and so is a line without its end when the peer closes. Lines are text: the application's raw bytes
/// have no word here and are not sent.
///
/// # The end of the input
/// In the plain form it is the peer's goodbye, as `printf … | nc -N` means it: what came before is carried out, the answers
/// are sent, then `closing`. In version 1 it is a lost connection, whose session can be resumed.
pub fn lines(hub: &Hub) -> Server<Lines> {
    Server::new(hub, Lines::new(hub))
}

/// Messages after their length: four bytes, big-endian, then so many bytes.
///
/// Text and bytes are not told apart on this wire: all messages are text with the JSON protocols, all are bytes with
/// MessagePack. With JSON the application's raw bytes have no word here and are not sent; MessagePack has one for them. Empty
/// messages are ignored. The end of the input means the same as with [`lines`].
pub fn length_prefixed(hub: &Hub) -> Server<LengthPrefixed> {
    Server::new(hub, LengthPrefixed::new(hub))
}
