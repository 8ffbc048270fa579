//! The sans-I/O decoder: bytes in, messages out, every rule of RFC 6455 checked on the way.

mod header;
mod message;
mod timed;
mod violation;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use fanfare::transport::Inbound;
use tungstenite::protocol::{
    Role,
    frame::coding::{CloseCode, Control, Data, OpCode},
};

use crate::mask::{apply_mask, rotated};
use header::Header;
use message::Message;

pub use header::Extensions;
pub use timed::TimedDecoder;
pub use violation::ViolationError;

/// The code that stands for "the close frame had none" (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;

/// The limits of a [`Decoder`]. One instance serves all connections of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderConfig {
    /// The largest message in bytes, over all its fragments. 64 KiB.
    pub max_message_bytes: usize,
    /// The most frames of one message. 1,024.
    pub max_fragments: u32,
    /// The most frames of one message that carry nothing. 64: nobody needs any, some libraries end a stream with one.
    pub max_empty_fragments: u32,
    /// Control frames that may come at once. 100: five seconds of the sustained rate.
    pub control_burst: u32,
    /// Control frames per second in the long run. 20.
    pub control_per_second: u32,
}

impl Default for DecoderConfig {
    fn default() -> Self {
        Self {
            max_message_bytes: 64 * 1024,
            max_fragments: 1024,
            max_empty_fragments: 64,
            control_burst: 100,
            control_per_second: 20,
        }
    }
}

/// Turns a byte stream into messages.
///
/// It holds memory only while something is incomplete: the bytes of a header or control frame, or the payload so far of a
/// message. Messages that lie whole in what is given are unmasked and delivered where they lie.
///
/// It knows no clock: whoever drives it calls [`refill_control`](Self::refill_control), as [`TimedDecoder`] does.
#[derive(Debug)]
pub struct Decoder {
    config: Arc<DecoderConfig>,
    /// What is incomplete. `None` between messages.
    pending: Option<Box<Pending>>,
    /// Control frames that may still come.
    control: u32,
    role: Role,
    extensions: Extensions,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A close frame was delivered; nothing else will be.
    Closed,
    /// A rule was broken; nothing else will be delivered.
    Failed,
}

#[derive(Debug, Default)]
struct Pending {
    /// The start of a header or of a control frame, as it came.
    head: Vec<u8>,
    /// The message whose end has not arrived.
    message: Option<Message>,
    /// The data frame of which payload has not arrived; its message is in `message`.
    frame: Option<OpenFrame>,
}

#[derive(Debug)]
struct OpenFrame {
    is_final: bool,
    remaining: usize,
    /// Rotated to the next byte.
    mask: Option<[u8; 4]>,
}

impl Decoder {
    /// A decoder for our `role`: a server reads masked frames, a client unmasked ones.
    pub fn new(role: Role, config: impl Into<Arc<DecoderConfig>>) -> Self {
        let config = config.into();
        let control = config.control_burst;
        Self { config, pending: None, control, role, extensions: Extensions::default(), state: State::Open }
    }

