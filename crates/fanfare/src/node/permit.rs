//! The bound on connections: in all, and for each address.

use std::{net::IpAddr, sync::Arc, sync::atomic::Ordering};

use super::Node;
use crate::Refusal;

/// A place for one connection, given back when it is dropped.
pub(crate) struct ConnectionPermit {
    node: Arc<Node>,
    address: Option<IpAddr>,
}

impl Node {
    /// Takes a place for a connection from `address`.
    pub(crate) fn take_place(self: &Arc<Self>, address: Option<IpAddr>) -> Result<ConnectionPermit, Refusal> {
        // Many connections from this very machine are tests, proxies and local tools.
        let address = address.filter(|address| !address.to_canonical().is_loopback()).map(network);
        if self.connections.fetch_add(1, Ordering::AcqRel) >= self.config.max_connections {
            self.connections.fetch_sub(1, Ordering::AcqRel);
            return Err(Refusal::Full);
        }
        let mut permit = ConnectionPermit { node: self.clone(), address: None };
        if let (Some(address), Some(max)) = (address, self.config.max_connections_per_address) {
            let mut open = self.addresses.entry(address).or_insert(0);
            if *open >= max.get() {
                drop(open);
                return Err(Refusal::TooManyFromAddress);
            }
            *open += 1;
            drop(open);
            permit.address = Some(address);
        }
        Ok(permit)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.node.connections.fetch_sub(1, Ordering::AcqRel);
        if let Some(address) = self.address {
            if let Some(mut open) = self.node.addresses.get_mut(&address) {
                *open -= 1;
            }
            self.node.addresses.remove_if(&address, |_, open| *open == 0);
        }
    }
}

/// What counts as one address: all of an IPv4 address, the first 64 bits of an IPv6 one, which one subscriber owns whole.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}
