//! Measurements of fanfare beside the physical floor: what the programs `load`, `floor` and `idle-heap` are made of.
//!
//! ```text
//!  bin/load ─▶ arguments ─▶ contest ─▶ server   starts one of the servers, on a core of its own, and reads its CPU and memory
//!                              │
//!                              ├─────▶ client   a thousand WebSocket clients in one thread
//!                              ├─────▶ traffic  who sends when, and whether everything came once and in order
//!                              └─────▶ figures  medians, and the ratio to the floor of the same round
//! ```
//! The README says how to run it and what each figure means. Linux only: the figures come from `/proc`.

pub mod arguments;
pub mod client;
pub mod contest;
mod error;
pub mod figures;
pub mod floor;
pub mod frames;
pub mod machine;
pub mod server;
pub mod traffic;
pub mod words;

pub use error::LoadError;
