//! fanfare for actix-web: a route that upgrades to WebSocket, with sessions on the hub's runtime.
//!
//! ```no_run
//! use actix_web::{App, HttpServer};
//! use fanfare::{Drain, Hub};
//! use std::time::Duration;
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let hub = Hub::builder().build()?;
//!     let routes = hub.clone();
//!     let server = HttpServer::new(move || App::new().route("/ws", fanfare_actix::websocket(&routes)))
//!         .tcp_nodelay(true)
//!         .client_disconnect_timeout(Duration::ZERO)
//!         .shutdown_signal(async move { drained_on_ctrl_c(&hub).await });
//!     Ok(server.bind("127.0.0.1:3000")?.run().await?)
//! }
//!
//! async fn drained_on_ctrl_c(hub: &Hub) {
//!     actix_web::rt::signal::ctrl_c().await.unwrap_or_default();
//!     hub.drain(Drain::default()).await;
//! }
//! ```
//!
//! A client that offers the subprotocol `fanfare.v1.json` or its binary sister gets it; one that offers none speaks the plain
//! form. Origin, bounds and credentials are checked before the upgrade and refused with an HTTP status.
//!
//! # A handler of your own
//! [`FanfareUpgrade`] is an extractor, so anything actix-web can extract may decide before the connection is a session:
//! ```
//! use actix_web::{HttpResponse, error, web};
//! use fanfare::{Hub, Namespace};
//! use fanfare_actix::FanfareUpgrade;
//!
//! async fn ws(upgrade: FanfareUpgrade, tenant: web::Path<String>, hub: web::Data<Hub>) -> actix_web::Result<HttpResponse> {
//!     let namespace = Namespace::new(format!("/{tenant}")).map_err(error::ErrorNotFound)?;
//!     Ok(upgrade.namespace(namespace).accept(&hub).await)
//! }
//! # let _ = actix_web::App::new().route("/{tenant}/ws", web::get().to(ws));
//! ```
//!
//! # How a message travels
//! ```text
//!  worker: socket ─▶ payload ─▶ pump ─▶ pipe ─▶ ActixTransport ─▶ shard      64 KiB in the pipe at most, then the socket waits
//!  worker: socket ◀─ response's body ◀─ pipe ◀─ ActixTransport ◀─ shard      64 KiB in the pipe at most, then the outbox fills
//! ```
//! actix-web keeps the socket on one of its workers and does not give it away, so it drives the socket and the hub's shard
//! drives the session. The hub lives on the runtime that it was built on, or on the one given to `.runtime(…)`; on a server with
//! much to do give it a multi-threaded one of its own, because what `#[actix_web::main]` makes has a single thread.
//!
//! # What is slower than in the other adapters
//! - Each frame is copied once more on its way out, from the shared bytes into actix's write buffer, and each chunk once more
//!   on its way in, because the decoder unmasks in place.
//! - Each batch in either direction wakes another thread.
//! - An idle connection keeps actix's two buffers of 8 KiB and a task of its own.
//!
//! Where that matters, serve the WebSocket by fanfare-tcp on a port of its own; both can share a hub.
//!
//! # Stopping
//! actix-web waits `shutdown_timeout` (30 s) for responses under way, and each session is one. Drain the hub before the server
//! stops, as above: clients are closed with 1012 and told when to come back, and the server has nothing left to wait for.
//!
//! # What you have to set
//! - **`tcp_nodelay(true)`**: the hub joins small frames itself, and the system's delay would come on top.
//! - **Slow headers**: `client_request_timeout` (5 s unless set) bounds them.
//! - **`client_disconnect_timeout(Duration::ZERO)`**: otherwise actix keeps each closed connection open until the client ends it,
//!   for 1 s at most, and most clients report the end only then. The adapter waits for the client's close frame by itself.
//!   Where the same server takes uploads, leave the 1 s: refused ones need it. Never set less than 600 ms: actix reads its clock twice
//!   a second, and a time that has passed already when it begins never ends.
//! - **Addresses**: `peer_addr` is the socket's. Behind a proxy set the client's by [`FanfareUpgrade::map_handshake`].
//!
//! # What it does not do
//! - A client that stops reading loses its session as everywhere, but actix keeps the socket and what it had buffered, about
//!   200 KiB, until the client is gone: it has no time limit for writing. `HttpServer::max_connections` bounds how many.
//! - What a client sent is lost from the first 32 KiB on that were not taken when it cut the connection; actix drops it. A client that
//!   waits for the answer to its close frame loses nothing.
//! - WebSocket over HTTP/2 (RFC 8441) is refused with 400.

mod pipe;
mod transport;
mod upgrade;

use actix_web::{HttpRequest, HttpResponse, ResponseError, Route, web};
use fanfare::Hub;

pub use upgrade::{FanfareUpgrade, UpgradeRejection};

/// A route for WebSocket clients of `hub`, in the namespace `/`.
///
/// Requests that are no upgrades are answered with 426, or 400 where one is malformed.
pub fn websocket(hub: &Hub) -> Route {
    let hub = hub.clone();
    web::get().to(move |upgrade: FanfareUpgrade| {
        let hub = hub.clone();
        async move { upgrade.accept(&hub).await }
    })
}

/// Answers a request in a handler that takes it apart by itself; with an extractor it is [`FanfareUpgrade::accept`].
pub async fn upgrade(req: &HttpRequest, payload: web::Payload, hub: &Hub) -> HttpResponse {
    match FanfareUpgrade::new(req, payload) {
        Ok(upgrade) => upgrade.accept(hub).await,
        Err(rejection) => rejection.error_response(),
    }
}
