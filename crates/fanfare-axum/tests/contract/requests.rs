//! What a request must be, and what an application's own handler sees and decides.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use fanfare::{Handshake, Hub, Identity, Namespace, Payload, Session};
use fanfare_axum::{FanfareUpgrade, UpgradeRejection};
use http::{Method, Request, Version};
use serde_json::json;

use super::{AxumServer, promises::Client, promises::Server};

/// What the extractor says to a request that has no connection under it.
async fn rejection(method: Method, version: Version) -> (UpgradeRejection, Response) {
    let request = Request::builder().method(method).version(version).uri("/ws").header("host", "chat.example");
    let request = request
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let rejection = FanfareUpgrade::from_request_parts(&mut parts, &()).await.unwrap_err();
    (rejection, rejection.into_response())
}

#[tokio::test]
async fn what_cannot_be_upgraded_is_told_by_its_status() {
    let rows = [
        (Method::CONNECT, Version::HTTP_2, 501),
        (Method::GET, Version::HTTP_2, 400),
        (Method::POST, Version::HTTP_11, 400),
        // Whole, but the server has no upgrade for it.
        (Method::GET, Version::HTTP_11, 500),
    ];
    for (method, version, status) in rows {
        let (rejection, response) = rejection(method, version).await;
        assert_eq!(response.status(), status, "{rejection}");
    }
}

#[tokio::test]
async fn a_handler_of_the_application_chooses_namespace_and_credentials() {
    async fn ws(upgrade: FanfareUpgrade, Path(tenant): Path<String>, State(hub): State<Hub>) -> Response {
        assert_eq!(upgrade.handshake().path(), format!("/{tenant}/ws"));
        let auth = Payload::new(&json!({"token": format!("of {tenant}")})).unwrap();
        let upgrade = upgrade.map_handshake(|handshake| handshake.with_auth(Some(auth)));
        upgrade.namespace(Namespace::new(format!("/{tenant}")).unwrap()).accept(&hub).await
    }
    let hub = Hub::builder()
        .authenticate(async |handshake: Arc<Handshake>| Ok(Identity::user(handshake.token().unwrap())))
        .namespace("/acme", |namespace| {
            namespace.on_event("who", async |session: Session, _: Payload| {
                let who = format!("{} in {}", session.user_id().unwrap(), session.namespace());
                Payload::new(&json!({"who": who})).unwrap()
            })
        })
        .build()
        .unwrap();
    // Nested, where axum hides the beginning of the path.
    let app = Router::new().nest("/{tenant}", Router::new().route("/ws", get(ws)));
    let server = AxumServer::serve(app.with_state(hub)).await;
    let refused = Client::connect(server.address(), "/other/ws", &[]).await;
    assert_eq!(super::promises::refusal(refused).status(), 404);
    let mut client = Client::connect(server.address(), "/acme/ws", &[]).await.unwrap();
    assert_eq!(client.json().await["type"], "connected");
    client.send(json!({"type": "who", "id": 1})).await;
    assert_eq!(client.json().await["who"], "of acme in /acme");
}
