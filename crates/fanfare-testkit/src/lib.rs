//! What tests of fanfare stand on: two ends of a connection under a virtual clock, a cluster in one process, and the contracts
//! of the ports.
//!
//! - [`TestClient`] is a client without a network. In a test with `#[tokio::test(start_paused = true)]` nothing waits in real
//!   time, and what is to happen within 25 s is seen to happen at 25 s.
//! - [`Cluster`] is several hubs on one bus, whose lines can be cut.
//! - [`transport_contract`] and [`broker_contract`] are the tests that every [`Transport`](fanfare::transport::Transport) and every
//!   [`Broker`](fanfare::broker::Broker) must pass, ours or a user's.
//!
//! All of it panics where a promise is broken, with what was seen instead: that is how a test fails.

pub mod broker_contract;
mod cluster;
mod doc_snippets;
mod pair;
pub mod transport_contract;

pub use cluster::Cluster;
pub use pair::{Dial, Heard, TestClient, settle};
