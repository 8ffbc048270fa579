//! WebSocket: the request becomes a handshake of the hub, and its answer a status or the 101.

use std::{net::SocketAddr, sync::Arc};

use fanfare::{Handshake, Hub, Refusal, Reservation, protocol::Native};
use fanfare_websocket::{
    DecoderConfig, WebSocketTransport,
    handshake::{self, Accepted, HandshakeConfig, UpgradeRequest},
};
use http::{HeaderValue, Request, Response, StatusCode, header};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    AcceptError,
    server::{Server, Wire, admit, sealed},
};

/// After how many seconds a client that found the server full or restarting may come back.
const RETRY_AFTER_SECONDS: u64 = 5;

/// The WebSocket wire; see [`websocket`](crate::websocket).
#[derive(Debug, Clone)]
pub struct WebSocket {
    path: Option<Arc<str>>,
    secure: bool,
    handshake: HandshakeConfig,
    decoder: Arc<DecoderConfig>,
}

impl WebSocket {
    pub(crate) fn new(hub: &Hub) -> Self {
        let max_message_bytes = hub.config().max_message_bytes;
        Self {
            path: None,
            secure: false,
            handshake: HandshakeConfig::default(),
            decoder: Arc::new(DecoderConfig { max_message_bytes, ..DecoderConfig::default() }),
        }
    }
}

impl Server<WebSocket> {
    /// Serves this path alone, such as `/ws`; others are answered with 404. Any path unless set.
    pub fn path(mut self, path: &str) -> Self {
        self.wire.path = Some(path.into());
        self
    }

    /// Says that the streams are encrypted, for [`Handshake::is_secure`]. No unless set.
    pub fn secure(mut self, secure: bool) -> Self {
        self.wire.secure = secure;
        self
    }
}

impl Wire for WebSocket {}

impl sealed::Wire for WebSocket {
    fn pings(&self) -> bool {
        true
    }

    async fn open<S>(
        &self,
        hub: &Hub,
        stream: S,
        peer_addr: Option<SocketAddr>,
        place: Reservation,
    ) -> Result<(), AcceptError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Out here, so that whoever is refused counts until the answer was read.
        let mut place = Some(place);
        let mut refused = None;
        let decide = async |request: Request<()>, upgrade: UpgradeRequest| {
            if self.path.as_deref().is_some_and(|path| path != request.uri().path()) {
                return Err(response(StatusCode::NOT_FOUND, "nothing here"));
            }
            let reserved = place.take().expect("a request is decided on once");
            match admit(hub, reserved, self.handshake_of(&request, peer_addr)).await {
                Ok(admission) => {
                    let subprotocol = upgrade.select(&Native::SUBPROTOCOLS);
                    Ok(Accepted { subprotocol: subprotocol.map(str::to_owned), carry: admission })
                }
                Err((refusal, kept)) => {
                    place = kept;
                    let response = refusal_response(&refusal);
                    refused = Some(refusal);
                    Err(response)
                }
            }
        };
        let upgraded = handshake::accept(stream, &self.handshake, decide).await;
        let upgraded = upgraded.map_err(|error| refused.map_or_else(|| error.into(), AcceptError::Refused))?;
        let protocol = Native::of_subprotocol(upgraded.subprotocol.as_deref()).unwrap_or(Native::PLAIN);
        let mut transport =
            WebSocketTransport::new(upgraded.stream, self.decoder.clone()).with_read_buf(upgraded.read_buf);
        if let Some(peer_addr) = peer_addr {
            transport = transport.with_peer_addr(peer_addr);
        }
        hub.accept(upgraded.carry, transport, protocol);
        Ok(())
    }

    async fn refuse<S>(&self, stream: S, refusal: &Refusal)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let response = refusal_response(refusal);
        let _ = handshake::accept(stream, &self.handshake, async |_, _| Err::<Accepted, _>(response)).await;
    }
}

impl WebSocket {
    /// The request in the shape that all transports share. Values that are not UTF-8 are left out.
    fn handshake_of(&self, request: &Request<()>, peer_addr: Option<SocketAddr>) -> Handshake {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let shared = Handshake::new("websocket").with_target(target).with_peer_addr(peer_addr).with_secure(self.secure);
        request.headers().iter().fold(shared, |shared, (name, value)| match std::str::from_utf8(value.as_bytes()) {
            Ok(value) => shared.with_header(name.as_str(), value),
            Err(_) => shared,
        })
    }
}

fn refusal_response(refusal: &Refusal) -> Response<String> {
    let status = StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = response(status, refusal.message());
    let seconds = match refusal {
        Refusal::Full | Refusal::TooManyFromAddress | Refusal::ShuttingDown => Some(RETRY_AFTER_SECONDS),
        // Rounded up: half a second is not "now".
        Refusal::Rejected(reject) => reject.retry_after().map(|after| after.as_millis().div_ceil(1000) as u64),
        _ => None,
    };
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn response(status: StatusCode, message: &str) -> Response<String> {
    let mut response = Response::new(format!("{message}\n"));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}
