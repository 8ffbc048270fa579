//! A transport out of any `Stream` of messages and any `Sink` for them, in one line.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{Sink, Stream};

use super::{Framing, Inbound, Messages, OutMessage, Outgoing, ReceiveError, Received, SendError, Transport};

/// A message that a [`StreamSink`]'s stream yields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
    /// A ping.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// The peer's close, with its code and reason.
    Close(u16, String),
}

/// The transport over `stream` and `sink`: each item is one whole message.
///
/// The end of the stream is the end of the connection, and so is an error of either side. The sink is flushed whenever the
/// queue ran empty, not after each item.
#[derive(Debug)]
pub struct StreamSink<R, W> {
    stream: R,
    sink: W,
    name: &'static str,
}

impl<R, W> StreamSink<R, W> {
    /// A transport called `name` in logs.
    pub fn new(name: &'static str, stream: R, sink: W) -> Self {
        Self { stream, sink, name }
    }
}

impl<R, W> Transport for StreamSink<R, W>
where
    R: Stream<Item = io::Result<Incoming>> + Send + Unpin + 'static,
    W: Sink<OutMessage, Error = io::Error> + Send + Unpin + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn framing(&self) -> Arc<dyn Framing> {
        Messages::shared()
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        _scratch: &mut [u8],
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Poll<Result<Received, ReceiveError>> {
        let Some(message) = ready!(Pin::new(&mut self.stream).poll_next(cx)) else {
            return Poll::Ready(Ok(Received::Closed));
        };
        match message? {
            Incoming::Text(text) => receive(Inbound::Text(&text)),
            Incoming::Binary(bytes) => receive(Inbound::Binary(&bytes)),
            Incoming::Ping(bytes) => receive(Inbound::Ping(&bytes)),
            Incoming::Pong(bytes) => receive(Inbound::Pong(&bytes)),
            Incoming::Close(code, reason) => receive(Inbound::Close(code, &reason)),
        }
        Poll::Ready(Ok(Received::Open))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing<'_>) -> Poll<Result<(), SendError>> {
        let mut sink = Pin::new(&mut self.sink);
        while !outgoing.is_empty() {
            ready!(sink.as_mut().poll_ready(cx))?;
            let Some(message) = outgoing.message() else { break };
            sink.as_mut().start_send(message)?;
        }
        sink.poll_flush(cx).map_err(SendError::Io)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error while closing changes nothing: the connection ends either way.
        Pin::new(&mut self.sink).poll_close(cx).map(drop)
    }
}
