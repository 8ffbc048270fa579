//! Two ends of a connection in memory: the server's is a [`Transport`](fanfare::transport::Transport), the other a client to test
//! with.

mod client;
mod dial;
mod listen;
mod pack;
mod pipe;

pub use client::{Heard, TestClient};
pub use dial::Dial;

/// Waits until nothing moves any more: every task has done what it could without the clock going on.
///
/// Needs a paused clock, which goes on by itself only when every task sleeps; then this takes 1 ms of it.
pub async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}
