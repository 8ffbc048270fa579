//! The transport over any byte stream: reads into the shard's scratch, decodes in place, writes shared frames.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use fanfare::transport::{Framing, Inbound, Outgoing, ReceiveError, Received, SendError, Transport};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tungstenite::protocol::Role;

use crate::{DecoderConfig, TimedDecoder, WebSocketFraming};

/// What is discarded after our end was shut down, before the connection is dropped with data unread.
const MAX_LINGER_BYTES: u32 = 4 * 1024 * 1024;
/// Reads per turn while lingering.
const LINGER_READS: u32 = 8;

/// A server's WebSocket after its handshake, over `S`.
///
/// It holds no buffer: what arrives is decoded in the shard's scratch, what leaves is written from the shared queue.
#[derive(Debug)]
pub struct WebSocketTransport<S> {
    stream: S,
    decoder: TimedDecoder,
    /// What the handshake read beyond itself. Boxed: almost always absent.
    read_before: Option<Box<Bytes>>,
    /// Boxed: 8 bytes instead of 32 where there is none, and asked for once.
    peer_addr: Option<Box<SocketAddr>>,
    /// Bytes discarded since our end was shut down. `None` before.
    lingered: Option<u32>,
}

impl<S> WebSocketTransport<S> {
    /// A transport over `stream`, whose handshake is done. All transports of a listener share one `config`.
    pub fn new(stream: S, config: impl Into<Arc<DecoderConfig>>) -> Self {
        Self {
            stream,
            decoder: TimedDecoder::new(Role::Server, config),
            read_before: None,
            peer_addr: None,
            lingered: None,
        }
    }

    /// Decodes `bytes` before anything else: what the handshake read beyond its own end.
    #[must_use]
    pub fn with_read_buf(mut self, bytes: Bytes) -> Self {
        self.read_before = (!bytes.is_empty()).then(|| Box::new(bytes));
        self
    }

    /// Remembers the peer's address for [`Transport::peer_addr`].
    #[must_use]
    pub fn with_peer_addr(mut self, peer_addr: SocketAddr) -> Self {
        self.peer_addr = Some(Box::new(peer_addr));
        self
    }

    /// The decoder, for inspection: what it holds, how it ended.
    pub fn decoder(&self) -> &crate::Decoder {
        self.decoder.decoder()
    }
}

impl WebSocketTransport<TcpStream> {
    /// The fast path: a plain TCP connection. Sets TCP_NODELAY, as the shard joins small frames itself, and remembers the
    /// peer's address.
    ///
    /// # Errors
    /// When the socket is already dead.
    pub fn tcp(stream: TcpStream, config: impl Into<Arc<DecoderConfig>>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let peer_addr = stream.peer_addr()?;
        Ok(Self::new(stream, config).with_peer_addr(peer_addr))
    }
}

impl<S> Transport for WebSocketTransport<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn framing(&self) -> Arc<dyn Framing> {
        WebSocketFraming::shared()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr.as_deref().copied()
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Poll<Result<Received, ReceiveError>> {
        let bytes = if let Some(before) = &mut self.read_before {
            let length = before.len().min(scratch.len());
            before.copy_to_slice(&mut scratch[..length]);
            if before.is_empty() {
                self.read_before = None;
            }
            &mut scratch[..length]
        } else {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let length = buffer.filled().len();
            if length == 0 {
                return Poll::Ready(Ok(Received::Closed));
            }
            &mut scratch[..length]
        };
        Poll::Ready(self.decoder.decode(bytes, receive).map(|()| Received::Open))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing<'_>) -> Poll<Result<(), SendError>> {
        outgoing.poll_write_to(cx, Pin::new(&mut self.stream))
    }

    /// Shuts our end down. Where the peer has not closed before, waits for its end while discarding what still arrives:
    /// a socket that is dropped with data unread resets the connection, and the reset may overtake the close frame that
    /// tells the peer why. Discards 4 MiB at most; how long to wait is the shard's to bound.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut stream = Pin::new(&mut self.stream);
        let lingered = match &mut self.lingered {
            Some(lingered) => lingered,
            none => {
                if ready!(stream.as_mut().poll_shutdown(cx)).is_err() {
                    return Poll::Ready(());
                }
                if self.decoder.decoder().is_closed() {
                    return Poll::Ready(());
                }
                none.insert(0)
            }
        };
        for _ in 0..LINGER_READS {
            let mut discarded = [0; 4096];
            let mut buffer = ReadBuf::new(&mut discarded);
            match ready!(stream.as_mut().poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() && *lingered < MAX_LINGER_BYTES => {
                    *lingered += buffer.filled().len() as u32;
                }
                // The end, an error, or too much: nothing is left to do.
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
