//! Whether a request asks for a WebSocket, and the answer to it.

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Version,
    header::{
        CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
};
use tungstenite::handshake::derive_accept_key;

/// A request that may become a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeRequest {
    accept_key: String,
    subprotocols: Vec<String>,
}

/// Checks the request of an upgrade (RFC 6455, section 4.2.1), in time linear in its headers.
///
/// `Sec-WebSocket-Protocol` elements that are not tokens, such as non-ASCII ones, are passed over.
///
/// # Errors
/// The first rule that the request breaks; [`UpgradeError::response`] is the answer to it.
pub fn validate_upgrade(
    headers: &HeaderMap,
    method: &Method,
    version: Version,
) -> Result<UpgradeRequest, UpgradeError> {
    if method != Method::GET {
        return Err(UpgradeError::Method);
    }
    if version != Version::HTTP_11 {
        return Err(UpgradeError::HttpVersion);
    }
    if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
        return Err(UpgradeError::NotUpgrade);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(UpgradeError::Version);
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else { return Err(UpgradeError::Key) };
    if !is_key(key) {
        return Err(UpgradeError::Key);
    }
    let subprotocols = elements(headers, &SEC_WEBSOCKET_PROTOCOL).filter(|name| is_token(name)).map(Into::into);
    Ok(UpgradeRequest { accept_key: derive_accept_key(key.as_bytes()), subprotocols: subprotocols.collect() })
}

impl UpgradeRequest {
    /// The value of `Sec-WebSocket-Accept`.
    pub fn accept_key(&self) -> &str {
        &self.accept_key
    }

    /// The subprotocols that the client offers, its favourite first.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// The client's favourite among the subprotocols that we speak. `None` when there is none, or none was offered.
    pub fn select<'a>(&self, spoken: &[&'a str]) -> Option<&'a str> {
        self.subprotocols.iter().find_map(|offered| spoken.iter().find(|spoken| *spoken == offered).copied())
    }

    /// The 101 response. A `subprotocol` that the client did not offer is left out, because clients end the connection
    /// otherwise.
    pub fn response(&self, subprotocol: Option<&str>) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let accept_key = HeaderValue::from_str(&self.accept_key).expect("base64 is ASCII");
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept_key);
        if let Some(name) = subprotocol.filter(|name| self.subprotocols.iter().any(|offered| offered == name)) {
            let name = HeaderValue::from_str(name).expect("offered subprotocols are tokens");
            headers.insert(SEC_WEBSOCKET_PROTOCOL, name);
        }
        response
    }
}

/// Why a request cannot become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// Not HTTP/1.x at all, or a header that is not one.
    #[error("malformed request")]
    Malformed,
    /// The request line and headers are over the limit.
    #[error("request header section too large")]
    HeadTooLarge,
    /// More headers than the limit.
    #[error("too many request headers")]
    TooManyHeaders,
    /// Not a GET.
    #[error("a WebSocket begins with GET")]
    Method,
    /// Not HTTP/1.1.
    #[error("a WebSocket begins with HTTP/1.1")]
    HttpVersion,
    /// No `Upgrade: websocket`, or `Connection` does not name it.
    #[error("this is a WebSocket address")]
    NotUpgrade,
    /// Not version 13.
    #[error("WebSocket version 13 is spoken here")]
    Version,
    /// No `Sec-WebSocket-Key`, two, or not 16 bytes in base64.
    #[error("bad Sec-WebSocket-Key")]
    Key,
}

impl UpgradeError {
    /// The status of the refusal.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::Method | Self::HttpVersion | Self::Key => StatusCode::BAD_REQUEST,
            Self::NotUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::HeadTooLarge | Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    /// The refusal: a status, the headers that belong to it, and one line of plain text.
    pub fn response(self) -> Response<String> {
        let mut response = Response::new(format!("{self}\n"));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if self.status() == StatusCode::UPGRADE_REQUIRED {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

/// The elements of a comma-separated header, over all its lines. Values outside of ASCII are passed over.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    elements(headers, name).any(|element| element.eq_ignore_ascii_case(token))
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// 16 bytes in base64.
fn is_key(key: &HeaderValue) -> bool {
    let mut decoded = [0; 18];
    key.len() == 24 && data_encoding::BASE64.decode_mut(key.as_bytes(), &mut decoded) == Ok(16)
}
