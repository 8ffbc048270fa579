//! What is known of a connection before it is a session.

use std::net::SocketAddr;

use crate::{DecodeError, Namespace, Payload};

/// A request to connect, in the shape that all transports share. Made by an adapter, read by the application's checks.
///
/// Header and query values may hold secrets: `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Handshake {
    namespace: Namespace,
    transport: &'static str,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    peer_addr: Option<SocketAddr>,
    secure: bool,
    auth: Option<Payload>,
}

impl Handshake {
    /// A handshake over the transport of this name, without anything else.
    pub fn new(transport: &'static str) -> Self {
        Self { transport, ..Self::default() }
    }

    /// Sets the namespace that the client asks for; `/` unless set.
    #[must_use]
    pub fn with_namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = namespace;
        self
    }

    /// Sets path and query of the request, from its target such as `/ws?token=x`.
    #[must_use]
    pub fn with_target(mut self, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.path = path.to_owned();
        self.query = query.to_owned();
        self
    }

    /// Adds a header. Values that are not text are left out by adapters.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the peer's address.
    #[must_use]
    pub fn with_peer_addr(mut self, peer_addr: Option<SocketAddr>) -> Self {
        self.peer_addr = peer_addr;
        self
    }

    /// Says whether the connection is encrypted.
    #[must_use]
    pub fn with_secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Sets the credentials of the client's first message.
    #[must_use]
    pub fn with_auth(mut self, auth: Option<Payload>) -> Self {
        self.auth = auth;
        self
    }

    /// The namespace that the client asks for.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The transport's name.
    pub fn transport(&self) -> &'static str {
        self.transport
    }

    /// The request's path; empty on transports without one.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The token of `Authorization: Bearer …`.
    pub fn bearer_token(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The cookie of this name.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case("cookie"))
            .flat_map(|(_, value)| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The first value of a query parameter, percent-decoded. `None` also where it is not UTF-8.
    pub fn query(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decoded(key)? == name).then(|| percent_decoded(value)).flatten()
        })
    }

    /// The query as it came.
    pub fn query_string(&self) -> &str {
        &self.query
    }

    /// The peer's address.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The credentials of the client's first message, read as `T`. `None` when it has not sent any.
    ///
    /// # Errors
    /// [`DecodeError`] when they have another shape.
    pub fn auth<T: serde::de::DeserializeOwned>(&self) -> Option<Result<T, DecodeError>> {
        self.auth.as_ref().map(Payload::read)
    }

    /// The credentials of the client's first message, as they came.
    pub fn auth_payload(&self) -> Option<&Payload> {
        self.auth.as_ref()
    }

    /// A token from wherever clients put it, the safest place first: the first message's `token`, the `Authorization`
    /// header, the query's `token`.
    pub fn token(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Auth {
            token: String,
        }
        match self.auth::<Auth>() {
            Some(auth) => auth.ok().map(|auth| auth.token),
            None => self.bearer_token().map(str::to_owned).or_else(|| self.query("token")),
        }
    }
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshake")
            .field("namespace", &self.namespace)
            .field("transport", &self.transport)
            .field("path", &self.path)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("peer_addr", &self.peer_addr)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}
