//! Handlers of one session run one after the other in its order; one that fails is answered, one that panics ends its own session and no other.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fanfare::{DisconnectReason, Event, Hub, Incoming, Payload, Reject, RoomName, Session, State};
use fanfare_testkit::{Dial, TestClient, settle};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

#[derive(Serialize, Deserialize, Event)]
#[event(name = "work", ack = u64)]
struct Work {
    millis: u64,
    number: u64,
}

type Log = Arc<Mutex<Vec<String>>>;

#[tokio::test(start_paused = true)]
async fn events_of_a_session_are_handled_in_its_order_and_those_of_others_meanwhile() {
    let log = Log::default();
    let hub = Hub::builder()
        .state(log.clone())
        .on(async |session: Session, State(log): State<Log>, work: Work| {
            if work.millis > 0 {
                sleep(Duration::from_millis(work.millis)).await;
            }
            log.lock().unwrap().push(format!("{} {}", session.id(), work.number));
            work.number
        })
        .build()
        .unwrap();
    let mut clients = [TestClient::connect(&hub).await, TestClient::connect(&hub).await];
    for client in &mut clients {
        for (number, millis) in [30, 0, 20, 0, 0, 1, 40, 0].into_iter().enumerate() {
            client.send(json!({"type": "work", "id": number, "millis": millis, "number": number}));
        }
    }
    sleep(Duration::from_millis(60)).await;
    let both =
        clients.iter().all(|client| log.lock().unwrap().iter().any(|line| line.starts_with(&client.id().to_string())));
    assert!(both, "one session does not wait for the other");
    sleep(Duration::from_millis(60)).await;
    for client in &mut clients {
        let answers: Vec<Value> = client.words().await.iter().map(|word| word["data"].clone()).collect();
        assert_eq!(answers, (0..8).map(Value::from).collect::<Vec<_>>());
        let own = client.id().to_string();
        let lines: Vec<String> = log
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line.starts_with(&own))
            .map(|line| line[23..].to_owned())
            .collect();
        assert_eq!(lines, (0..8).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_session_and_nothing_of_it_runs_on() {
    for late in [false, true] {
        let log = Log::default();
        let hub = Hub::builder()
            .state(log.clone())
            .on_event("panic", move |_: Payload| async move {
                if late {
                    sleep(Duration::from_millis(10)).await;
                }
                panic!("as expected by the test");
                #[allow(unreachable_code)]
                ()
            })
            .on_event("after", async |State(log): State<Log>, _: Payload| log.lock().unwrap().push("after".into()))
            .on_disconnect(async |State(log): State<Log>, reason: DisconnectReason| {
                log.lock().unwrap().push(format!("{reason:?}"));
            })
            .build()
            .unwrap();
        let mut bob = TestClient::connect(&hub).await;
        let mut ann = TestClient::connect(&hub).await;
        ann.join("r").await;
        ann.send(json!({"type": "panic", "id": 9}));
        for _ in 0..10 {
            ann.send(json!({"type": "after"}));
        }
        let answer = ann.expect("error").await;
        assert_eq!((&answer["id"], &answer["code"]), (&json!(9), &json!("internal")));
        assert_eq!(ann.closed().await.0, 1011);
        ann.ended().await;
        settle().await;
        assert_eq!(*log.lock().unwrap(), ["Server(Internal)"]);
        assert_eq!((hub.stats().panics, hub.stats().sessions, hub.stats().rooms), (1, 1, 0));
        assert_eq!(bob.ask(json!({"type": "ping"})).await["type"], "pong");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_answers_reaches_who_asked() {
    let hub = Hub::builder()
        .on_event("fail", async |_: Payload| {
            Err::<(), _>(Reject::new("full", "no place").with_retry_after(Duration::from_secs(2)))
        })
        .on_event("nothing", async |_: Payload| ())
        .on_event("value", async |payload: Payload| payload)
        .build()
        .unwrap();
    for dial in Dial::forms() {
        let mut ann = dial.connect(&hub).await;
        let answer = ann.ask(json!({"type": "fail"})).await;
        let expected = json!({"type": "error", "id": 1, "code": "full", "message": "no place", "retryAfter": 2000});
        assert_eq!(answer, expected);
        assert_eq!(ann.ask(json!({"type": "nothing"})).await, json!({"type": "ack", "id": 2}));
        let answer = ann.ask(json!({"type": "value", "a": [1, null]})).await;
        assert_eq!(answer, json!({"type": "ack", "id": 3, "a": [1, null]}));
        // Who asked for no answer gets none; a refusal is told all the same.
        ann.send(json!({"type": "nothing"}));
        ann.expect_nothing().await;
        ann.send(json!({"type": "fail"}));
        assert_eq!(ann.expect("error").await.get("id"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_the_event_is_refused_and_names_the_field() {
    let hub = Hub::builder().on(async |work: Work| work.number).build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    for (word, code) in [
        (json!({"type": "work", "millis": 1}), "missing_field"),
        (json!({"type": "work", "millis": "secret", "number": 1}), "wrong_field"),
    ] {
        let answer = ann.ask(word).await;
        assert_eq!(answer["type"], "error");
        assert!(!answer["message"].as_str().unwrap().contains("secret"));
        assert!([code, "bad_payload"].contains(&answer["code"].as_str().unwrap()), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn middleware_sees_every_event_first_and_may_change_or_refuse_it() {
    let hub = Hub::builder()
        .before_event(async |mut incoming: Incoming| {
            match incoming.name.as_str() {
                "forbidden" => return Err(Reject::forbidden("no")),
                "old" => incoming.name = "new".parse().unwrap(),
                _ => {}
            }
            Ok(incoming)
        })
        .before_event(async |incoming: Incoming| {
            sleep(Duration::from_millis(1)).await;
            if incoming.payload.as_json().unwrap().contains("swear") {
                return Err(Reject::new("impolite", "mind your words"));
            }
            Ok(incoming)
        })
        .on_event("new", async |_: Payload| Payload::new(&json!({"handled": "new"})).unwrap())
        .on_any(async |incoming: Incoming| Payload::new(&json!({"any": incoming.name.as_str()})).unwrap())
        .build()
        .unwrap();
    let mut ann = TestClient::connect(&hub).await;
    ann.join("r").await;
    assert_eq!(ann.ask(json!({"type": "forbidden"})).await["code"], "forbidden");
    assert_eq!(ann.ask(json!({"type": "old"})).await["handled"], "new");
    assert_eq!(ann.ask(json!({"type": "whatever"})).await["any"], "whatever");
    let impolite = json!({"type": "message", "room": "r", "content": "swear"});
    assert_eq!(ann.ask(impolite).await["code"], "impolite");
}

#[tokio::test(start_paused = true)]
async fn connect_handlers_run_before_the_first_event_and_may_prepare_the_session() {
    let hub = Hub::builder()
        .before_connect(async |session: Session| {
            session.insert(7u32);
        })
        .on_connect(async |session: Session| {
            sleep(Duration::from_millis(10)).await;
            session.join("lobby").await.unwrap();
        })
        .on_event("get", async |session: Session, _: Payload| {
            let there = session.is_in(&RoomName::new("lobby").unwrap());
            Payload::new(&json!({"number": session.get::<u32>(), "there": there})).unwrap()
        })
        .build()
        .unwrap();
    let mut ann = TestClient::connect(&hub).await;
    let answer = ann.ask(json!({"type": "get"})).await;
    assert_eq!((&answer["number"], &answer["there"]), (&json!(7), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_is_told_once_with_its_reason_and_rooms() {
    let log = Log::default();
    let hub = Hub::builder()
        .state(log.clone())
        .on_disconnect(async |session: Session, State(log): State<Log>, reason: DisconnectReason| {
            log.lock().unwrap().push(format!("{reason:?} {}", session.rooms().len()));
        })
        .build()
        .unwrap();
    type Ending = fn(&mut TestClient);
    let endings: [(Ending, &str); 3] =
        [(TestClient::cut, "Lost 1"), (TestClient::end, "Lost 1"), (|client| client.close(1001), "Client 1")];
    for (end, _) in &endings {
        let mut ann = TestClient::connect(&hub).await;
        ann.join("r").await;
        end(&mut ann);
        settle().await;
        // A connection that never became a session has no end.
        drop(Dial::v1().open(&hub).await.unwrap());
        settle().await;
    }
    let expected: Vec<&str> = endings.iter().map(|(_, told)| *told).collect();
    assert_eq!(*log.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_a_goodbye_is_still_carried_out_and_answered() {
    let log = Log::default();
    let hub = Hub::builder()
        .state(log.clone())
        .on_event("save", async |State(log): State<Log>, payload: Payload| {
            sleep(Duration::from_millis(20)).await;
            log.lock().unwrap().push(payload.as_json().unwrap().to_owned());
        })
        .build()
        .unwrap();
    let mut ann = TestClient::connect(&hub).await;
    for id in 1..=3 {
        ann.send(json!({"type": "save", "id": id, "number": id}));
    }
    ann.close(1000);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(log.lock().unwrap().len(), 3);
    let words = ann.words().await;
    assert_eq!(words.iter().map(|word| word["id"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(hub.stats().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_reaches_the_hub_and_after_its_end_there_is_none() {
    let hub = Hub::builder()
        .on_event("who", async |hub: Hub, session: Session, _: Payload| {
            let (members, total) = hub.room("r")?.members(10).await?;
            session.send_event("seen".try_into()?, Payload::empty()).await?;
            Ok::<_, Reject>(Payload::new(&json!({"total": total, "first": members[0].client_id})).unwrap())
        })
        .build()
        .unwrap();
    let mut ann = TestClient::connect(&hub).await;
    ann.join("r").await;
    let session = hub.session(&ann.id()).unwrap();
    let answer = ann.ask(json!({"type": "who"})).await;
    assert_eq!((&answer["total"], &answer["first"]), (&json!(1), &json!(ann.id())));
    assert!(session.hub().is_some());
    hub.close().await;
    settle().await;
    drop(hub);
    assert!(session.hub().is_none());
}
