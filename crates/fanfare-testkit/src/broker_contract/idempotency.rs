//! A publication with a key is applied once (promise C3), by brokers that offer it.

use std::{sync::Arc, time::Duration};

use fanfare::broker::{Broker, HistoryQuery, Publication, Receipt};

use super::{
    BrokerFixture,
    stage::{KEEP, Stage, in_time, say},
};

fn keyed(text: &str, key: &str) -> Arc<Publication> {
    Arc::new(Publication { idempotency_key: Some(key.into()), ..Publication::clone(&say(text)) })
}

/// Checks that a second publication with the same key is neither appended nor delivered, from whichever node, and gets the
/// answer of the first; that other keys and other topics are not concerned; and that the window is what C3 promises. From a
/// broker that does not offer it, only that a message with a key arrives.
pub async fn a_publication_with_a_key_is_applied_once<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    let Some(window) = stage.offers.idempotent else { return keys_do_no_harm(&stage).await };
    assert!(window >= Duration::from_secs(300), "C3 promises 5 minutes, the broker offers {window:?}");
    let histories = if stage.offers.history { vec![Some(KEEP), None] } else { vec![None] };
    for history in histories {
        let name = if history.is_some() { "with history" } else { "without history" };
        let (topic, other) = (stage.subscribed_room(name).await, stage.subscribed_room(&format!("also {name}")).await);
        let first = stage.publish(0, &topic, &keyed("first", "k"), history).await;
        assert!(!first.duplicate, "{first:?}");
        for node in [0, 1] {
            let again = stage.publish(node, &topic, &keyed("again", "k"), history).await;
            assert_eq!(again, Receipt { duplicate: true, ..first }, "the same key again, from node {node}");
        }
        let another = stage.publish(1, &topic, &keyed("another key", "K"), history).await;
        let elsewhere = stage.publish(1, &other, &keyed("another topic", "k"), history).await;
        assert!(!another.duplicate && !elsewhere.duplicate, "{another:?}, {elsewhere:?}");
        for node in 0..2 {
            for publisher in 0..2 {
                stage.fence(publisher, node, &topic, history).await;
                stage.fence(publisher, node, &other, history).await;
            }
            let mut said = stage.said(node, &topic);
            // Two publishers without history have no common order.
            said.sort();
            assert_eq!(said, ["another key", "first"], "{name}, at node {node}, sorted");
            assert_eq!(stage.said(node, &other), ["another topic"], "{name}, at node {node}");
        }
    }
}

/// Checks that of publications with the same key, made at the same time on two nodes, exactly one is applied. Of a
/// broker that does not offer it, that messages with keys arrive.
pub async fn a_key_used_at_once_on_two_nodes_is_applied_once<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if stage.offers.idempotent.is_none() {
        return keys_do_no_harm(&stage).await;
    }
    let topic = stage.subscribed_room("lobby").await;
    let history = stage.offers.history.then_some(KEEP);
    let attempts = [0, 1, 0, 1, 0, 1, 0, 1].map(|node| {
        let (node, topic) = (stage.nodes[node].clone(), topic.clone());
        tokio::spawn(async move { in_time("publish", node.publish(&topic, keyed("once", "k"), history)).await })
    });
    let mut receipts = Vec::new();
    for attempt in attempts {
        let answer = attempt.await.expect("the publisher did not panic");
        receipts.push(answer.expect("a broker that is up takes what is published"));
    }
    let applied: Vec<_> = receipts.iter().filter(|receipt| !receipt.duplicate).collect();
    assert_eq!(applied.len(), 1, "of 8 publications with one key one is applied: {receipts:?}");
    assert!(receipts.iter().all(|receipt| receipt.position == applied[0].position), "all are told one position");
    for node in 0..2 {
        for publisher in 0..2 {
            stage.fence(publisher, node, &topic, history).await;
        }
        assert_eq!(stage.said(node, &topic), ["once"], "at node {node}");
    }
    if stage.offers.history {
        let page = stage.history(0, &topic, HistoryQuery { since: None, max_messages: 100, max_bytes: 1 << 20 }).await;
        let keys = page.entries.iter().filter(|entry| entry.publication.idempotency_key.is_some());
        assert_eq!(keys.count(), 1, "in the log");
    }
}

async fn keys_do_no_harm<F: BrokerFixture>(stage: &Stage<F>) {
    let topic = stage.subscribed_room("keys").await;
    for key in ["a", "b"] {
        let receipt = stage.publish(0, &topic, &keyed(key, key), None).await;
        assert!(!receipt.duplicate, "{key:?} was never used before");
    }
    stage.fence(0, 1, &topic, None).await;
    assert_eq!(stage.said(1, &topic), ["a", "b"]);
}
