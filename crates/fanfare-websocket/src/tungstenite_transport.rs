//! A plain transport over tokio-tungstenite, for people who accept connections by themselves.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use fanfare::{
    CloseCode,
    transport::{Framing, Inbound, Messages, OutMessage, Outgoing, ReceiveError, Received, SendError, Transport},
};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tungstenite::{
    Message, Utf8Bytes,
    error::{Error, ProtocolError},
    protocol::CloseFrame,
};

/// The transport over a [`WebSocketStream`] of either role.
///
/// It is the slower way: tungstenite has buffers of its own for each connection and copies each message for each receiver.
/// Give `WebSocketConfig::read_buffer_size` a few KiB (the default allocates 128 KiB at once), and set `max_frame_size` as
/// well as `max_message_size`: only the first is looked at before the payload is kept.
///
/// tungstenite answers pings and close frames itself, so pongs that the shard queues are passed over.
#[derive(Debug)]
pub struct TungsteniteTransport<S> {
    stream: WebSocketStream<S>,
    peer_addr: Option<SocketAddr>,
}

impl<S> TungsteniteTransport<S> {
    /// A transport over `stream`.
    pub fn new(stream: WebSocketStream<S>) -> Self {
        Self { stream, peer_addr: None }
    }

    /// Remembers the peer's address for [`Transport::peer_addr`].
    #[must_use]
    pub fn with_peer_addr(mut self, peer_addr: SocketAddr) -> Self {
        self.peer_addr = Some(peer_addr);
        self
    }
}

impl<S> Transport for TungsteniteTransport<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn name(&self) -> &'static str {
        "tungstenite"
    }

    fn framing(&self) -> Arc<dyn Framing> {
        Messages::shared()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        _scratch: &mut [u8],
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Poll<Result<Received, ReceiveError>> {
        match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
            None | Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                return Poll::Ready(Ok(Received::Closed));
            }
            Some(Err(error)) => return Poll::Ready(Err(receive_error(error))),
            Some(Ok(Message::Text(text))) => receive(Inbound::Text(&text)),
            Some(Ok(Message::Binary(bytes))) => receive(Inbound::Binary(&bytes)),
            Some(Ok(Message::Ping(payload))) => receive(Inbound::Ping(&payload)),
            Some(Ok(Message::Pong(payload))) => receive(Inbound::Pong(&payload)),
            Some(Ok(Message::Close(Some(close)))) => receive(Inbound::Close(close.code.into(), &close.reason)),
            Some(Ok(Message::Close(None))) => receive(Inbound::Close(1005, "")),
            // Raw frames are written by applications, never read.
            Some(Ok(Message::Frame(_))) => {}
        }
        Poll::Ready(Ok(Received::Open))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing<'_>) -> Poll<Result<(), SendError>> {
        let mut sink = Pin::new(&mut self.stream);
        while !outgoing.is_empty() {
            ready!(sink.as_mut().poll_ready(cx)).or_else(sent_anyway)?;
            let Some(message) = outgoing.message() else { break };
            if let Some(message) = wire_message(message)? {
                sink.as_mut().start_send(message).or_else(sent_anyway)?;
            }
        }
        sink.poll_flush(cx).map(|result| result.or_else(sent_anyway))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error while closing changes nothing: the connection ends either way.
        Pin::new(&mut self.stream).poll_close(cx).map(drop)
    }
}

fn wire_message(message: OutMessage) -> Result<Option<Message>, SendError> {
    Ok(Some(match message {
        OutMessage::Text(text) => {
            let text = Utf8Bytes::try_from(text).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            Message::Text(text)
        }
        OutMessage::Binary(bytes) => Message::Binary(bytes),
        OutMessage::Ping => Message::Ping(bytes::Bytes::new()),
        OutMessage::Close(code, reason) => {
            Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
        }
        // Pongs, and what this version does not know.
        _ => return Ok(None),
    }))
}

/// After the peer's close frame tungstenite takes nothing more; the shard learns of the close by receiving it.
fn sent_anyway(error: Error) -> Result<(), SendError> {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(ProtocolError::SendAfterClosing) => Ok(()),
        Error::Io(error) => Err(error.into()),
        error => Err(io::Error::other(error).into()),
    }
}

fn receive_error(error: Error) -> ReceiveError {
    match error {
        Error::Io(error) => error.into(),
        Error::Capacity(_) => ReceiveError::Peer { code: CloseCode::TooBig, rule: "message too big" },
        Error::Utf8(_) => ReceiveError::Peer { code: CloseCode::InvalidPayload, rule: "text is not UTF-8" },
        Error::Protocol(_) => ReceiveError::Peer { code: CloseCode::Protocol, rule: "framing protocol broken" },
        error => io::Error::other(error).into(),
    }
}
