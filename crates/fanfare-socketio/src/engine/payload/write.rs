//! Writes packets into a body until it is full.

use bytes::Bytes;
use data_encoding::BASE64;

use super::{Format, LENGTH_END, PayloadError, PayloadLimits, SEPARATOR};
use crate::engine::{Packet, packet::base64_prefix};

/// The body of an answer to a long poll, or of a client's request.
#[derive(Debug)]
pub struct PayloadWriter {
    format: Format,
    limits: PayloadLimits,
    body: Vec<u8>,
    packets: usize,
}

impl PayloadWriter {
    /// A body without packets.
    pub fn new(format: Format, limits: PayloadLimits) -> Self {
        Self { format, limits, body: Vec::new(), packets: 0 }
    }

    /// Appends a packet. `false` when it would go beyond the limits and so must wait for the next body; the first packet is
    /// always taken, or it could never be sent.
    ///
    /// # Errors
    /// [`PayloadError::Separator`] for a text that revision 4 cannot carry in a long poll; the body stays as it was. JSON
    /// never is such a text.
    pub fn push(&mut self, packet: &Packet<'_>) -> Result<bool, PayloadError> {
        let before = self.body.len();
        if self.packets > 0 && self.packets >= self.limits.max_packets {
            return Ok(false);
        }
        match self.format {
            Format::V4 => {
                if packet.text().is_some_and(|(_, data)| data.contains(SEPARATOR)) {
                    return Err(PayloadError::Separator);
                }
                if self.packets > 0 {
                    self.body.push(SEPARATOR as u8);
                }
                packet.write_text(self.format.revision(), &mut self.body);
            }
            Format::V3Text => {
                self.body.extend_from_slice(utf16_length(packet).to_string().as_bytes());
                self.body.push(b':');
                packet.write_text(self.format.revision(), &mut self.body);
            }
            Format::V3Binary => self.framed(packet),
        }
        if self.packets > 0 && self.body.len() > self.limits.max_payload_bytes {
            self.body.truncate(before);
            return Ok(false);
        }
        self.packets += 1;
        Ok(true)
    }

    fn framed(&mut self, packet: &Packet<'_>) {
        let length = match packet {
            Packet::Binary(bytes) => 1 + bytes.len(),
            text => 1 + text.text().map_or(0, |(_, data)| data.len()),
        };
        self.body.push(u8::from(matches!(packet, Packet::Binary(_))));
        self.body.extend(length.to_string().bytes().map(|digit| digit - b'0'));
        self.body.push(LENGTH_END);
        match packet {
            Packet::Binary(bytes) => {
                self.body.push(4);
                self.body.extend_from_slice(bytes);
            }
            text => text.write_text(self.format.revision(), &mut self.body),
        }
    }

    /// How many packets were taken.
    pub fn packets(&self) -> usize {
        self.packets
    }

    /// The body. Without packets it is what each format has for that; revision 4 has nothing, and its clients take an
    /// empty body for an error.
    pub fn finish(self) -> Bytes {
        match self.format {
            Format::V3Text if self.packets == 0 => Bytes::from_static(b"0:"),
            _ => self.body.into(),
        }
    }
}

fn utf16_length(packet: &Packet<'_>) -> usize {
    match packet {
        Packet::Binary(bytes) => base64_prefix(Format::V3Text.revision()).len() + BASE64.encode_len(bytes.len()),
        text => 1 + text.text().map_or(0, |(_, data)| data.encode_utf16().count()),
    }
}
