//! The broker contract: what every [`Broker`] must do, ours or a user's, as tests.
//!
//! # How to run it against a broker of your own
//! Say how to make a cluster of your broker, and expand the tests in a file of `tests/`. Your crate needs `fanfare-testkit`,
//! `async-trait` and `tokio` (with `macros` and `rt`) among its `dev-dependencies`.
//!
//! ```
//! use std::sync::Arc;
//! use fanfare::broker::{MemoryBroker, MemoryBus};
//! use fanfare_testkit::broker_contract::BrokerFixture;
//!
//! #[derive(Default)]
//! struct Cluster(MemoryBus);
//!
//! #[async_trait::async_trait]
//! impl BrokerFixture for Cluster {
//!     type Broker = MemoryBroker;
//!
//!     async fn nodes(&mut self, n: usize) -> Vec<Arc<MemoryBroker>> {
//!         (0..n).map(|_| Arc::new(self.0.broker())).collect()
//!     }
//! }
//!
//! fanfare_testkit::broker_contract_tests!(Cluster::default());
//! ```
//!
//! Each check is a test with a sentence as its name. What a broker does not [offer](fanfare::broker::Offers), it must say: the
//! checks of logs and presence then check that it does. A fixture that can break its network adds the checks of faults:
//! `broker_contract_tests!(Cluster::default(); cut, lose)`.
//!
//! The checks wait for what must come, 5 s at most, and publish a last message behind what must not come. A broker passes
//! or fails in the same way on a slow machine.

mod delivery;
mod faults;
mod history;
mod idempotency;
mod names;
mod order;
mod presence;
mod recorder;
mod stage;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use fanfare::broker::Broker;

pub use delivery::*;
pub use faults::*;
pub use history::*;
pub use idempotency::*;
pub use names::*;
pub use order::*;
pub use presence::*;
pub use recorder::{Delivery, Recorder, Seen};

/// How long a check waits for what must come: as long as the hub gives a broker.
const DEADLINE: Duration = Duration::from_secs(5);

/// How to make a cluster of the broker to check, and how to break it.
#[async_trait]
pub trait BrokerFixture: Send {
    /// The broker.
    type Broker: Broker;

    /// Gives `n` connected nodes of one cluster. Called once for each fixture, with at most 3.
    async fn nodes(&mut self, n: usize) -> Vec<Arc<Self::Broker>>;

    /// Cuts the node off from the others and from its store. Returns `false` when it cannot.
    async fn cut(&mut self, node: &Arc<Self::Broker>) -> bool {
        let _ = node;
        false
    }

    /// Connects a node again that was cut off. Returns `false` when it cannot.
    async fn heal(&mut self, node: &Arc<Self::Broker>) -> bool {
        let _ = node;
        false
    }

    /// Makes the store lose all that it holds, as if it restarted empty. Returns `false` when it cannot.
    async fn lose(&mut self) -> bool {
        false
    }
}

/// Expands to one `#[tokio::test]` for each check of the [contract](crate::broker_contract), each with a new fixture made by the
/// expression. Behind a `;` stand the faults that the fixture offers: `cut` (with `heal`), `lose`.
///
/// The tests take the names of the checks; a module around the macro keeps those of several brokers apart.
#[macro_export]
macro_rules! broker_contract_tests {
    ($fixture:expr) => {
        $crate::broker_contract_tests!(@checks $fixture;
            // delivery
            every_subscribed_node_gets_what_is_published
            a_node_that_is_not_subscribed_gets_nothing
            a_subscription_stands_when_subscribe_returns
            nothing_arrives_after_an_unsubscribe
            subscribing_twice_is_subscribing_once
            every_field_arrives_intact
            large_messages_arrive_intact
            // names
            rooms_of_similar_names_are_apart
            namespaces_are_apart
            inboxes_and_everyone_are_apart_from_rooms
            // order
            a_publishers_messages_arrive_in_its_order
            all_nodes_see_one_order_without_holes
            // history
            a_receipt_states_what_happened
            what_is_not_kept_leaves_the_log_alone
            history_without_a_place_is_the_newest_messages
            history_since_a_place_is_all_or_nothing
            a_place_that_the_log_does_not_know_is_told
            a_trimmed_log_is_told
            messages_that_are_too_old_are_gone
            the_top_of_an_untouched_log_stays
            // idempotency
            a_publication_with_a_key_is_applied_once
            a_key_used_at_once_on_two_nodes_is_applied_once
            // presence
            who_is_tracked_is_seen_on_every_node
            who_is_untracked_is_seen_no_more
            presence_lists_no_more_than_asked_and_counts_all
            a_session_on_two_nodes_is_one_session
            a_lease_ends_by_itself
        );
    };
    ($fixture:expr; $($fault:ident),+ $(,)?) => {
        $crate::broker_contract_tests!($fixture);
        $($crate::broker_contract_tests!(@$fault $fixture);)+
    };
    (@cut $fixture:expr) => {
        $crate::broker_contract_tests!(@checks $fixture;
            a_cut_node_refuses_and_never_hangs
            what_a_healed_node_missed_is_told
            a_healed_node_reads_what_it_missed
        );
    };
    (@lose $fixture:expr) => {
        $crate::broker_contract_tests!(@checks $fixture; a_lost_log_begins_a_new_epoch_and_says_so);
    };
    (@checks $fixture:expr; $($check:ident)+) => {
        $(
            #[tokio::test]
            async fn $check() {
                $crate::broker_contract::$check($fixture).await;
            }
        )+
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_check_is_one_of_the_tests_that_the_macro_expands_to() {
        let sources = [
            include_str!("delivery.rs"),
            include_str!("names.rs"),
            include_str!("order.rs"),
            include_str!("history.rs"),
            include_str!("idempotency.rs"),
            include_str!("presence.rs"),
            include_str!("faults.rs"),
        ];
        let checks = sources.iter().flat_map(|source| source.lines()).filter_map(|line| {
            let name = line.strip_prefix("pub async fn ")?;
            name.split_once('<').map(|(name, _)| name)
        });
        let list = include_str!("mod.rs");
        let missing: Vec<_> = checks.filter(|check| !list.contains(check)).collect();
        assert_eq!(missing, [""; 0]);
    }
}
