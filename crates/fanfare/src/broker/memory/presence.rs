//! Who is in one topic, by which node's word, and until when that word holds.

use std::collections::{BTreeMap, BTreeSet};

use smallvec::SmallVec;

use super::{clock::Millis, node::NodeId};
use crate::{Member, SessionId};

/// The sessions in one topic on all nodes.
#[derive(Default)]
pub(super) struct Members {
    sessions: BTreeMap<SessionId, Tracked>,
    /// Every lease of `sessions`, the one that ends first in front.
    ends: BTreeSet<(Millis, SessionId, NodeId)>,
}

struct Tracked {
    /// As the node said that spoke last.
    member: Member,
    /// Mostly one; two while a session moves from one node to another. Never empty.
    leases: SmallVec<[(NodeId, Millis); 1]>,
}

impl Members {
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// When the last lease ends.
    pub(super) fn end(&self) -> Option<Millis> {
        self.ends.last().map(|(end, ..)| *end)
    }

    /// Notes or renews what `node` says about `member`.
    pub(super) fn track(&mut self, node: NodeId, member: &Member, end: Millis) {
        let session = member.client_id;
        match self.sessions.get_mut(&session) {
            Some(tracked) => {
                if let Some((_, old)) = remove_lease(&mut tracked.leases, node) {
                    self.ends.remove(&(old, session, node));
                }
                tracked.member.clone_from(member);
                tracked.leases.push((node, end));
            }
            None => {
                let leases = SmallVec::from_buf([(node, end)]);
                self.sessions.insert(session, Tracked { member: member.clone(), leases });
            }
        }
        self.ends.insert((end, session, node));
    }

    /// Takes back what `node` said about `session`.
    pub(super) fn untrack(&mut self, node: NodeId, session: SessionId) {
        if let Some(tracked) = self.sessions.get_mut(&session) {
            if let Some((_, end)) = remove_lease(&mut tracked.leases, node) {
                self.ends.remove(&(end, session, node));
            }
            if tracked.leases.is_empty() {
                self.sessions.remove(&session);
            }
        }
    }

    /// Removes what has ended. Each lease is looked at once in its life, so that this costs what tracking it cost.
    pub(super) fn expire(&mut self, now: Millis) {
        while let Some(&(end, session, node)) = self.ends.first() {
            if end > now {
                return;
            }
            self.untrack(node, session);
        }
    }

    /// At most `limit` sessions, in the order of their ids, and how many there are.
    pub(super) fn list(&self, limit: usize) -> (Vec<Member>, usize) {
        let members = self.sessions.values().take(limit).map(|tracked| tracked.member.clone());
        (members.collect(), self.sessions.len())
    }
}

fn remove_lease(leases: &mut SmallVec<[(NodeId, Millis); 1]>, node: NodeId) -> Option<(NodeId, Millis)> {
    let at = leases.iter().position(|(by, _)| *by == node)?;
    Some(leases.swap_remove(at))
}
