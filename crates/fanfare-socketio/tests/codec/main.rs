//! The packets of Engine.IO and Socket.IO are those of the protocol documents and of the JavaScript that everybody runs.

#![allow(clippy::unwrap_used)]

mod given;
mod oracle;
mod properties;
mod tables;
