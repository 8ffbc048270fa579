//! The handshake over a byte stream.

use std::io;

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{HandshakeConfig, RequestHead, UpgradeRequest, validate_upgrade};

/// What is read and thrown away after a refusal, so that the refusal is not overtaken by a reset.
const MAX_LINGER_BYTES: u64 = 1024 * 1024;

/// The decision to accept, as the callback of [`accept`] returns it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted<T = ()> {
    /// The subprotocol to speak: one that the client offered, usually from [`UpgradeRequest::select`].
    pub subprotocol: Option<String>,
    /// Anything to hand to whoever called [`accept`], such as the request's head or an identity.
    pub carry: T,
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Upgraded<S, T = ()> {
    /// The stream, behind the 101.
    pub stream: S,
    /// What was read beyond the request: the client's first frames, if it did not wait.
    pub read_buf: Bytes,
    /// The subprotocol that was told to the client.
    pub subprotocol: Option<String>,
    /// What the callback handed on.
    pub carry: T,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The request was refused, by a rule or by the callback; the client was told.
    #[error("refused with {0}")]
    Refused(StatusCode),
    /// The peer went away before its request was complete.
    #[error("peer closed within its request")]
    Closed,
    /// The connection broke.
    #[error("connection broke")]
    Io(#[from] io::Error),
}

/// Reads the request, asks `decide`, and answers with 101 or with the refusal.
///
/// `decide` gets the request and its checked upgrade part; whoever may connect is decided there: origin, credentials,
/// subprotocol. `Err` is the response to refuse with; `Connection: close` and the length are added to it.
///
/// # Time
/// There is no clock here: wrap the call in `tokio::time::timeout`, 10 s is a good value. A refusal waits for the peer to
/// close, so that the peer can read it; the timeout bounds this too.
///
/// # Cancel safety
/// Not cancel safe: a dropped call drops the stream, which is what a timeout wants.
///
/// # Errors
/// [`AcceptError`]; the stream is gone then.
pub async fn accept<S, T, D, F>(
    mut stream: S,
    config: &HandshakeConfig,
    decide: D,
) -> Result<Upgraded<S, T>, AcceptError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: FnOnce(Request<()>, UpgradeRequest) -> F,
    F: Future<Output = Result<Accepted<T>, Response<String>>>,
{
    let mut head = RequestHead::default();
    let parsed = loop {
        head.buffer().reserve(1024);
        if stream.read_buf(head.buffer()).await? == 0 {
            return Err(AcceptError::Closed);
        }
        match head.parse(config) {
            Ok(None) => {}
            Ok(Some((request, rest))) => {
                break validate_upgrade(request.headers(), request.method(), request.version())
                    .map(|upgrade| (request, upgrade, rest));
            }
            Err(error) => break Err(error),
        }
    };
    let (request, upgrade, read_buf) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return Err(refuse(stream, error.response()).await),
    };
    let accepted = match decide(request, upgrade.clone()).await {
        Ok(accepted) => accepted,
        Err(response) => return Err(refuse(stream, response).await),
    };
    let response = upgrade.response(accepted.subprotocol.as_deref());
    let told = response.headers().contains_key(http::header::SEC_WEBSOCKET_PROTOCOL);
    stream.write_all(&head_bytes(&response)).await?;
    stream.flush().await?;
    Ok(Upgraded { stream, read_buf, subprotocol: accepted.subprotocol.filter(|_| told), carry: accepted.carry })
}

/// Tells the client, then waits for it to have read it.
async fn refuse<S>(mut stream: S, mut response: Response<String>) -> AcceptError
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let length = HeaderValue::from(response.body().len());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let mut bytes = head_bytes(&response);
    bytes.extend_from_slice(response.body().as_bytes());
    let told = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await?;
        // A socket that is closed with data unread is reset, and the reset may overtake the response.
        tokio::io::copy(&mut (&mut stream).take(MAX_LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // Whether it arrived or not, refused it is.
    let _ = told.await;
    AcceptError::Refused(response.status())
}

/// The status line and the headers as they go onto the wire.
fn head_bytes<T>(response: &Response<T>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}
