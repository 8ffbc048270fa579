//! The connection's two halves: the transport that the hub's shard polls, and what actix's worker does for it.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, MessageBody},
    dev::Payload,
    rt,
};
use bytes::{Buf, Bytes};
use fanfare::transport::{Framing, Inbound, Outgoing, ReceiveError, Received, SendError, Transport};
use fanfare_websocket::{DecoderConfig, Role, TimedDecoder, WebSocketFraming};
use futures_util::StreamExt;

use crate::pipe::{PipeReader, PipeWriter, ReaderGone, pipe};

/// Bytes on their way from the worker to the shard. Beyond it the payload is not read, and then actix does not read the socket.
const MAX_INBOUND_BYTES: usize = 64 * 1024;
/// Bytes on their way from the shard to the worker. Beyond it they wait in the session's outbox, whose bound and policy count.
const MAX_OUTBOUND_BYTES: usize = 64 * 1024;
/// What is discarded after the session's end, before the connection is dropped with data unread.
const MAX_DISCARDED_BYTES: usize = 4 * 1024 * 1024;

/// Connects `payload` to a transport, and the transport to a response body. Must be called on an actix worker.
pub(crate) fn connect(
    mut payload: Payload,
    peer_addr: Option<SocketAddr>,
    config: Arc<DecoderConfig>,
) -> (ActixTransport, FrameBody) {
    let (arrived, inbound) = pipe(MAX_INBOUND_BYTES);
    let (outbound, leaving) = pipe(MAX_OUTBOUND_BYTES);
    // Ends with the connection: actix ends the payload when it drops the connection, for whatever reason.
    rt::spawn(async move {
        while let Some(Ok(chunk)) = payload.next().await {
            arrived.push(chunk);
            if poll_fn(|cx| arrived.poll_ready(cx)).await == Err(ReaderGone) {
                return;
            }
        }
    });
    let decoder = TimedDecoder::new(Role::Server, config);
    let transport =
        ActixTransport { inbound, chunk: Bytes::new(), outbound: Some(outbound), decoder, discarded: 0, peer_addr };
    (transport, FrameBody(leaving))
}

/// A WebSocket whose socket stays with actix: chunks of the request's payload in, shared frames for the response's body out.
#[derive(Debug)]
pub(crate) struct ActixTransport {
    inbound: PipeReader,
    /// What is left of the last chunk: it may be larger than the shard's scratch.
    chunk: Bytes,
    /// `None` once it was closed.
    outbound: Option<PipeWriter>,
    decoder: TimedDecoder,
    /// Bytes that came after the session's end.
    discarded: usize,
    peer_addr: Option<SocketAddr>,
}

impl Transport for ActixTransport {
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn framing(&self) -> Arc<dyn Framing> {
        WebSocketFraming::shared()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// Copies into `scratch`: the decoder unmasks in place, and a chunk may be shared.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Poll<Result<Received, ReceiveError>> {
        if self.outbound.is_none() || !ready!(self.poll_chunk(cx)) {
            return Poll::Ready(Ok(Received::Closed));
        }
        let length = self.chunk.len().min(scratch.len());
        let bytes = &mut scratch[..length];
        self.chunk.copy_to_slice(bytes);
        if self.chunk.is_empty() {
            // An empty slice of a chunk would keep its memory.
            self.chunk = Bytes::new();
        }
        Poll::Ready(self.decoder.decode(bytes, receive).map(|()| Received::Open))
    }

    /// What is in the pipe counts as sent: like a socket's buffer, it is small and goes out without anybody's help.
    fn poll_send(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing<'_>) -> Poll<Result<(), SendError>> {
        let gone = || SendError::Io(io::Error::from(io::ErrorKind::BrokenPipe));
        while !outgoing.is_empty() {
            let Some(outbound) = &self.outbound else { return Poll::Ready(Err(gone())) };
            if let Err(ReaderGone) = ready!(outbound.poll_ready(cx)) {
                return Poll::Ready(Err(gone()));
            }
            if let Some(frame) = outgoing.frame() {
                outbound.push(frame);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the body behind what is in the pipe, and with it the connection. actix knows no half-closed one, so first the client's
    /// close or end is waited for, and what comes before it discarded, 4 MiB at most: a socket that is dropped with data unread
    /// resets the connection, and the reset may overtake the close frame. How long to wait is the shard's to bound.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.decoder.decoder().is_closed() && self.discarded < MAX_DISCARDED_BYTES {
            if !ready!(self.poll_chunk(cx)) {
                break;
            }
            let mut chunk = std::mem::take(&mut self.chunk).to_vec();
            self.discarded += chunk.len();
            // Decoded for the sake of the close frame; a violation changes nothing any more.
            let _ = self.decoder.decode(&mut chunk, &mut |_| {});
        }
        self.outbound = None;
        // Nothing can follow: the shard need not wait until actix is done with the socket.
        cx.waker().wake_by_ref();
        Poll::Ready(())
    }
}

impl ActixTransport {
    /// Sees to it that there is a chunk. `false` at the end of the connection.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while self.chunk.is_empty() {
            match ready!(self.inbound.poll_next(cx)) {
                Some(chunk) => self.chunk = chunk,
                None => return Poll::Ready(false),
            }
        }
        Poll::Ready(true)
    }
}

/// The response's body: frames as they are, without an end until the session has one.
#[derive(Debug)]
pub(crate) struct FrameBody(PipeReader);

impl MessageBody for FrameBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.0.poll_next(cx).map(|frame| frame.map(Ok))
    }
}
