//! The extractor: from a request to an admitted connection, and the answers on the way.

use std::{future::Ready, sync::Arc};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError,
    dev::Payload,
    http::{StatusCode, header},
};
use fanfare::{
    Handshake, Hub, Namespace, Refusal,
    protocol::{Native, Protocol},
};
use fanfare_websocket::{
    DecoderConfig,
    handshake::{UpgradeError, UpgradeRequest, validate_upgrade},
};
use parking_lot::Mutex;

use crate::transport::connect;

/// A request that wants to become a session: the extractor for handlers of your own.
///
/// It takes the payload out of the request and checks the upgrade; what is asked of the hub comes with
/// [`accept`](Self::accept). Like all of a request it stays on its worker. Dropping it answers nothing and upgrades nothing.
#[must_use = "an upgrade does nothing until it is accepted"]
pub struct FanfareUpgrade {
    request: UpgradeRequest,
    payload: Payload,
    handshake: Handshake,
}

impl FanfareUpgrade {
    /// Checks a request by hand, where no extractor can: otherwise name the type as an argument of the handler.
    ///
    /// # Errors
    /// The rule of the handshake that the request breaks.
    pub fn new(req: &HttpRequest, payload: actix_web::web::Payload) -> Result<Self, UpgradeRejection> {
        Self::from_parts(req, payload.into_inner())
    }

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

    /// Asks the hub, and answers: with 101, and then the hub drives the connection through actix, or with the refusal's status.
    ///
    /// # Cancel safety
    /// When dropped, nothing was answered and the hub keeps nothing.
    pub async fn accept(self, hub: &Hub) -> HttpResponse {
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
    ) -> HttpResponse {
        let Self { request, payload, handshake } = self;
        let peer_addr = handshake.peer_addr();
        let admission = match hub.admit(handshake).await {
            Ok(admission) => admission,
            Err(refusal) => return refused(&refusal),
        };
        let subprotocol = request.select(subprotocols);
        let (transport, body) = connect(payload, peer_addr, decoder_config(hub.config().max_message_bytes));
        hub.accept(admission, transport, protocol(subprotocol));
        response(&request.response(subprotocol)).upgrade("websocket").body(body)
    }

    fn from_parts(req: &HttpRequest, payload: Payload) -> Result<Self, UpgradeRejection> {
        let mut headers = http::HeaderMap::with_capacity(req.headers().len());
        for (name, value) in req.headers() {
            let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
            let value = http::HeaderValue::from_bytes(value.as_bytes());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        let method = http::Method::from_bytes(req.method().as_str().as_bytes()).map_err(|_| UpgradeError::Method)?;
        let version = match req.version() {
            actix_web::http::Version::HTTP_11 => http::Version::HTTP_11,
            _ => http::Version::HTTP_10,
        };
        let request = validate_upgrade(&headers, &method, version)?;
        let target = req.uri().path_and_query().map_or_else(|| req.path(), |target| target.as_str());
        let handshake = Handshake::new("websocket")
            .with_target(target)
            .with_peer_addr(req.peer_addr())
            .with_secure(req.app_config().secure());
        let texts = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let handshake = texts.fold(handshake, |handshake, (name, value)| handshake.with_header(name, value));
        Ok(Self { request, payload, handshake })
    }
}

impl std::fmt::Debug for FanfareUpgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FanfareUpgrade").field("handshake", &self.handshake).finish_non_exhaustive()
    }
}

impl FromRequest for FanfareUpgrade {
    type Error = UpgradeRejection;
    type Future = Ready<Result<Self, UpgradeRejection>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        std::future::ready(Self::from_parts(req, payload.take()))
    }
}

/// The rule of the handshake that a request breaks. As a response it has the status that fits, and a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct UpgradeRejection(#[from] UpgradeError);

impl ResponseError for UpgradeRejection {
    fn status_code(&self) -> StatusCode {
        status(self.0.status().as_u16())
    }

    fn error_response(&self) -> HttpResponse {
        let answer = self.0.response();
        response(&answer).body(answer.into_body())
    }
}

/// Seconds after which a refused client may come back, unless the refusal says so itself.
const RETRY_AFTER: u64 = 5;

fn refused(refusal: &Refusal) -> HttpResponse {
    let status = status(refusal.http_status());
    let mut response = HttpResponse::build(status);
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
    }
    let retry_after = match refusal {
        // Rounded up: a client that comes back early is refused again.
        Refusal::Rejected(reject) => reject.retry_after().map(|after| after.as_millis().div_ceil(1000) as u64),
        _ if matches!(refusal.http_status(), 429 | 503) => Some(RETRY_AFTER),
        _ => None,
    };
    if let Some(seconds) = retry_after {
        response.insert_header((header::RETRY_AFTER, seconds));
    }
    response.insert_header(header::ContentType::plaintext()).body(format!("{}\n", refusal.message()))
}

/// Status and headers of a response in http 1's types.
fn response<T>(answer: &http::Response<T>) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status(answer.status().as_u16()));
    // actix writes `Connection` by itself.
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != http::header::CONNECTION) {
        response.insert_header((name.as_str(), value.as_bytes()));
    }
    response
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::FORBIDDEN)
}

/// The decoder's limits. Connections share one instance: there is almost always one hub, or several with the same limit.
fn decoder_config(max_message_bytes: usize) -> Arc<DecoderConfig> {
    static LAST: Mutex<Option<Arc<DecoderConfig>>> = Mutex::new(None);
    let mut last = LAST.lock();
    match &*last {
        Some(config) if config.max_message_bytes == max_message_bytes => config.clone(),
        _ => last.insert(Arc::new(DecoderConfig { max_message_bytes, ..DecoderConfig::default() })).clone(),
    }
}
