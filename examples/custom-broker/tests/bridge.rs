//! The example does what it says, and its broker keeps the contract of all brokers.
#![allow(clippy::unwrap_used)]

use std::{process::Command, sync::Arc};

#[allow(dead_code, reason = "its `main` is run as a program")]
#[path = "../src/main.rs"]
mod example;

use example::{Bridge, Lines};

#[derive(Default)]
struct Bridges(Lines);

#[async_trait::async_trait]
impl fanfare_testkit::broker_contract::BrokerFixture for Bridges {
    type Broker = Bridge;

    async fn nodes(&mut self, n: usize) -> Vec<Arc<Bridge>> {
        (0..n).map(|number| Arc::new(Bridge(number, self.0.clone()))).collect()
    }
}

fanfare_testkit::broker_contract_tests!(Bridges::default());

#[test]
fn a_message_crosses_from_one_hub_to_the_other() {
    let output = Command::new(env!("CARGO_BIN_EXE_custom-broker")).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.starts_with("Bob hears ") && told.contains(r#""content":"Hi Bob!""#), "{told}");
}
