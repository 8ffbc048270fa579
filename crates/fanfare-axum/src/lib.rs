//! fanfare for axum: a route that upgrades to WebSocket and hands the connection to the hub.
//!
//! ```no_run
//! use axum::Router;
//! use fanfare::{Drain, Hub};
//! use std::net::SocketAddr;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::builder().build()?;
//! let app = Router::new().route("/ws", fanfare_axum::websocket(&hub));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! let server = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>());
//! let stop = async move {
//!     tokio::signal::ctrl_c().await.unwrap_or_default();
//!     hub.drain(Drain::default()).await;
//! };
//! server.with_graceful_shutdown(stop).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A client that offers the subprotocol `fanfare.v1.json` or its binary sister gets it; one that offers none speaks the plain
//! form. Origin, bounds and credentials are checked before the upgrade and refused with an HTTP status.
//!
//! # A handler of your own
//! [`FanfareUpgrade`] is an extractor, so anything axum can extract may decide before the connection is a session:
//! ```
//! use axum::{extract::{Path, State}, response::Response};
//! use fanfare::{Hub, Namespace};
//! use fanfare_axum::FanfareUpgrade;
//!
//! async fn ws(upgrade: FanfareUpgrade, Path(tenant): Path<String>, State(hub): State<Hub>) -> Result<Response, &'static str> {
//!     let namespace = Namespace::new(format!("/{tenant}")).map_err(|_| "no such tenant")?;
//!     Ok(upgrade.namespace(namespace).accept(&hub).await)
//! }
//! # let _: axum::Router<Hub> = axum::Router::new().route("/{tenant}/ws", axum::routing::get(ws));
//! ```
//!
//! # What happens to the socket
//! After the 101 the socket is taken out of hyper again and driven by the hub's shard: a `TcpStream`, a `UnixStream`, with the
//! feature `rustls` a `TlsStream<TcpStream>` too, from `axum::serve`, axum-server, or hyper's own connections. Bytes that
//! came together with the request are kept. TCP_NODELAY is set, because `axum::serve` leaves it off. Streams of any other kind
//! work as well, through hyper's box: one indirect call more for each read and write.
//!
//! The socket stays registered with the runtime that accepted it. If the hub has a runtime of its own, let axum's live as
//! long as the hub.
//!
//! # Stopping
//! axum's graceful shutdown ignores upgraded connections: it neither waits for them nor closes them. Call
//! [`Hub::drain`](fanfare::Hub::drain) yourself, first, as above: a probe can still ask [`Hub::is_ready`](fanfare::Hub::is_ready).
//! From then on new connections are
//! refused with 503, clients are closed with 1012, and told when to come back.
//!
//! # What you have to set
//! - **Addresses**: serve with `into_make_service_with_connect_info::<SocketAddr>()`. Without it the hub does not know who
//!   connects before the upgrade, and its bound of connections per address has nothing to count. Behind a proxy set the
//!   client's address by [`FanfareUpgrade::map_handshake`].
//! - **Slow headers**: `axum::serve` of axum 0.8 waits for a request's headers as long as the client likes. On a public
//!   address put a proxy in front, or serve by hyper-util, whose builder has
//!   `http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10))`; axum-server takes the same by
//!   `http_builder()`. From the upgrade on the hub's own handshake timeout counts.
//! - **Middleware**: a body or response timeout of tower ends with the 101 and does not touch sessions. Compression passes a
//!   101 through.
//!
//! # What it does not do
//! WebSocket over HTTP/2 (RFC 8441) is refused with 501. Browsers try it only on connections whose server announces it, which
//! `axum::serve` does as soon as axum's feature `http2` is on: leave it off where browsers connect to WebSockets over TLS.

mod transport;
mod upgrade;

use axum::routing::{MethodRouter, get};
use fanfare::Hub;

pub use upgrade::{FanfareUpgrade, UpgradeRejection};

/// A route for WebSocket clients of `hub`, in the namespace `/`.
///
/// Requests that are no upgrades are answered with 426, or 400 where one is malformed.
pub fn websocket<S>(hub: &Hub) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let hub = hub.clone();
    let accept = move |upgrade: FanfareUpgrade| {
        let hub = hub.clone();
        async move { upgrade.accept(&hub).await }
    };
    get(accept.clone()).connect(accept)
}
