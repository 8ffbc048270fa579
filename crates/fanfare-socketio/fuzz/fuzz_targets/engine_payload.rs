//! Any bytes as the body of a long poll, in each format. The first byte chooses.

#![no_main]

use bytes::Bytes;
use fanfare_socketio::engine::payload::{Format, PayloadLimits, PayloadWriter, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let format = [Format::V4, Format::V3Text, Format::V3Binary][usize::from(choice % 3)];
    let limits = PayloadLimits { max_packets: 100, ..PayloadLimits::default() };
    let body = Bytes::copy_from_slice(body);
    let Ok(packets) = decode(&body, format, &limits) else { return };
    let Ok(packets) = packets.collect::<Result<Vec<_>, _>>() else { return };
    assert!(packets.len() <= limits.max_packets);
    if packets.is_empty() {
        return;
    }
    // What was read can be written, and is read as the same.
    let mut writer = PayloadWriter::new(format, PayloadLimits { max_payload_bytes: usize::MAX, ..limits });
    for packet in &packets {
        assert_eq!(writer.push(packet), Ok(true));
    }
    let body = writer.finish();
    let again =
        decode(&body, format, &PayloadLimits { max_payload_bytes: usize::MAX, ..limits }).expect("it was written");
    assert_eq!(again.collect::<Result<Vec<_>, _>>().expect("they were written"), packets);
});
