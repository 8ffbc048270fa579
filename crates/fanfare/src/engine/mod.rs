//! The engine: shards that own the sockets, the outboxes and the member lists.
//!
//! One future runs each shard, and no task, no lock and no buffer belongs to a single connection. Its turn, in [`turn`]:
//! 1. carry out the commands that others queued ([`shard`]),
//! 2. read the connections that woke, and act on what they ask ([`inbound`], [`commands`], [`join`]),
//! 3. seal the batch of each room that was published to ([`fanout`], [`seal`]): one shared piece of framed bytes for each encoding,
//! 4. send: first to those with direct messages and small rooms, then a slice of the large rooms ([`flush`]),
//! 5. let the driver look at the sockets, and go on.
//!
//! # Order
//! A room's batch is sealed before anybody joins or leaves it and before anything is sent to a member directly, so what a
//! client sees is the order in which it happened.

mod attempt;
mod closing;
mod commands;
mod connection;
mod encode;
mod fanout;
mod flush;
mod inbound;
mod join;
mod opening;
mod outbox;
mod room;
mod seal;
mod shard;
mod timers;
mod turn;

use std::{collections::HashMap, sync::Arc};

use futures_util::future::BoxFuture;

use crate::{
    Namespace, Refusal,
    handler::Dispatch,
    node::Node,
    session::{Handshake, Identity},
};

pub(crate) use opening::authenticate;
pub(crate) use turn::run;

pub(crate) type Authenticate =
    Arc<dyn Fn(Arc<Handshake>) -> BoxFuture<'static, Result<Identity, Refusal>> + Send + Sync>;

/// What the application brought: its handlers and its check of credentials.
pub(crate) struct Seat {
    pub(crate) namespaces: HashMap<Namespace, Arc<Dispatch>>,
    pub(crate) authenticate: Option<Authenticate>,
}

/// Everything that a shard needs to know of its hub.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) node: Arc<Node>,
    pub(crate) seat: Arc<Seat>,
}
