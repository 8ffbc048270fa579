//! Writes the fields of an envelope.

use rmp::encode;

use crate::{Member, Payload, RoomName};

/// Writes MessagePack values one after the other.
pub(super) struct Writer(pub(super) Vec<u8>);

const VEC: &str = "a Vec takes all";
const SHORT: &str = "no message comes near 4 GiB";

impl Writer {
    pub(super) fn array(&mut self, len: usize) {
        encode::write_array_len(&mut self.0, u32::try_from(len).expect(SHORT)).expect(VEC);
    }

    pub(super) fn number(&mut self, number: u64) {
        encode::write_uint(&mut self.0, number).expect(VEC);
    }

    pub(super) fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => encode::write_str(&mut self.0, text).expect(VEC),
            None => encode::write_nil(&mut self.0).expect(VEC),
        }
    }

    pub(super) fn bytes(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => encode::write_bin(&mut self.0, bytes).expect(VEC),
            None => encode::write_nil(&mut self.0).expect(VEC),
        }
    }

    pub(super) fn rooms(&mut self, rooms: &[RoomName]) {
        self.array(rooms.len());
        for room in rooms {
            self.text(Some(room.as_str()));
        }
    }

    pub(super) fn member(&mut self, member: Option<&Member>) {
        let Some(member) = member else { return self.array(0) };
        self.array(3);
        self.bytes(Some(member.client_id.as_bytes()));
        self.text(member.user.as_deref());
        match &member.info {
            Some(Payload::Json(json)) => self.bytes(Some(json)),
            // What the application says about a member is a JSON object; anything else never was a valid `Member`.
            _ => self.bytes(None),
        }
    }
}
