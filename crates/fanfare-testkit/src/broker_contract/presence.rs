//! Who is in a topic, on all nodes. Brokers that offer no presence must say so instead.

use std::time::Duration;

use fanfare::{
    Member, SessionId,
    broker::{Broker, Topic},
};

use super::{
    BrokerFixture,
    recorder::eventually,
    stage::{Stage, in_time, member},
};

/// Longer than any check.
const LONG: Duration = Duration::from_secs(60);

async fn track<F: BrokerFixture>(stage: &Stage<F>, node: usize, topic: &Topic, member: &Member, lease: Duration) {
    let answer = in_time("track", stage.nodes[node].track(topic, member, lease)).await;
    answer.expect("a broker that offers presence tracks");
}

async fn untrack<F: BrokerFixture>(stage: &Stage<F>, node: usize, topic: &Topic, session: SessionId) {
    let answer = in_time("untrack", stage.nodes[node].untrack(topic, session)).await;
    answer.expect("a broker that offers presence untracks");
}

async fn presence<F: BrokerFixture>(
    stage: &Stage<F>,
    node: usize,
    topic: &Topic,
    limit: usize,
) -> (Vec<Member>, usize) {
    let answer = in_time("presence", stage.nodes[node].presence(topic, limit)).await;
    let (mut members, total) = answer.expect("a broker that offers presence tells it");
    members.sort_by_key(|member| member.client_id);
    (members, total)
}

/// Waits until every node tells exactly these members.
async fn expect<F: BrokerFixture>(stage: &Stage<F>, what: &str, topic: &Topic, expected: &[&Member]) {
    let mut expected: Vec<_> = expected.iter().copied().cloned().collect();
    expected.sort_by_key(|member| member.client_id);
    for node in 0..stage.nodes.len() {
        let total = expected.len();
        let mut last = None;
        let told = eventually(what, async || {
            let told = presence(stage, node, topic, 1000).await;
            let good = told == (expected.clone(), total);
            // Nobody promises that all nodes know at once, but soon.
            last = Some(told);
            good.then(|| last.clone())
        });
        told.await;
    }
}

/// Checks that a member that one node tracks is told by every node, with user and info, in its topic and in no other, and that
/// tracking again changes the info and not the number.
pub async fn who_is_tracked_is_seen_on_every_node<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_presence().await {
        return;
    }
    let (topic, other) = (stage.room("lobby"), stage.room("other"));
    let info = fanfare::Payload::new(&serde_json::json!({ "status": "\u{e9}" })).expect("it is JSON");
    let mut ann = Member { info: Some(info), ..member("ann") };
    let bob = Member { client_id: SessionId::random(), user: None, info: None };
    track(&stage, 0, &topic, &ann, LONG).await;
    track(&stage, 1, &topic, &bob, LONG).await;
    expect(&stage, "who is tracked is seen", &topic, &[&ann, &bob]).await;
    expect(&stage, "nobody is seen elsewhere", &other, &[]).await;
    ann.info = None;
    track(&stage, 0, &topic, &ann, LONG).await;
    expect(&stage, "what changed is seen", &topic, &[&ann, &bob]).await;
}

/// Checks that a member that was untracked is told by no node, and that others stay.
pub async fn who_is_untracked_is_seen_no_more<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_presence().await {
        return;
    }
    let topic = stage.room("lobby");
    let (ann, bob) = (member("ann"), member("bob"));
    track(&stage, 0, &topic, &ann, LONG).await;
    track(&stage, 0, &topic, &bob, LONG).await;
    untrack(&stage, 0, &topic, ann.client_id).await;
    untrack(&stage, 0, &topic, SessionId::random()).await;
    expect(&stage, "who is untracked is seen no more", &topic, &[&bob]).await;
}

/// Checks that the limit holds for the list and not for the number.
pub async fn presence_lists_no_more_than_asked_and_counts_all<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_presence().await {
        return;
    }
    let topic = stage.room("lobby");
    let members: Vec<_> = (0..20).map(|n| member(&format!("user {n}"))).collect();
    for (n, member) in members.iter().enumerate() {
        track(&stage, n % 2, &topic, member, LONG).await;
    }
    expect(&stage, "all members are seen", &topic, &members.iter().collect::<Vec<_>>()).await;
    for limit in [0, 1, 7, 20] {
        let (listed, total) = presence(&stage, 1, &topic, limit).await;
        assert_eq!((listed.len(), total), (limit, 20), "limit {limit}");
        assert!(listed.iter().all(|member| members.contains(member)), "limit {limit}");
        assert!(listed.windows(2).all(|two| two[0].client_id != two[1].client_id), "limit {limit}: nobody twice");
    }
}

/// Checks that a session that two nodes track, as while it moves from one to the other, is one, and stays until both let it go.
pub async fn a_session_on_two_nodes_is_one_session<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_presence().await {
        return;
    }
    let topic = stage.room("lobby");
    let ann = member("ann");
    track(&stage, 0, &topic, &ann, LONG).await;
    track(&stage, 1, &topic, &ann, LONG).await;
    expect(&stage, "one session on two nodes is one", &topic, &[&ann]).await;
    untrack(&stage, 0, &topic, ann.client_id).await;
    expect(&stage, "it stays while one node has it", &topic, &[&ann]).await;
    untrack(&stage, 1, &topic, ann.client_id).await;
    expect(&stage, "it goes when no node has it", &topic, &[]).await;
}

/// Checks that a member that is not tracked again in time goes by itself, and that one who is stays.
pub async fn a_lease_ends_by_itself<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    if !stage.has_presence().await {
        return;
    }
    let topic = stage.room("lobby");
    let (ann, bob) = (member("ann"), member("bob"));
    let lease = Duration::from_secs(1);
    track(&stage, 0, &topic, &ann, lease).await;
    track(&stage, 0, &topic, &bob, lease).await;
    track(&stage, 0, &topic, &bob, LONG).await;
    expect(&stage, "a lease of a second ends, one that was renewed does not", &topic, &[&bob]).await;
}
