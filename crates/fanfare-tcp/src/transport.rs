//! The transport of both message wires, over any byte stream.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use fanfare::transport::{Framing, Inbound, Outgoing, ReceiveError, Received, SendError, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::splitter::Splitter;

/// What is discarded after our end was shut down, before the connection is dropped with data unread.
const MAX_LINGER_BYTES: usize = 4 * 1024 * 1024;
/// Reads per turn while lingering.
const LINGER_READS: usize = 8;
/// The code that stands for "the peer gave none" (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;

/// Messages over `S`. It holds no buffer but that of an incomplete message.
#[derive(Debug)]
pub(crate) struct ByteTransport<S, P> {
    stream: S,
    splitter: P,
    name: &'static str,
    /// Boxed: 8 bytes instead of 32 where there is none, and asked for once.
    peer_addr: Option<Box<SocketAddr>>,
    /// Whether the protocol has versions: then it has pings and sessions that can be resumed.
    versioned: bool,
    /// The peer's end has come.
    ended: bool,
    /// Bytes discarded since our end was shut down. `None` before.
    lingered: Option<usize>,
}

impl<S, P> ByteTransport<S, P> {
    pub(crate) fn new(
        stream: S,
        splitter: P,
        name: &'static str,
        peer_addr: Option<SocketAddr>,
        versioned: bool,
    ) -> Self {
        Self { stream, splitter, name, peer_addr: peer_addr.map(Box::new), versioned, ended: false, lingered: None }
    }
}

impl<S, P> Transport for ByteTransport<S, P>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Splitter + Unpin,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn framing(&self) -> Arc<dyn Framing> {
        self.splitter.framing()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr.as_deref().copied()
    }

    /// No in the plain form: a person who types does not answer pings, and TCP finds out when the machine is gone.
    fn heartbeat(&self) -> bool {
        self.versioned
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Poll<Result<Received, ReceiveError>> {
        if self.ended {
            return Poll::Ready(Ok(Received::Closed));
        }
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let bytes = buffer.filled();
        if !bytes.is_empty() {
            return Poll::Ready(self.splitter.split(bytes, receive).map(|()| Received::Open));
        }
        self.ended = true;
        if self.versioned {
            // Whether the peer left or died cannot be told, so that its session may be resumed.
            return Poll::Ready(Ok(Received::Closed));
        }
        // The end of its input is how a plain peer says goodbye, and it may still want the answers: `nc -N` does.
        receive(Inbound::Close(NO_CODE, ""));
        Poll::Ready(Ok(Received::Open))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing<'_>) -> Poll<Result<(), SendError>> {
        outgoing.poll_write_to(cx, Pin::new(&mut self.stream))
    }

    /// Shuts our end down, then waits for the peer's while discarding what still arrives: a socket that is dropped with data
    /// unread resets the connection, and the reset may overtake our last words. Discards 4 MiB at most; how long to wait is
    /// the shard's to bound.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut stream = Pin::new(&mut self.stream);
        let lingered = match &mut self.lingered {
            Some(lingered) => lingered,
            none => {
                if ready!(stream.as_mut().poll_shutdown(cx)).is_err() || self.ended {
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
                    *lingered += buffer.filled().len();
                }
                // The end, an error, or too much: nothing is left to do.
                _ => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
