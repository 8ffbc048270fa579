//! The example does what it says.
#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn what_ada_says_in_the_room_comes_out_of_bobs_channel() {
    let output = Command::new(env!("CARGO_BIN_EXE_custom-transport")).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let words: Vec<&str> = told.lines().map(|line| line.split('"').nth(3).unwrap()).collect();
    assert_eq!(words, ["connected", "ack", "user_joined", "message"], "{told}");
    assert!(told.ends_with("\"room\":\"tea\"}\n") && told.contains(r#""content":"Hi Bob!""#), "{told}");
}
