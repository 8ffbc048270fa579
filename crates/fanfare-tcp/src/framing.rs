//! How messages are written onto a line or behind their length.

use std::sync::{Arc, LazyLock};

use fanfare::transport::{Framing, MessageKind};

/// A line for each message: the text, then `\n`. JSON escapes line feeds within strings, so that a message has none.
///
/// Bytes have no form here: they are left out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LineFraming;

impl LineFraming {
    pub(crate) fn shared() -> Arc<dyn Framing> {
        static SHARED: LazyLock<Arc<dyn Framing>> = LazyLock::new(|| Arc::new(LineFraming));
        SHARED.clone()
    }
}

impl Framing for LineFraming {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn frame(&self, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>) {
        if kind == MessageKind::Text {
            out.reserve(payload.len() + 1);
            out.extend_from_slice(payload);
            out.push(b'\n');
        }
    }
}

/// The length in four bytes, big-endian, then the message.
///
/// The wire does not tell text from bytes, so that it carries one kind alone; messages of the other are left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LengthFraming(MessageKind);

impl LengthFraming {
    pub(crate) fn shared(kind: MessageKind) -> Arc<dyn Framing> {
        static TEXT: LazyLock<Arc<dyn Framing>> = LazyLock::new(|| Arc::new(LengthFraming(MessageKind::Text)));
        static BINARY: LazyLock<Arc<dyn Framing>> = LazyLock::new(|| Arc::new(LengthFraming(MessageKind::Binary)));
        match kind {
            MessageKind::Text => TEXT.clone(),
            MessageKind::Binary => BINARY.clone(),
        }
    }
}

impl Framing for LengthFraming {
    fn name(&self) -> &'static str {
        match self.0 {
            MessageKind::Text => "length-prefixed-text",
            MessageKind::Binary => "length-prefixed-binary",
        }
    }

    fn frame(&self, kind: MessageKind, payload: &[u8], out: &mut Vec<u8>) {
        if kind == self.0 {
            let length = u32::try_from(payload.len()).expect("a message is bounded far below 4 GiB");
            out.reserve(payload.len() + 4);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(payload);
        }
    }
}
