//! A shard in miniature: an echo that polls one transport.

use std::{future::poll_fn, task::Poll};

use fanfare::{
    CloseCode,
    transport::{Inbound, MessageKind, Outgoing, Queue, ReceiveError, Received, Transport},
};

/// How an echo ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer closed with this code, which was answered.
    Closed(u16),
    /// The peer broke a rule and was told.
    Violation(CloseCode),
    /// The stream ended without a close frame.
    Eof,
    /// The connection broke.
    Broken,
}

/// Answers each message with itself until the connection ends, as a shard would poll it.
pub(crate) async fn echo<T: Transport>(transport: &mut T) -> End {
    let framing = transport.framing();
    let mut scratch = vec![0; 64 * 1024];
    let (mut queue, mut joined) = (Queue::new(), Vec::new());
    let mut end = None;
    poll_fn(|cx| {
        loop {
            if end.is_none() {
                let mut answers = Vec::new();
                let received = transport.poll_receive(cx, &mut scratch, &mut |inbound| match inbound {
                    Inbound::Text(text) => framing.frame(MessageKind::Text, text.as_bytes(), &mut answers),
                    Inbound::Binary(bytes) => framing.frame(MessageKind::Binary, bytes, &mut answers),
                    Inbound::Ping(payload) => framing.pong(payload, &mut answers),
                    Inbound::Close(code, _) => {
                        framing.close(CloseCode::from_code(code).unwrap_or(CloseCode::Normal), "", &mut answers);
                        end = Some(End::Closed(code));
                    }
                    _ => {}
                });
                match received {
                    Poll::Ready(Ok(Received::Open)) | Poll::Pending => {}
                    Poll::Ready(Ok(Received::Closed)) => end = end.take().or(Some(End::Eof)),
                    Poll::Ready(Err(ReceiveError::Peer { code, rule })) => {
                        framing.close(code, rule, &mut answers);
                        end = Some(End::Violation(code));
                    }
                    Poll::Ready(Err(_)) => end = Some(End::Broken),
                }
                if !answers.is_empty() {
                    queue.push_back(answers.into());
                }
                if received.is_ready() && end.is_none() {
                    continue;
                }
            }
            match transport.poll_send(cx, &mut Outgoing::new(&mut queue, &mut joined)) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(End::Broken),
                Poll::Ready(Ok(())) if end.is_none() => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
            }
            std::task::ready!(transport.poll_close(cx));
            return Poll::Ready(end.take().expect("the loop leaves here with an end"));
        }
    })
    .await
}
