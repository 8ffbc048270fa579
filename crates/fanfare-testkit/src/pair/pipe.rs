//! The wire between the two ends: what is on its way in each direction, and what is broken about it.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use fanfare::{
    CloseCode,
    transport::{Framing, Inbound, Messages, OutMessage, Outgoing, ReceiveError, Received, SendError, Transport},
};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, Sleep, sleep_until},
};

/// What a client sends.
#[derive(Debug)]
pub(super) enum Up {
    Text(String),
    Binary(Bytes),
    Ping,
    Pong,
    Close(u16, String),
    End,
}

/// What reaches the client.
#[derive(Debug)]
pub(super) enum Down {
    Message(OutMessage),
    End,
}

/// What both ends share.
pub(super) struct Pipe {
    pub(super) state: Mutex<PipeState>,
    /// Something is there for the client.
    pub(super) arrived: Notify,
}

pub(super) struct PipeState {
    up: VecDeque<(Instant, Up)>,
    down: VecDeque<(Instant, Down)>,
    /// What the server sent while the client does not read; at most `capacity` bytes and one message.
    held: VecDeque<OutMessage>,
    held_bytes: usize,
    pub(super) capacity: usize,
    pub(super) latency: Duration,
    stalled: bool,
    /// The client answers neither pings nor closes.
    pub(super) mute: bool,
    broken: bool,
    /// The server has seen the client's close, or the end of its half.
    ended: bool,
    waker: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(capacity: usize, latency: Duration) -> Arc<Self> {
        let state = PipeState {
            up: VecDeque::new(),
            down: VecDeque::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            capacity,
            latency,
            stalled: false,
            mute: false,
            broken: false,
            ended: false,
            waker: None,
        };
        Arc::new(Self { state: Mutex::new(state), arrived: Notify::new() })
    }

    pub(super) fn send(&self, up: Up) {
        self.state.lock().send(up);
    }

    pub(super) fn stall(&self) {
        self.state.lock().stalled = true;
    }

    pub(super) fn unstall(&self) {
        let mut state = self.state.lock();
        state.stalled = false;
        state.held_bytes = 0;
        for message in std::mem::take(&mut state.held) {
            state.arrive(message);
        }
        state.wake();
        self.arrived.notify_one();
    }

    /// Breaks the connection in both directions. What is on its way is lost.
    pub(super) fn cut(&self) {
        let mut state = self.state.lock();
        state.broken = true;
        state.up.clear();
        state.held.clear();
        state.wake();
        self.arrived.notify_one();
    }

    /// What is there for the client now; or when the next thing is, if it is on its way.
    pub(super) fn take(&self) -> Result<Down, Option<Instant>> {
        let mut state = self.state.lock();
        match state.down.front() {
            Some((at, _)) if *at <= Instant::now() => {
                let (_, down) = state.down.pop_front().expect("there is a first one");
                Ok(down)
            }
            Some((at, _)) => Err(Some(*at)),
            None if state.broken => Ok(Down::End),
            None => Err(None),
        }
    }
}

impl PipeState {
    fn send(&mut self, up: Up) {
        if !self.broken {
            self.up.push_back((Instant::now() + self.latency, up));
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn arrive(&mut self, message: OutMessage) {
        let answer = match &message {
            OutMessage::Ping => Some(Up::Pong),
            // As browsers do: the answer repeats the code, and the server's end ends the connection.
            OutMessage::Close(code, reason) => Some(Up::Close(*code, reason.clone())),
            _ => None,
        };
        let closes = matches!(message, OutMessage::Close(..));
        self.down.push_back((Instant::now() + self.latency, Down::Message(message)));
        if self.mute {
            return;
        }
        if let Some(answer) = answer {
            // One way there and one way back.
            self.up.push_back((Instant::now() + 2 * self.latency, answer));
            if closes {
                self.up.push_back((Instant::now() + 2 * self.latency, Up::End));
            }
            self.wake();
        }
    }
}

/// The server's end.
pub(super) struct PipeTransport {
    pub(super) pipe: Arc<Pipe>,
    pub(super) max_message_bytes: usize,
    pub(super) peer_addr: Option<SocketAddr>,
    /// Armed while something is on its way up.
    pub(super) timer: Option<Pin<Box<Sleep>>>,
}

impl Transport for PipeTransport {
    fn name(&self) -> &'static str {
        "pair"
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
        let mut state = self.pipe.state.lock();
        if state.broken {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset).into()));
        }
        state.waker = Some(cx.waker().clone());
        let Some((at, _)) = state.up.front() else { return Poll::Pending };
        let at = *at;
        if at > Instant::now() {
            drop(state);
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            timer.as_mut().reset(at);
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            state = self.pipe.state.lock();
        }
        let Some((_, up)) = state.up.pop_front() else { return Poll::Pending };
        state.ended |= matches!(up, Up::Close(..) | Up::End);
        drop(state);
        let too_big = |length: usize| length > self.max_message_bytes;
        match up {
            Up::Text(text) if too_big(text.len()) => return Poll::Ready(Err(too_big_error())),
            Up::Binary(bytes) if too_big(bytes.len()) => return Poll::Ready(Err(too_big_error())),
            Up::Text(text) => receive(Inbound::Text(&text)),
            Up::Binary(bytes) => receive(Inbound::Binary(&bytes)),
            Up::Ping => receive(Inbound::Ping(b"")),
            Up::Pong => receive(Inbound::Pong(b"")),
            Up::Close(code, reason) => receive(Inbound::Close(code, &reason)),
            Up::End => return Poll::Ready(Ok(Received::Closed)),
        }
        Poll::Ready(Ok(Received::Open))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, outgoing: &mut Outgoing<'_>) -> Poll<Result<(), SendError>> {
        let mut state = self.pipe.state.lock();
        if state.broken {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::BrokenPipe).into()));
        }
        while !outgoing.is_empty() {
            if state.stalled && state.held_bytes >= state.capacity {
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let Some(message) = outgoing.message() else { break };
            if state.stalled {
                state.held_bytes += length(&message);
                state.held.push_back(message);
            } else {
                state.arrive(message);
                self.pipe.arrived.notify_one();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for the client's close or the end of its half, as one does who wants the close to arrive.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.pipe.state.lock();
        if state.broken || state.ended {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for PipeTransport {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        let at = Instant::now() + state.latency;
        // What the client has not read is read before the end, as on a socket.
        for message in std::mem::take(&mut state.held) {
            state.down.push_back((at, Down::Message(message)));
        }
        state.down.push_back((at, Down::End));
        state.waker = None;
        self.pipe.arrived.notify_one();
    }
}

fn too_big_error() -> ReceiveError {
    ReceiveError::Peer { code: CloseCode::TooBig, rule: "a message over the limit" }
}

fn length(message: &OutMessage) -> usize {
    match message {
        OutMessage::Text(bytes) | OutMessage::Binary(bytes) | OutMessage::Pong(bytes) => bytes.len(),
        _ => 0,
    }
}
