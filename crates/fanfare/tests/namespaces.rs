//! A namespace has its own handlers, rooms and sessions; nothing crosses from one into another.
#![allow(clippy::unwrap_used)]

use fanfare::{BuildError, Event, EventName, Hub, Namespace, Payload, Refusal, Select};
use fanfare_testkit::{Dial, TestClient};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize, Event)]
struct Notice {
    text: String,
}

fn hub() -> Hub {
    Hub::builder()
        .on_event("who", async |_: Payload| Payload::new(&json!({"who": "root"})).unwrap())
        .namespace("/admin", |admin| {
            admin.on_event("who", async |_: Payload| Payload::new(&json!({"who": "admin"})).unwrap())
        })
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_namespace_has_its_own_handlers() {
    let hub = hub();
    for (dial, who) in [(Dial::plain(), "root"), (Dial::plain().namespace("/admin"), "admin")] {
        assert_eq!(dial.connect(&hub).await.ask(json!({"type": "who"})).await["who"], who);
    }
    assert_eq!(Dial::plain().namespace("/none").open(&hub).await.map(drop), Err(Refusal::UnknownNamespace));
    assert_eq!(hub.stats().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn rooms_of_one_name_are_apart_and_so_are_broadcasts() {
    let hub = hub();
    let admin = Namespace::new("/admin").unwrap();
    let mut ann = TestClient::connect(&hub).await;
    let mut root = TestClient::connect(&hub).await;
    let mut bob = Dial::plain().namespace("/admin").connect(&hub).await;
    for client in [&mut ann, &mut root, &mut bob] {
        client.join("r").await;
    }
    ann.words().await;
    root.say("r", 1);
    assert_eq!(ann.contents().await, [1]);
    bob.expect_nothing().await;
    let payload = Payload::new(&json!({"content": 2})).unwrap();
    let room = hub.room_in(admin.clone(), "r").unwrap();
    room.publish_event(EventName::new("message").unwrap(), payload).await.unwrap();
    assert_eq!(bob.contents().await, [2]);
    hub.broadcast(&Notice { text: "root".into() }).await.unwrap();
    hub.to_all_of(admin.clone()).publish(&Notice { text: "admin".into() }).await.unwrap();
    for (client, text) in [(&mut ann, "root"), (&mut bob, "admin")] {
        assert_eq!(client.expect("notice").await["text"], text);
        client.expect_nothing().await;
    }
    assert_eq!(room.members(10).await.unwrap().1, 1);
    assert_eq!((hub.fetch_sessions(&Select::all()).len(), hub.fetch_sessions(&Select::all().of(admin)).len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_given_twice_or_badly_named_is_a_mistake_of_the_builder() {
    for name in ["/", "/a", ""] {
        let built = Hub::builder().namespace("/a", |a| a).namespace(name, |b| b).build().map(drop);
        assert!(matches!(built, Err(BuildError::Namespace(there, _)) if there == name), "{name:?}");
    }
}
