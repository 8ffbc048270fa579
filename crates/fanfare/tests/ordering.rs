//! C1: a room has one order, `(epoch, offset)`, the same for every member; one publisher's messages stand in its publish order.
#![allow(clippy::unwrap_used)]

use fanfare::{EventName, History, Hub, Payload, RoomPolicy};
use fanfare_testkit::{Cluster, Dial, TestClient, settle};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use serde_json::{Value, json};

fn with_history() -> Hub {
    Hub::builder().rooms(|_, _| RoomPolicy::with_history(History::last(1000))).build().unwrap()
}

/// The places and contents of the messages that a client heard.
async fn heard(client: &mut TestClient) -> Vec<(u64, String)> {
    let words = client.words().await;
    let message = |word: &Value| {
        (word["type"] == "message")
            .then(|| (word["offset"].as_u64().unwrap(), word["content"].as_str().unwrap().into()))
    };
    words.iter().filter_map(message).collect()
}

#[tokio::test(start_paused = true)]
async fn all_members_see_the_messages_of_several_publishers_in_one_order() {
    let hub = with_history();
    let mut publishers = Vec::new();
    for _ in 0..5 {
        let mut publisher = TestClient::connect_v1(&hub).await;
        publisher.join("r").await;
        publishers.push(publisher);
    }
    let mut members = Vec::new();
    for dial in [Dial::v1(), Dial::v1(), Dial::v1_binary()] {
        let mut member = dial.connect(&hub).await;
        member.join("r").await;
        member.words().await;
        members.push(member);
    }
    for round in 0..40 {
        for (number, publisher) in publishers.iter_mut().enumerate() {
            publisher.say("r", format!("{number} {round}"));
        }
        if round % 7 == 0 {
            settle().await;
        }
    }
    let first = heard(&mut members[0]).await;
    let offsets: Vec<u64> = first.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, (1..=200).collect::<Vec<_>>());
    for member in &mut members[1..] {
        assert_eq!(heard(member).await, first);
    }
    for number in 0..5 {
        let own: Vec<&String> =
            first.iter().map(|(_, text)| text).filter(|text| text.starts_with(&number.to_string())).collect();
        let expected: Vec<String> = (0..40).map(|round| format!("{number} {round}")).collect();
        assert_eq!(own, expected.iter().collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_sees_the_places_of_its_own_messages_in_the_same_order() {
    let hub = with_history();
    let mut ann = TestClient::connect_v1(&hub).await;
    let mut bob = TestClient::connect_v1(&hub).await;
    ann.join("r").await;
    bob.join("r").await;
    ann.words().await;
    for round in 0..10 {
        ann.say("r", round);
        bob.say("r", round);
    }
    settle().await;
    for client in [&mut ann, &mut bob] {
        let words = client.words().await;
        let places = words.iter().filter(|word| ["message", "position"].contains(&word["type"].as_str().unwrap()));
        let offsets: Vec<u64> = places.map(|word| word["offset"].as_u64().unwrap()).collect();
        assert_eq!(offsets, (1..=20).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn members_of_all_nodes_see_one_order() {
    let cluster = Cluster::with(3, |builder| builder.rooms(|_, _| RoomPolicy::with_history(History::last(1000))));
    let mut members = Vec::new();
    for node in 0..3 {
        let mut member = TestClient::connect_v1(cluster.hub(node)).await;
        member.join("r").await;
        members.push(member);
    }
    let name = EventName::new("message").unwrap();
    settle().await;
    for member in &mut members {
        member.words().await;
    }
    let publish = |node: usize| {
        let room = cluster.hub(node).room("r").unwrap();
        let name = name.clone();
        async move {
            for round in 0..50 {
                let payload = Payload::new(&json!({"content": format!("{node} {round}")})).unwrap();
                room.publish_event(name.clone(), payload).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::join!(publish(0), publish(1), publish(2));
    let first = heard(&mut members[0]).await;
    assert_eq!(first.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), (1..=150).collect::<Vec<_>>());
    for member in &mut members[1..] {
        assert_eq!(heard(member).await, first);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_to_a_room_and_to_one_of_its_members_arrives_in_the_order_of_sending() {
    for dial in Dial::forms() {
        for hub in [with_history(), Hub::builder().build().unwrap()] {
            let mut ann = dial.clone().connect(&hub).await;
            ann.join("r").await;
            ann.join("q").await;
            let session = hub.session(&ann.id()).unwrap();
            let payload = |number: u64| Payload::new(&json!({"number": number})).unwrap();
            let name = EventName::new("count").unwrap();
            // One turn of the shard, in which each room has one batch.
            for number in 0..12 {
                match number % 4 {
                    0 | 1 => {
                        hub.room("r").unwrap().publish_event(name.clone(), payload(number)).await.map(drop).unwrap()
                    }
                    2 => session.send_event(name.clone(), payload(number)).await.unwrap(),
                    _ => hub.to_all().publish_event(name.clone(), payload(number)).await.map(drop).unwrap(),
                }
            }
            let numbers: Vec<u64> = ann.words().await.iter().filter_map(|word| word["number"].as_u64()).collect();
            let expected: Vec<u64> = (0..12).collect();
            assert_eq!(numbers, expected, "{dial:?}");
        }
    }
}

/// One step of a random history of a room.
#[derive(Debug, Clone)]
enum Step {
    Say(usize),
    Join(usize),
    Leave(usize),
    Direct(usize),
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3usize).prop_map(Step::Say),
        2 => (0..4usize).prop_map(Step::Join),
        2 => (0..4usize).prop_map(Step::Leave),
        1 => (0..4usize).prop_map(Step::Direct),
        2 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 1..60)
}

/// Runs the steps with three publishers who stay and four members who come and go, and returns what each member heard.
async fn run(history: bool, steps: &[Step]) -> Vec<Vec<Value>> {
    let policy = if history { RoomPolicy::with_history(History::last(1000)) } else { RoomPolicy::default() };
    let hub = Hub::builder().rooms(move |_, _| policy).build().unwrap();
    let mut publishers = Vec::new();
    let mut members = Vec::new();
    for _ in 0..3 {
        let mut publisher = TestClient::connect_v1(&hub).await;
        publisher.join("r").await;
        publishers.push(publisher);
    }
    for _ in 0..4 {
        members.push(TestClient::connect_v1(&hub).await);
    }
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Say(publisher) => publishers[publisher].say("r", format!("{publisher} {number:03}")),
            // Some ask for the past too, which must not come again as the present.
            Step::Join(member) => {
                members[member].send(json!({"type": "join_room", "room": "r", "history": 2 * (number % 2)}))
            }
            Step::Leave(member) => members[member].send(json!({"type": "leave_room", "room": "r"})),
            Step::Direct(member) => {
                let session = hub.session(&members[member].id()).unwrap();
                let payload = Payload::new(&json!({"content": number})).unwrap();
                session.send_event(EventName::new("direct").unwrap(), payload).await.unwrap();
            }
            Step::Settle => settle().await,
        }
    }
    let mut all = Vec::new();
    for member in &mut members {
        all.push(member.words().await);
    }
    all
}

/// The messages of a room among the words, without those of other kinds.
fn messages(words: &[Value]) -> Vec<(Option<u64>, String)> {
    let of = |word: &Value| (word["offset"].as_u64(), word["content"].as_str().unwrap().to_owned());
    words.iter().filter(|word| word["type"] == "message").map(of).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn however_members_come_and_go_a_place_holds_one_message_and_places_only_rise(steps in steps()) {
        let all = block_on(run(true, &steps));
        let mut room = std::collections::BTreeMap::new();
        for words in &all {
            let mut last = 0;
            for word in words {
                match word["type"].as_str().unwrap() {
                    // Who comes again may ask for the same past again.
                    "joined" => last = 0,
                    "message" => {
                        let (offset, text) = (word["offset"].as_u64().unwrap(), word["content"].as_str().unwrap());
                        prop_assert!(offset > last, "{offset} after {last} in {words:?}");
                        last = offset;
                        prop_assert_eq!(*room.entry(offset).or_insert(text), text);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn without_history_each_publishers_messages_keep_their_order(steps in steps()) {
        for words in block_on(run(false, &steps)) {
            for publisher in ["0 ", "1 ", "2 "] {
                let own: Vec<_> = messages(&words).into_iter().filter(|(_, text)| text.starts_with(publisher)).collect();
                prop_assert!(own.is_sorted_by(|one, other| one.1 < other.1), "{own:?}");
                prop_assert!(own.iter().all(|(offset, _)| offset.is_none()));
            }
        }
    }
}
