//! Reads the packets of a body, one at a time.

use bytes::Bytes;

use super::{Format, LENGTH_END, PayloadError, PayloadLimits, SEPARATOR};
use crate::engine::{Packet, PacketError};

/// Most digits of a length: enough for every body that fits in memory, few enough to read without overflow.
const MAX_DIGITS: usize = 10;

/// Begins to read a body. Nothing is copied but what stands in base64.
///
/// # Errors
/// [`PayloadError`] when the body is too large, is not UTF-8, or is empty where it must not be. Errors of single packets come
/// from the iterator.
pub fn decode<'a>(body: &'a Bytes, format: Format, limits: &PayloadLimits) -> Result<Packets<'a>, PayloadError> {
    if body.len() > limits.max_payload_bytes {
        return Err(PayloadError::TooLarge { limit: limits.max_payload_bytes });
    }
    let text = || std::str::from_utf8(body).map_err(|_| PayloadError::NotUtf8);
    let rest = match format {
        Format::V4 => Rest::Separated(Some(text()?)),
        Format::V3Text => Rest::Counted(text()?),
        Format::V3Binary => Rest::Framed { body, at: 0 },
    };
    if body.is_empty() && format != Format::V3Binary {
        return Err(PacketError::Empty.into());
    }
    Ok(Packets { rest, read: 0, limit: limits.max_packets })
}

/// The packets of a body, in order. After an error it has ended; packets before the error stay valid.
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: Rest<'a>,
    read: usize,
    limit: usize,
}

/// What was not read yet.
#[derive(Debug, Clone)]
enum Rest<'a> {
    Separated(Option<&'a str>),
    Counted(&'a str),
    Framed { body: &'a Bytes, at: usize },
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, PayloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let packet = if self.read == self.limit {
                Err(PayloadError::TooManyPackets { limit: self.limit })
            } else {
                self.read += 1;
                self.rest.packet()
            };
            match packet {
                Ok(Some(packet)) => return Some(Ok(packet)),
                Ok(None) => {}
                Err(error) => {
                    self.rest = Rest::Separated(None);
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<'a> Rest<'a> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Separated(rest) => rest.is_none(),
            Self::Counted(rest) => rest.is_empty(),
            Self::Framed { body, at } => *at == body.len(),
        }
    }

    /// Takes a packet. `None` for one of length 0, which revision 3 writes for a body without packets.
    fn packet(&mut self) -> Result<Option<Packet<'a>>, PayloadError> {
        let text = match self {
            Self::Separated(rest) => separated(rest),
            Self::Counted(rest) => match counted(rest)? {
                "" => return Ok(None),
                text => text,
            },
            Self::Framed { body, at } => return framed(body, at).map(Some),
        };
        let revision = if matches!(self, Self::Separated(_)) { Format::V4 } else { Format::V3Text }.revision();
        Ok(Some(Packet::from_text(revision, text)?))
    }
}

fn separated<'a>(rest: &mut Option<&'a str>) -> &'a str {
    let text = rest.unwrap_or_default();
    match text.split_once(SEPARATOR) {
        Some((packet, behind)) => {
            *rest = Some(behind);
            packet
        }
        None => {
            *rest = None;
            text
        }
    }
}

/// Takes `<length>:<packet>`, where the length counts units of UTF-16.
fn counted<'a>(rest: &mut &'a str) -> Result<&'a str, PayloadError> {
    let digits = rest.bytes().take(MAX_DIGITS).take_while(u8::is_ascii_digit).count();
    let (length, behind) = rest.split_at(digits);
    let behind = behind.strip_prefix(':').ok_or(PayloadError::Length)?;
    let length: u64 = length.parse().map_err(|_| PayloadError::Length)?;
    let mut units = 0;
    let mut end = 0;
    for char in behind.chars() {
        if units >= length {
            break;
        }
        units += char.len_utf16() as u64;
        end += char.len_utf8();
    }
    // Fewer: the body is cut. More: the length ends between the halves of a surrogate pair.
    if units != length {
        return Err(PayloadError::Length);
    }
    let (packet, behind) = behind.split_at(end);
    *rest = behind;
    Ok(packet)
}

/// Takes a packet of [`Format::V3Binary`].
fn framed<'a>(body: &'a Bytes, at: &mut usize) -> Result<Packet<'a>, PayloadError> {
    let revision = Format::V3Binary.revision();
    let (&marker, behind) = body[*at..].split_first().ok_or(PayloadError::Length)?;
    let digits = behind.iter().take(MAX_DIGITS).take_while(|&&digit| digit <= 9).count();
    if digits == 0 || behind.get(digits) != Some(&LENGTH_END) {
        return Err(PayloadError::Length);
    }
    let length = behind[..digits].iter().fold(0u64, |length, &digit| length * 10 + u64::from(digit));
    let start = *at + 1 + digits + 1;
    let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
    let end = end.filter(|&end| end <= body.len()).ok_or(PayloadError::Length)?;
    *at = end;
    match marker {
        0 => {
            let text = std::str::from_utf8(&body[start..end]).map_err(|_| PayloadError::NotUtf8)?;
            Ok(Packet::from_text(revision, text)?)
        }
        1 => Ok(Packet::from_binary(revision, body.slice(start..end))?),
        _ => Err(PayloadError::Marker),
    }
}
