//! What a transport is asked to send: a queue of shared, framed bytes.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::framing::{self, OutMessage};

/// Below this size frames are copied into one buffer for one `write`; above it a frame is written where it lies. Measured:
/// joining beats `writev` by 15 % on small frames, and one copy of 16 KiB costs less than a system call's fixed part.
const JOIN_BYTES: usize = 16 * 1024;

/// Frames that wait for one peer, oldest first.
pub type Queue = VecDeque<Bytes>;

/// The frames for one peer, for the length of one [`poll_send`](super::Transport::poll_send).
///
/// Take from it with **one** of three doors: [`chunk`](Self::chunk) and [`advance`](Self::advance) for byte streams,
/// [`frame`](Self::frame) for streams that take shared bytes as they are, [`message`](Self::message) for transports of whole
/// messages.
#[derive(Debug)]
pub struct Outgoing<'a> {
    queue: &'a mut Queue,
    /// Bytes of the queue's first frames, copied side by side. Always equal to a prefix of the queue.
    joined: &'a mut Vec<u8>,
    /// How many bytes of `joined` were taken by `advance`, which removed them from the queue too.
    consumed: usize,
}

impl<'a> Outgoing<'a> {
    /// Lends `queue` to a transport. `joined` is scratch memory; what is in it does not matter.
    pub fn new(queue: &'a mut Queue, joined: &'a mut Vec<u8>) -> Self {
        joined.clear();
        Self { queue, joined, consumed: 0 }
    }

    /// Whether everything was taken.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next bytes to write: at least one while the queue is not empty, and as many as one write should carry.
    pub fn chunk(&mut self) -> &[u8] {
        if self.consumed < self.joined.len() {
            return &self.joined[self.consumed..];
        }
        let alone = match (self.queue.front(), self.queue.get(1)) {
            (None, _) => return &[],
            (Some(_), None) => true,
            (Some(first), Some(second)) => first.len() + second.len() > JOIN_BYTES,
        };
        if alone {
            return self.queue.front().map_or(&[], |frame| &frame[..]);
        }
        self.joined.clear();
        self.consumed = 0;
        for frame in self.queue.iter() {
            if self.joined.len() + frame.len() > JOIN_BYTES {
                break;
            }
            self.joined.extend_from_slice(frame);
        }
        self.joined
    }

    /// Takes the first `written` bytes of the last [`chunk`](Self::chunk).
    ///
    /// # Panics
    /// When `written` is more than the queue holds.
    pub fn advance(&mut self, written: usize) {
        if self.consumed < self.joined.len() {
            self.consumed += written;
        }
        let mut left = written;
        while left > 0 {
            let frame = self.queue.front_mut().expect("a transport advances by what chunk gave it");
            if frame.len() > left {
                frame.advance(left);
                return;
            }
            left -= frame.len();
            self.queue.pop_front();
        }
    }

    /// Takes the next frame whole, shared with whoever else it goes to.
    pub fn frame(&mut self) -> Option<Bytes> {
        self.queue.pop_front()
    }

    /// Takes the next message; for the framing [`Messages`](super::Messages) alone.
    pub fn message(&mut self) -> Option<OutMessage> {
        loop {
            let frame = self.queue.front_mut()?;
            if let Some(message) = framing::split(frame) {
                if frame.is_empty() {
                    self.queue.pop_front();
                }
                return Some(message);
            }
            self.queue.pop_front();
        }
    }
}
