//! The extractor: from a request to an admitted connection, and the answers on the way.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::{ConnectInfo, FromRequestParts, OriginalUri, connect_info::MockConnectInfo},
    response::{IntoResponse, Response},
};
use fanfare::{
    Handshake, Hub, Namespace, Refusal,
    protocol::{Native, Protocol},
};
use fanfare_websocket::handshake::{UpgradeError, UpgradeRequest, validate_upgrade};
use http::{HeaderValue, Method, StatusCode, Version, header, request::Parts};
use hyper::upgrade::OnUpgrade;

use crate::transport::serve;

/// A request that wants to become a session: the extractor for handlers of your own.
///
/// It takes the upgrade out of the request and checks it; what is asked of the hub comes with [`accept`](Self::accept).
/// Dropping it answers nothing and upgrades nothing.
#[derive(Debug)]
#[must_use = "an upgrade does nothing until it is accepted"]
pub struct FanfareUpgrade {
    request: UpgradeRequest,
    on_upgrade: OnUpgrade,
    handshake: Handshake,
}

impl FanfareUpgrade {
    /// What is known of the connection: headers, target, address.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// Sets the namespace that the session will be in; `/` unless set.
    pub fn namespace(self, namespace: Namespace) -> Self {
        self.map_handshake(|handshake| handshake.with_namespace(namespace))
    }

    /// Changes what the hub's checks will see: credentials that another extractor found, the address that a trusted proxy
    /// names, that the connection is encrypted.
    pub fn map_handshake(mut self, change: impl FnOnce(Handshake) -> Handshake) -> Self {
        self.handshake = change(self.handshake);
        self
    }

    /// Asks the hub, and answers: with 101, and then the connection is the hub's, or with the refusal's status.
    ///
    /// The connection counts against the hub's bounds from here on. If the 101 does not reach the client within the hub's
    /// handshake timeout, it is given up.
    ///
    /// # Cancel safety
    /// When dropped, nothing was answered and the hub keeps nothing.
    pub async fn accept(self, hub: &Hub) -> Response {
        self.accept_with(hub, &Native::SUBPROTOCOLS, |subprotocol| {
            Native::of_subprotocol(subprotocol).expect("each native subprotocol stands for a form")
        })
        .await
    }

    /// Accepts for a protocol of your own: `protocol` makes it from the client's favourite among `subprotocols`, `None` where
    /// the client offered none of them. Otherwise as [`accept`](Self::accept).
    pub async fn accept_with<P: Protocol>(
        self,
        hub: &Hub,
        subprotocols: &[&'static str],
        protocol: impl FnOnce(Option<&'static str>) -> P,
    ) -> Response {
        let Self { request, on_upgrade, handshake } = self;
        let admission = match hub.admit(handshake).await {
            Ok(admission) => admission,
            Err(refusal) => return refused(&refusal),
        };
        let subprotocol = request.select(subprotocols);
        serve(hub, on_upgrade, admission, protocol(subprotocol));
        request.response(subprotocol).map(|()| Body::empty())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for FanfareUpgrade {
    type Rejection = UpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        if parts.version == Version::HTTP_2 && parts.method == Method::CONNECT {
            return Err(UpgradeRejection::Http2);
        }
        let request = validate_upgrade(&parts.headers, &parts.method, parts.version)?;
        let on_upgrade = parts.extensions.remove::<OnUpgrade>().ok_or(UpgradeRejection::NotUpgradable)?;
        Ok(Self { request, on_upgrade, handshake: handshake(parts) })
    }
}

/// Why a request cannot become a session. As a response it has the status that fits, and a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeRejection {
    /// The request breaks a rule of the handshake, or is none.
    #[error(transparent)]
    Request(#[from] UpgradeError),
    /// A WebSocket over HTTP/2 (RFC 8441). 501.
    #[error("websocket over http/2 is not spoken here, use http/1.1")]
    Http2,
    /// The server that carries axum offers no upgrades, or somebody took it before. 500.
    #[error("this connection cannot be upgraded")]
    NotUpgradable,
}

impl IntoResponse for UpgradeRejection {
    fn into_response(self) -> Response {
        match self {
            Self::Request(error) => error.response().map(Body::from),
            Self::Http2 => text(StatusCode::NOT_IMPLEMENTED, &self.to_string()),
            Self::NotUpgradable => text(StatusCode::INTERNAL_SERVER_ERROR, &self.to_string()),
        }
    }
}

fn handshake(parts: &Parts) -> Handshake {
    // A nested router cuts its prefix off the URI.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let target = uri.path_and_query().map_or(uri.path(), |target| target.as_str());
    let peer_addr = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|there| there.0)
        .or_else(|| parts.extensions.get::<MockConnectInfo<SocketAddr>>().map(|mock| mock.0));
    let handshake = Handshake::new("websocket").with_target(target).with_peer_addr(peer_addr);
    let texts = parts.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    texts.fold(handshake, |handshake, (name, value)| handshake.with_header(name, value))
}

/// Seconds after which a refused client may come back, unless the refusal says so itself.
const RETRY_AFTER: u64 = 5;

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = text(status, refusal.message());
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let retry_after = match refusal {
        // Rounded up: a client that comes back early is refused again.
        Refusal::Rejected(reject) => reject.retry_after().map(|after| after.as_millis().div_ceil(1000) as u64),
        _ if matches!(refusal.http_status(), 429 | 503) => Some(RETRY_AFTER),
        _ => None,
    };
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn text(status: StatusCode, line: &str) -> Response {
    (status, format!("{line}\n")).into_response()
}
