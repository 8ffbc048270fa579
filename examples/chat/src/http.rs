//! What is served over HTTP: the page, the login, the probes, and the door to the WebSocket.

use std::{io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, Method, StatusCode, header},
    routing::{get, post},
};
use axum_server::{Handle, Server};
use fanfare::Hub;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tower_http::cors::CorsLayer;

use crate::{
    config::Origin,
    login::{self, Login},
    page,
    store::Store,
};

/// Time for the headers of a request: who sends them byte by byte must not keep a connection for that.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Longest body of a login, in bytes; a name needs a hundred.
const MAX_BODY: usize = 4096;

/// All routes.
pub(crate) fn routes(hub: &Hub, store: &Store, login: Login, allowed: &[Origin]) -> Router {
    Router::new()
        .route("/login", post(login::login))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(cross_origin(allowed))
        .with_state(login)
        .route("/ws", fanfare_axum::websocket(hub))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readiness).with_state((hub.clone(), store.clone())))
        .merge(page::routes())
}

/// Serves until the handle is told to shut down and requests under way have been answered.
///
/// # Errors
/// None in practice: what fails for one connection is that connection's end.
pub(crate) async fn serve(listener: TcpListener, routes: Router, handle: Handle<SocketAddr>) -> io::Result<()> {
    let mut server = Server::from_listener(listener).handle(handle).first_request_timeout(HEADER_TIME);
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    server.serve(routes.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// Whether new clients are welcome: not while the server stops, nor while the database is away.
async fn readiness(State((hub, store)): State<(Hub, Store)>) -> (StatusCode, &'static str) {
    if !hub.is_ready() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if !store.is_up().await {
        (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// Lets the pages of `--allow-origin` log in; a WebSocket's origin is checked by the hub.
fn cross_origin(allowed: &[Origin]) -> CorsLayer {
    let cors = CorsLayer::new().allow_methods([Method::POST]).allow_headers([header::CONTENT_TYPE]);
    if allowed.iter().any(Origin::is_any) {
        return cors.allow_origin(tower_http::cors::Any);
    }
    let origins = allowed.iter().filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok());
    cors.allow_origin(origins.collect::<Vec<_>>())
}
