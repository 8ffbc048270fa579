//! Writes a server's message.

use super::pack::Packer;
use crate::{
    Notice, Version,
    encode::{self, ObjectWriter},
    fields::{Field, Fields},
};

/// Appends the notice to `out`, as exactly one MessagePack map. Returns `false`, and appends nothing, where the version has
/// no word for it.
///
/// The keys and their order are those of [`json::encode`](crate::json::encode()); bytes stand as they are, as `bin`.
pub fn encode(notice: &Notice<'_>, version: Version, out: &mut Vec<u8>) -> bool {
    encode::write(notice, version, &mut Packer::new(out))
}

impl ObjectWriter for Packer<'_> {
    const HAS_RAW: bool = true;

    fn begin_object(&mut self) {
        self.begin(true);
    }

    fn end_object(&mut self) {
        self.end();
    }

    fn begin_array(&mut self) {
        self.begin(false);
    }

    fn end_array(&mut self) {
        self.end();
    }

    fn element(&mut self) {
        self.entry();
    }

    fn key(&mut self, key: &str) {
        self.entry();
        Packer::text(self, key);
    }

    fn text(&mut self, text: &str) {
        Packer::text(self, text);
    }

    fn number(&mut self, number: u64) {
        Packer::number(self, number);
    }

    fn boolean(&mut self, value: bool) {
        Packer::boolean(self, value);
    }

    fn json(&mut self, json: &str) {
        Packer::json(self, json);
    }

    fn field(&mut self, field: &Field<'_>) {
        self.key(&field.key);
        Packer::json(self, field.value);
    }

    fn object_fields(&mut self, _object: &str, fields: &Fields<'_>) {
        for field in fields.iter() {
            self.field(field);
        }
    }

    fn bytes_field(&mut self, bytes: &[u8]) {
        self.key("data");
        Packer::bytes(self, bytes);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        Packer::bytes(self, bytes);
    }
}
