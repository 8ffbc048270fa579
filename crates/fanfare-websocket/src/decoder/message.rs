//! A message that arrives in pieces: fragments, or a frame that is longer than what was read.

use fanfare::transport::Inbound;

use super::ViolationError;

/// The pieces so far, in one buffer. It grows by what arrived, never by what was announced.
#[derive(Debug)]
pub(super) struct Message {
    body: Body,
    /// Frames so far, the first included.
    pub(super) fragments: u32,
    pub(super) empty_fragments: u32,
}

#[derive(Debug)]
enum Body {
    Binary(Vec<u8>),
    /// `tail` is the start of a character whose end has not arrived: at most 3 bytes between calls.
    Text {
        text: String,
        tail: [u8; 4],
        tail_len: usize,
    },
}

impl Message {
    pub(super) fn binary() -> Self {
        Self { body: Body::Binary(Vec::new()), fragments: 0, empty_fragments: 0 }
    }

    pub(super) fn text() -> Self {
        let body = Body::Text { text: String::new(), tail: [0; 4], tail_len: 0 };
        Self { body, fragments: 0, empty_fragments: 0 }
    }

    /// Bytes of payload so far.
    pub(super) fn len(&self) -> usize {
        match &self.body {
            Body::Binary(bytes) => bytes.len(),
            Body::Text { text, tail_len, .. } => text.len() + tail_len,
        }
    }

    /// Bytes of heap.
    pub(super) fn capacity(&self) -> usize {
        match &self.body {
            Body::Binary(bytes) => bytes.capacity(),
            Body::Text { text, .. } => text.capacity(),
        }
    }

    /// Appends unmasked bytes. `limit` is the largest message: the buffer doubles as it grows, but not beyond it.
    pub(super) fn append(&mut self, mut piece: &[u8], limit: usize) -> Result<(), ViolationError> {
        let (text, tail, tail_len) = match &mut self.body {
            Body::Binary(bytes) => {
                bytes.reserve_exact(room_for(bytes.len(), bytes.capacity(), piece.len(), limit));
                bytes.extend_from_slice(piece);
                return Ok(());
            }
            Body::Text { text, tail, tail_len } => (text, tail, tail_len),
        };
        text.reserve_exact(room_for(text.len(), text.capacity(), piece.len() + *tail_len, limit));
        while *tail_len > 0 {
            let Some((&next, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            tail[*tail_len] = next;
            *tail_len += 1;
            match std::str::from_utf8(&tail[..*tail_len]) {
                Ok(character) => {
                    text.push_str(character);
                    *tail_len = 0;
                }
                Err(error) if error.error_len().is_some() => return Err(ViolationError::Utf8),
                Err(_) => {}
            }
        }
        match std::str::from_utf8(piece) {
            Ok(piece) => text.push_str(piece),
            Err(error) if error.error_len().is_some() => return Err(ViolationError::Utf8),
            Err(error) => {
                let (whole, cut) = piece.split_at(error.valid_up_to());
                // Checked twice, but only where a piece ends inside a character.
                text.push_str(std::str::from_utf8(whole).expect("valid up to here, as was just found"));
                tail[..cut.len()].copy_from_slice(cut);
                *tail_len = cut.len();
            }
        }
        Ok(())
    }

    /// Delivers the message after its last piece.
    pub(super) fn deliver(&self, receive: &mut dyn FnMut(Inbound<'_>)) -> Result<(), ViolationError> {
        match &self.body {
            Body::Binary(bytes) => receive(Inbound::Binary(bytes)),
            Body::Text { tail_len: 1.., .. } => return Err(ViolationError::Utf8),
            Body::Text { text, .. } => receive(Inbound::Text(text)),
        }
        Ok(())
    }
}

/// What to reserve so that `more` bytes fit, doubling up to `limit`: appends stay cheap however small the pieces are.
fn room_for(len: usize, capacity: usize, more: usize, limit: usize) -> usize {
    let needed = len + more;
    if needed <= capacity {
        return 0;
    }
    needed.max(capacity.saturating_mul(2).min(limit)) - len
}
