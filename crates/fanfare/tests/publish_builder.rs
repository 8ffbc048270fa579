//! A publication reaches exactly whom it names: once each, however many of its rooms they are in, and nobody who is left out.
#![allow(clippy::unwrap_used)]

use fanfare::{EventName, History, Hub, Payload, Publish, RoomName, RoomPolicy, Select};
use fanfare_testkit::{Dial, TestClient, settle};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use serde_json::json;

async fn say(publish: Publish) {
    let name = EventName::new("message").unwrap();
    publish.publish_event(name, Payload::new(&json!({"content": 1})).unwrap()).await.unwrap();
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

/// Five clients and who of them is in which rooms.
const MEMBERS: [&[&str]; 5] = [&["a"], &["a", "b"], &["b", "c"], &["a", "b", "c"], &[]];

async fn clients(hub: &Hub) -> Vec<TestClient> {
    let mut clients = Vec::new();
    for (number, rooms) in MEMBERS.into_iter().enumerate() {
        let mut client = Dial::forms()[number % 3].clone().connect(hub).await;
        for room in rooms {
            client.join(room).await;
        }
        clients.push(client);
    }
    settle().await;
    for client in &mut clients {
        client.words().await;
    }
    clients
}

/// How often each client heard the publication.
async fn heard(clients: &mut [TestClient]) -> Vec<usize> {
    let mut heard = Vec::new();
    for client in clients {
        heard.push(client.contents().await.len());
    }
    heard
}

fn hubs() -> [Hub; 2] {
    let kept = |_: &fanfare::Namespace, _: &RoomName| RoomPolicy::with_history(History::last(10));
    [Hub::builder().build().unwrap(), Hub::builder().rooms(kept).build().unwrap()]
}

#[tokio::test(start_paused = true)]
async fn whom_a_publication_names_and_leaves_out() {
    for hub in hubs() {
        let mut clients = clients(&hub).await;
        let id = |number: usize| clients[number].id();
        let (first, second, fourth) = (id(0), id(1), id(3));
        let session = hub.session(&second).unwrap();
        let at = |name: &str| hub.room(name).unwrap().to();
        let table = [
            (at("a"), [1, 1, 0, 1, 0]),
            (at("a").except(first).except(fourth), [0, 1, 0, 0, 0]),
            (at("a").except_room(&room("b")), [1, 0, 0, 0, 0]),
            (at("a").except_room(&room("nobody is here")), [1, 1, 0, 1, 0]),
            (at("a").and("b"), [1, 1, 1, 1, 0]),
            (at("a").and("b").and("c").and("a"), [1, 1, 1, 1, 0]),
            (at("a").and("b").except(second).except_room(&room("c")), [1, 0, 0, 0, 0]),
            (at("nobody is here"), [0, 0, 0, 0, 0]),
            (session.to("b"), [0, 0, 1, 1, 0]),
            (session.to("b").including_self(), [0, 1, 1, 1, 0]),
            (session.to("a").and("c"), [1, 0, 1, 1, 0]),
            (hub.to_all(), [1, 1, 1, 1, 1]),
            (hub.to_all().except(first), [0, 1, 1, 1, 1]),
            (hub.to_all().except_room(&room("b")), [1, 0, 0, 0, 1]),
            (at("a").volatile(), [1, 1, 0, 1, 0]),
        ];
        for (row, (publish, expected)) in table.into_iter().enumerate() {
            say(publish).await;
            assert_eq!(heard(&mut clients).await, expected, "row {row}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_of_a_room_with_history_is_told_the_place() {
    let [_, hub] = hubs();
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.join("a").await;
    say(hub.room("a").unwrap().to().except(ann.id())).await;
    let word = ann.expect("position").await;
    assert_eq!((&word["room"], &word["offset"]), (&json!("a"), &json!(1)));
    // The same from the log, whoever was left out then.
    ann.leave("a").await;
    let since = json!({"epoch": word["epoch"], "offset": 0});
    ann.ask(json!({"type": "join_room", "room": "a", "since": since})).await;
    assert_eq!(ann.expect("position").await["offset"], 1);
    ann.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_carries_who_published_it_where_and_when() {
    let [hub, _] = hubs();
    let mut ann = TestClient::connect(&hub).await;
    let bob = TestClient::connect(&hub).await;
    ann.join("a").await;
    say(hub.session(&bob.id()).unwrap().to("a")).await;
    let word = ann.expect("message").await;
    assert_eq!((&word["clientId"], &word["room"]), (&json!(bob.id().to_string()), &json!("a")));
    assert!(word["timestamp"].as_u64().unwrap() > 1_700_000_000_000);
    say(hub.room("a").unwrap().to()).await;
    assert_eq!(ann.expect("message").await.get("clientId"), None);
    say(hub.to_all()).await;
    assert_eq!(ann.expect("message").await.get("room"), None);
}

#[tokio::test(start_paused = true)]
async fn a_client_cannot_speak_in_anothers_name() {
    let [hub, _] = hubs();
    let mut ann = TestClient::connect(&hub).await;
    let mut eve = TestClient::connect(&hub).await;
    ann.join("a").await;
    eve.join("a").await;
    ann.words().await;
    eve.send(json!({
        "type": "message", "room": "a", "content": 1, "clientId": "ann", "timestamp": 1, "epoch": 9, "offset": 9, "call": 5
    }));
    let word = ann.expect("message").await;
    assert_eq!(word["clientId"], eve.id().to_string());
    assert!(word["timestamp"].as_u64().unwrap() > 1);
    for forged in ["epoch", "offset", "call"] {
        assert_eq!(word.get(forged), None, "{forged}");
    }
}

#[tokio::test(start_paused = true)]
async fn operations_on_many_sessions_mean_whom_they_select() {
    let [hub, _] = hubs();
    let mut clients = clients(&hub).await;
    let count = |select: Select| hub.fetch_sessions(&select).len();
    assert_eq!(count(Select::all()), 5);
    assert_eq!(count(Select::all().in_room(room("a"))), 3);
    assert_eq!(count(Select::all().in_room(room("a")).in_room(room("c"))), 4);
    assert_eq!(count(Select::all().in_room(room("a")).except_room(room("b"))), 1);
    assert_eq!(count(Select::all().except(clients[0].id())), 4);
    assert_eq!(count(Select::all().session(clients[4].id())), 1);
    assert_eq!(hub.join(&Select::all().in_room(room("a")), "d").await, Ok(3));
    say(hub.room("d").unwrap().to()).await;
    assert_eq!(heard(&mut clients).await, [1, 1, 0, 1, 0]);
    assert_eq!(hub.leave(&Select::all().in_room(room("b")), &room("d")).await, 3);
    say(hub.room("d").unwrap().to()).await;
    assert_eq!(heard(&mut clients).await, [1, 0, 0, 0, 0]);
    assert_eq!(hub.disconnect(&Select::all().in_room(room("c")), fanfare::CloseCode::Kicked), 2);
    settle().await;
    assert_eq!(count(Select::all()), 3);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_union_reaches_each_of_its_members_once(
        rooms in prop::collection::vec(0..3usize, 1..4),
        left_out in prop::collection::vec(0..3usize, 0..2),
        except in prop::collection::vec(0..5usize, 0..3),
    ) {
        const ROOMS: [&str; 3] = ["a", "b", "c"];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let hub = Hub::builder().build().unwrap();
            let mut clients = clients(&hub).await;
            let mut publish = hub.to_all();
            for &place in &rooms {
                publish = publish.and(ROOMS[place]);
            }
            for &place in &left_out {
                publish = publish.except_room(&room(ROOMS[place]));
            }
            for &number in &except {
                publish = publish.except(clients[number].id());
            }
            say(publish).await;
            let is_in = |number: usize, places: &[usize]| places.iter().any(|place| MEMBERS[number].contains(&ROOMS[*place]));
            let expected: Vec<usize> = (0..5)
                .map(|number| usize::from(is_in(number, &rooms) && !is_in(number, &left_out) && !except.contains(&number)))
                .collect();
            assert_eq!(heard(&mut clients).await, expected);
        });
    }
}
