//! In which order publications arrive.

use std::sync::Arc;

use fanfare::broker::{Broker, Receipt, Topic};

use super::{
    BrokerFixture, Delivery,
    stage::{KEEP, Stage, in_time, say, text, without_doubles},
};

/// Checks that without history each publisher's messages arrive at every node in the order in which it published them, none
/// missing and none twice.
pub async fn a_publishers_messages_arrive_in_its_order<F: BrokerFixture>(fixture: F) {
    const MESSAGES: usize = 100;
    let stage = Stage::new(fixture, 3).await;
    let topic = stage.subscribed_room("lobby").await;
    let publishers = [0, 1].map(|publisher| {
        let (node, topic) = (stage.nodes[publisher].clone(), topic.clone());
        tokio::spawn(async move {
            for n in 0..MESSAGES {
                let answer = in_time("publish", node.publish(&topic, say(&format!("{publisher} {n}")), None)).await;
                assert_eq!(answer.map(|receipt| receipt.position), Ok(None), "without history there is no position");
            }
        })
    });
    for publisher in publishers {
        publisher.await.expect("the publisher did not panic");
    }
    for node in 0..3 {
        for publisher in 0..2 {
            stage.fence(publisher, node, &topic, None).await;
        }
        let said = stage.said(node, &topic);
        for publisher in 0..2 {
            let prefix = format!("{publisher} ");
            let of_publisher: Vec<_> = said.iter().filter(|text| text.starts_with(&prefix)).cloned().collect();
            let expected: Vec<_> = (0..MESSAGES).map(|n| format!("{publisher} {n}")).collect();
            assert_eq!(of_publisher, expected, "of node {publisher} at node {node}");
        }
    }
}

/// Checks that in a room with history two nodes that publish at once make one order, the same at every node, in the log and in
/// the receipts, with the offsets 1, 2, 3, … of one epoch; and that each sink is told in that order, unless the broker says
/// that it is not [ordered](fanfare::broker::Offers::ordered).
pub async fn all_nodes_see_one_order_without_holes<F: BrokerFixture>(fixture: F) {
    const MESSAGES: usize = 100;
    let stage = Stage::new(fixture, 3).await;
    if !stage.has_history().await {
        return;
    }
    let topic = stage.subscribed_room("lobby").await;
    let publishers = [0, 1]
        .map(|publisher| tokio::spawn(append_all(stage.nodes[publisher].clone(), topic.clone(), publisher, MESSAGES)));
    let mut receipts = Vec::new();
    for publisher in publishers {
        receipts.extend(publisher.await.expect("the publisher did not panic"));
    }
    let mut order: Vec<_> = receipts.iter().map(|(text, receipt)| (receipt.position, text.clone())).collect();
    order.sort_by_key(|(position, _)| position.map(|position| position.offset));
    let epoch = stage.top(0, &topic).await.epoch;
    for (offset, (position, text)) in (1..).zip(&order) {
        let stated = position.map(|position| (position.epoch, position.offset));
        assert_eq!(stated, Some((epoch, offset)), "the receipt of {text:?}: offsets count without holes");
    }
    for node in 0..3 {
        let all = |deliveries: &[Delivery]| without_doubles(deliveries.to_vec()).len() >= order.len();
        let deliveries = stage.sinks[node].deliveries_until("every message arrives at every node", &topic, all).await;
        let mut deliveries = without_doubles(deliveries);
        if !stage.offers.ordered {
            deliveries.sort_by_key(|delivery| delivery.position.map(|position| position.offset));
        }
        let seen: Vec<_> = deliveries.iter().map(|delivery| (delivery.position, text(&delivery.publication))).collect();
        assert_eq!(seen, order, "the order at node {node} is not that of the receipts");
    }
}

async fn append_all<B: Broker>(
    node: Arc<B>,
    topic: Topic,
    publisher: usize,
    messages: usize,
) -> Vec<(String, Receipt)> {
    let mut receipts = Vec::new();
    for n in 0..messages {
        let text = format!("{publisher} {n}");
        let answer = in_time("publish", node.publish(&topic, say(&text), Some(KEEP))).await;
        receipts.push((text, answer.expect("a broker that is up takes what is published")));
    }
    receipts
}