    /// Decodes the next `bytes` of the stream, however they are split, and tells `receive` what is complete, in order.
    ///
    /// `bytes` is unmasked in place; nothing useful is left in it. After a close frame or an error nothing is delivered, and
    /// further calls discard what they are given.
    ///
    /// # Errors
    /// The first rule the peer broke. What was received before stays valid.
    pub fn decode(&mut self, bytes: &mut [u8], receive: &mut dyn FnMut(Inbound<'_>)) -> Result<(), ViolationError> {
        if self.state != State::Open {
            return Ok(());
        }
        let result = self.decode_frames(bytes, receive);
        if result.is_err() {
            self.state = State::Failed;
        }
        let idle = |p: &Pending| p.head.is_empty() && p.message.is_none() && p.frame.is_none();
        if self.state != State::Open || self.pending.as_deref().is_some_and(idle) {
            self.pending = None;
        }
        result
    }

    /// Bytes of heap held for what is incomplete. 0 for an idle connection; never more than the message limit and a
    /// constant below 1 KiB.
    pub fn held_bytes(&self) -> usize {
        self.pending.as_deref().map_or(0, |pending| {
            let message = pending.message.as_ref().map_or(0, Message::capacity);
            size_of::<Pending>() + pending.head.capacity() + message
        })
    }

    /// Whether the peer's close frame was delivered.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether the peer broke a rule.
    pub fn is_failed(&self) -> bool {
        self.state == State::Failed
    }

    /// Whether no control frame waits to be forgotten: then there is no need to look at a clock.
    pub fn control_is_full(&self) -> bool {
        self.control >= self.config.control_burst
    }

    /// Lets control frames come again after `elapsed` time, and returns how much of that time was used up. The caller counts
    /// the rest the next time, so that many short times add up.
    pub fn refill_control(&mut self, elapsed: Duration) -> Duration {
        let rate = self.config.control_per_second;
        let earned = elapsed.as_nanos().saturating_mul(rate.into()) / 1_000_000_000;
        let room = self.config.control_burst - self.control;
        if earned >= room.into() {
            self.control = self.config.control_burst;
            return elapsed;
        }
        let earned = u32::try_from(earned).expect("smaller than the room, which is a u32");
        self.control += earned;
        if rate == 0 { Duration::ZERO } else { Duration::from_secs(earned.into()) / rate }
    }

    fn decode_frames(
        &mut self,
        mut bytes: &mut [u8],
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Result<(), ViolationError> {
        while !bytes.is_empty() && self.state == State::Open {
            let taken = match self.pending.as_deref() {
                Some(Pending { frame: Some(_), .. }) => self.take_payload(bytes, receive)?,
                Some(Pending { head, .. }) if !head.is_empty() => self.take_head(bytes, receive)?,
                _ => self.take_frame(bytes, receive)?,
            };
            bytes = &mut bytes[taken..];
        }
        Ok(())
    }

    /// The fast path: a frame that starts at `bytes`.
    fn take_frame(&mut self, bytes: &mut [u8], receive: &mut dyn FnMut(Inbound<'_>)) -> Result<usize, ViolationError> {
        let Some(header) = header::parse(self.role, self.extensions, bytes)? else {
            return Ok(self.keep(bytes));
        };
        let OpCode::Data(data) = header.frame.opcode else {
            let end = header.len + header.payload as usize;
            return match bytes.get_mut(..end) {
                Some(frame) => self.control_frame(&header, &mut frame[header.len..], receive).map(|()| end),
                None => Ok(self.keep(bytes)),
            };
        };
        let length = self.admit(data, &header)?;
        let whole = header.len + length;
        if header.frame.is_final && data != Data::Continue && whole <= bytes.len() {
            let payload = &mut bytes[header.len..whole];
            if let Some(mask) = header.frame.mask {
                apply_mask(mask, 0, payload);
            }
            match data {
                Data::Text => receive(Inbound::Text(std::str::from_utf8(payload).map_err(|_| ViolationError::Utf8)?)),
                _ => receive(Inbound::Binary(payload)),
            }
            return Ok(whole);
        }
        self.open(data, &header, length, receive)?;
        Ok(header.len)
    }

    /// Keeps the start of a header or control frame.
    fn keep(&mut self, bytes: &[u8]) -> usize {
        self.pending.get_or_insert_default().head.extend_from_slice(bytes);
        bytes.len()
    }

    /// Goes on with a header or control frame whose start is held.
    fn take_head(&mut self, bytes: &mut [u8], receive: &mut dyn FnMut(Inbound<'_>)) -> Result<usize, ViolationError> {
        let mut head = std::mem::take(&mut self.pending.get_or_insert_default().head);
        let mut taken = 0;
        let header = loop {
            if let Some(header) = header::parse(self.role, self.extensions, &head)? {
                break header;
            }
            let Some(&next) = bytes.get(taken) else {
                self.keep(&head);
                return Ok(taken);
            };
            head.push(next);
            taken += 1;
            debug_assert!(head.len() <= header::MAX_HEADER_BYTES);
        };
        if let OpCode::Data(data) = header.frame.opcode {
            let length = self.admit(data, &header)?;
            self.open(data, &header, length, receive)?;
            return Ok(taken);
        }
        let end = header.len + header.payload as usize;
        let more = (end - head.len()).min(bytes.len() - taken);
        head.extend_from_slice(&bytes[taken..taken + more]);
        taken += more;
        if head.len() < end {
            self.keep(&head);
        } else {
            self.control_frame(&header, &mut head[header.len..], receive)?;
        }
        Ok(taken)
    }

    /// Goes on with the payload of the open data frame.
    fn take_payload(
        &mut self,
        bytes: &mut [u8],
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Result<usize, ViolationError> {
        let Some(Pending { frame: Some(frame), message: Some(message), .. }) = self.pending.as_deref_mut() else {
            unreachable!("called with an open frame, which has its message");
        };
        let taken = frame.remaining.min(bytes.len());
        let payload = &mut bytes[..taken];
        if let Some(mask) = &mut frame.mask {
            apply_mask(*mask, 0, payload);
            *mask = rotated(*mask, taken);
        }
        message.append(payload, self.config.max_message_bytes)?;
        frame.remaining -= taken;
        if frame.remaining == 0 {
            self.close_frame(receive)?;
        }
        Ok(taken)
    }

    /// The rules that a data frame's header can break within its message. Returns the payload's length.
    fn admit(&self, data: Data, header: &Header) -> Result<usize, ViolationError> {
        let message = self.pending.as_deref().and_then(|pending| pending.message.as_ref());
        let (held, fragments, empty) = match (data, message) {
            (Data::Continue, None) => return Err(ViolationError::ContinuationWithoutStart),
            (Data::Continue, Some(message)) => (message.len(), message.fragments, message.empty_fragments),
            (_, Some(_)) => return Err(ViolationError::StartInsideMessage),
            (_, None) => (0, 0, 0),
        };
        let room = self.config.max_message_bytes.saturating_sub(held);
        let length = usize::try_from(header.payload).map_err(|_| ViolationError::MessageTooBig)?;
        if length > room {
            return Err(ViolationError::MessageTooBig);
        }
        if data == Data::Continue || !header.frame.is_final {
            if fragments >= self.config.max_fragments {
                return Err(ViolationError::TooManyFragments);
            }
            if length == 0 && empty >= self.config.max_empty_fragments {
                return Err(ViolationError::TooManyEmptyFragments);
            }
        }
        Ok(length)
    }

    /// Opens a data frame that cannot be delivered where it lies.
    fn open(
        &mut self,
        data: Data,
        header: &Header,
        length: usize,
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Result<(), ViolationError> {
        let pending = self.pending.get_or_insert_default();
        let message = pending.message.get_or_insert_with(|| match data {
            Data::Text => Message::text(),
            _ => Message::binary(),
        });
        message.fragments += 1;
        message.empty_fragments += u32::from(length == 0);
        pending.frame = Some(OpenFrame { is_final: header.frame.is_final, remaining: length, mask: header.frame.mask });
        if length == 0 { self.close_frame(receive) } else { Ok(()) }
    }

    /// The open frame is complete; so is its message, if it was the last one.
    fn close_frame(&mut self, receive: &mut dyn FnMut(Inbound<'_>)) -> Result<(), ViolationError> {
        let pending = self.pending.get_or_insert_default();
        if pending.frame.take().is_some_and(|frame| frame.is_final) {
            if let Some(message) = pending.message.take() {
                message.deliver(receive)?;
            }
        }
        Ok(())
    }

    /// A whole control frame, its `payload` still masked.
    fn control_frame(
        &mut self,
        header: &Header,
        payload: &mut [u8],
        receive: &mut dyn FnMut(Inbound<'_>),
    ) -> Result<(), ViolationError> {
        self.control = self.control.checked_sub(1).ok_or(ViolationError::ControlFlood)?;
        if let Some(mask) = header.frame.mask {
            apply_mask(mask, 0, payload);
        }
        match header.frame.opcode {
            OpCode::Control(Control::Ping) => receive(Inbound::Ping(payload)),
            OpCode::Control(Control::Pong) => receive(Inbound::Pong(payload)),
            _ => {
                let (code, reason) = close(payload)?;
                self.state = State::Closed;
                receive(Inbound::Close(code, reason));
            }
        }
        Ok(())
    }
}

/// Takes a close frame's payload apart (RFC 6455, sections 5.5.1 and 7.4).
fn close(payload: &[u8]) -> Result<(u16, &str), ViolationError> {
    match payload {
        [] => Ok((NO_CODE, "")),
        [_] => Err(ViolationError::CloseTooShort),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // tungstenite knows the registered codes, all but 1014, bad gateway.
            if code != 1014 && !CloseCode::from(code).is_allowed() {
                return Err(ViolationError::CloseCode);
            }
            let reason = std::str::from_utf8(reason).map_err(|_| ViolationError::CloseReason)?;
            Ok((code, reason))
        }
    }
}
