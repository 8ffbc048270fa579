//! Any bytes as a JSON message.

#![no_main]

use fanfare_wire::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let _ = json::command_id(message);
    if let Ok(command) = json::decode(message) {
        fanfare_wire_fuzz::relay(&command);
        // What we take, everybody can read.
        serde_json::from_slice::<serde_json::Value>(message).expect("a message is JSON");
    }
});
