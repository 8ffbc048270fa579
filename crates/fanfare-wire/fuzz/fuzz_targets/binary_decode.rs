//! Any bytes as a MessagePack message.

#![no_main]

use fanfare_wire::binary;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let _ = binary::command_id(message);
    if let Ok(command) = binary::decode(message) {
        fanfare_wire_fuzz::relay(&command);
    }
});
