//! Messages that end with a line feed.

use std::sync::Arc;

use fanfare::transport::{Framing, Inbound, MessageKind, ReceiveError};

use super::{Splitter, deliver, too_big};
use crate::framing::LineFraming;

/// Text, one message a line. A line ends with `\n` or `\r\n`; neither counts for its length.
#[derive(Debug)]
pub(crate) struct LineSplitter {
    /// The line so far; at most `max` bytes and a `\r`.
    pub(super) partial: Vec<u8>,
    max: usize,
}

impl LineSplitter {
    /// Lines of at most `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self { partial: Vec::new(), max }
    }

    fn line(&self, line: &[u8], receive: &mut dyn FnMut(Inbound<'_>)) -> Result<(), ReceiveError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.max {
            return Err(too_big());
        }
        deliver(MessageKind::Text, line, receive)
    }

    /// Keeps the beginning of a line, if it can still become one.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), ReceiveError> {
        let length = self.partial.len() + bytes.len();
        let last = bytes.last().or(self.partial.last());
        let may_end = usize::from(last == Some(&b'\r'));
        if length > self.max + may_end {
            return Err(too_big());
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

impl Splitter for LineSplitter {
    fn framing(&self) -> Arc<dyn Framing> {
        LineFraming::shared()
    }

    fn split(&mut self, bytes: &[u8], receive: &mut dyn FnMut(Inbound<'_>)) -> Result<(), ReceiveError> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let line = &rest[..end];
            if self.partial.is_empty() {
                self.line(line, receive)?;
            } else {
                self.keep(line)?;
                // Taken, so that nothing is held between messages.
                let whole = std::mem::take(&mut self.partial);
                self.line(&whole, receive)?;
            }
            rest = &rest[end + 1..];
        }
        self.keep(rest)
    }
}
