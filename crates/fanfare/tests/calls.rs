//! A call to a client has one answer, or an error that says why there is none; it never waits for ever.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fanfare::{CallError, CloseCode, Config, Event, EventName, Hub, Payload, Session, State};
use fanfare_testkit::{Dial, TestClient, settle};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

#[derive(Serialize, Deserialize, Event)]
#[event(name = "question", ack = Answer)]
struct Question {
    text: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Answer {
    text: String,
}

const TIMEOUT: Duration = Duration::from_secs(3);

fn ask(session: &Session) -> tokio::task::JoinHandle<Result<Answer, CallError>> {
    let session = session.clone();
    tokio::spawn(async move { session.call(&Question { text: "how?".into() }, TIMEOUT).await })
}

#[tokio::test(start_paused = true)]
async fn the_client_answers_with_the_calls_number() {
    let hub = Hub::builder().build().unwrap();
    for dial in Dial::forms() {
        let mut ann = dial.connect(&hub).await;
        let session = hub.session(&ann.id()).unwrap();
        let (one, two) = (ask(&session), ask(&session));
        let (first, second) = (ann.expect("question").await, ann.expect("question").await);
        assert_eq!(first["text"], "how?");
        assert_ne!(first["call"], second["call"]);
        // Answered in the other order, and once too often.
        for (call, text) in [(&second, "second"), (&first, "first"), (&first, "again"), (&json!({"call": 99}), "none")]
        {
            ann.send(json!({"type": "ack", "id": call["call"], "text": text}));
        }
        assert_eq!(one.await.unwrap(), Ok(Answer { text: "first".into() }));
        assert_eq!(two.await.unwrap(), Ok(Answer { text: "second".into() }));
        ann.expect_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_in_time_there_is_an_error() {
    let hub = Hub::builder().build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    let session = hub.session(&ann.id()).unwrap();
    let begin = Instant::now();
    let asked = ask(&session);
    let call = ann.expect("question").await["call"].clone();
    assert_eq!(asked.await.unwrap(), Err(CallError::Timeout));
    assert!((3_000..=3_002).contains(&begin.elapsed().as_millis()));
    // Too late is the same as never.
    ann.send(json!({"type": "ack", "id": call, "text": "late"}));
    ann.expect_nothing().await;
    assert_eq!(hub.stats().sessions, 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_shape_is_an_error() {
    let hub = Hub::builder().build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    let asked = ask(&hub.session(&ann.id()).unwrap());
    let call = ann.expect("question").await["call"].clone();
    ann.send(json!({"type": "ack", "id": call, "text": 7}));
    assert_eq!(asked.await.unwrap(), Err(CallError::WrongAnswer));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_session_ends_its_calls() {
    let endings: [fn(&Session, &mut TestClient); 3] =
        [|_, client| client.cut(), |_, client| client.close(1000), |session, _| session.close(CloseCode::Kicked)];
    for end in endings {
        let hub = Hub::builder().build().unwrap();
        let mut ann = TestClient::connect(&hub).await;
        let session = hub.session(&ann.id()).unwrap();
        let asked = ask(&session);
        ann.expect("question").await;
        let begin = Instant::now();
        end(&session, &mut ann);
        assert_eq!(asked.await.unwrap(), Err(CallError::Closed));
        assert!(begin.elapsed() < Duration::from_secs(1));
        assert_eq!(ask(&session).await.unwrap(), Err(CallError::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_calls_wait_and_no_more() {
    let hub = Hub::builder().config(Config { max_calls_per_session: 2, ..Config::default() }).build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    let session = hub.session(&ann.id()).unwrap();
    let waiting = [ask(&session), ask(&session)];
    settle().await;
    assert_eq!(ask(&session).await.unwrap(), Err(CallError::TooManyCalls));
    let call = ann.expect("question").await["call"].clone();
    ann.send(json!({"type": "ack", "id": call, "text": "x"}));
    settle().await;
    assert_eq!(waiting.into_iter().filter(|call| call.is_finished()).count(), 1);
    let third = ask(&session);
    settle().await;
    assert!(!third.is_finished());
}

type Answers = Arc<Mutex<Vec<String>>>;

#[tokio::test(start_paused = true)]
async fn a_handler_may_call_its_own_client_and_wait() {
    let answers = Answers::default();
    let hub = Hub::builder()
        .state(answers.clone())
        .on_event("begin", async |session: Session, State(answers): State<Answers>, _: Payload| {
            let answer = session.call(&Question { text: "sure?".into() }, TIMEOUT).await.unwrap();
            answers.lock().unwrap().push(answer.text);
        })
        .build()
        .unwrap();
    let mut ann = TestClient::connect(&hub).await;
    ann.send(json!({"type": "begin", "id": 7}));
    let call = ann.expect("question").await["call"].clone();
    // The mailbox is held by the handler; the answer passes it.
    ann.send(json!({"type": "ping", "id": 8}));
    ann.send(json!({"type": "ack", "id": call, "text": "yes"}));
    assert_eq!(ann.expect("pong").await["id"], 8);
    assert_eq!(ann.expect("ack").await["id"], 7);
    assert_eq!(*answers.lock().unwrap(), ["yes"]);
}

#[tokio::test(start_paused = true)]
async fn an_untyped_call_carries_any_value() {
    let hub = Hub::builder().build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    let session = hub.session(&ann.id()).unwrap();
    let payload = Payload::new(&json!({"call": "mine", "id": 3})).unwrap();
    let asked = tokio::spawn(async move { session.call_event(EventName::new("any").unwrap(), payload, TIMEOUT).await });
    let call = ann.expect("any").await;
    assert_eq!(call["data"], json!({"call": "mine", "id": 3}), "its own fields do not hide the call's number");
    ann.send(json!({"type": "ack", "id": call["call"], "data": [1, 2]}));
    assert_eq!(asked.await.unwrap().unwrap().as_json(), Some("[1,2]"));
}
