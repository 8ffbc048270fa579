//! A decoder with a clock, so that control frames are limited per second.

use std::sync::Arc;

use fanfare::transport::{Inbound, ReceiveError};
use tokio::time::Instant;
use tungstenite::protocol::Role;

use super::{Decoder, DecoderConfig};

/// A [`Decoder`] that earns back its control frames as time passes: what a transport holds.
///
/// The clock is looked at only while control frames came in the last seconds. Under tokio's paused time it is virtual.
#[derive(Debug)]
pub struct TimedDecoder {
    decoder: Decoder,
    /// Up to when time was counted. Meaningless while the decoder's budget is full.
    counted: Option<Instant>,
}

impl TimedDecoder {
    /// A decoder for our `role`.
    pub fn new(role: Role, config: impl Into<Arc<DecoderConfig>>) -> Self {
        Self { decoder: Decoder::new(role, config), counted: None }
    }

    /// [`Decoder::decode`], now.
    ///
    /// # Errors
    /// [`ReceiveError::Peer`] with the close code, when the peer broke a rule.
    pub fn decode(&mut self, bytes: &mut [u8], receive: &mut dyn FnMut(Inbound<'_>)) -> Result<(), ReceiveError> {
        if let Some(counted) = &mut self.counted {
            *counted += self.decoder.refill_control(counted.elapsed());
            if self.decoder.control_is_full() {
                self.counted = None;
            }
        }
        let result = self.decoder.decode(bytes, receive);
        if self.counted.is_none() && !self.decoder.control_is_full() {
            self.counted = Some(Instant::now());
        }
        Ok(result?)
    }

    /// The decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }
}
