//! Bytes that are no word of the protocol travel untouched, in both directions and through rooms.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use fanfare::{History, Hub, Reject, RoomPolicy, Session};
use fanfare_testkit::{Dial, Heard, TestClient};
use serde_json::json;

fn hub() -> Hub {
    Hub::builder()
        .rooms(|_, _| RoomPolicy { announce_up_to: 0, ..RoomPolicy::with_history(History::last(10)) })
        .on_raw(async |session: Session, bytes: Bytes| {
            if bytes.is_empty() {
                return Err(Reject::bad_request("nothing"));
            }
            session.to("r").including_self().publish_raw(bytes).await.map(drop).map_err(Reject::from)
        })
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn bytes_reach_a_room_in_every_form() {
    let hub = hub();
    let mut clients = Vec::new();
    for dial in Dial::forms() {
        let mut client = dial.connect(&hub).await;
        client.join("r").await;
        clients.push(client);
    }
    let mut sent = Vec::new();
    for number in 0..clients.len() {
        let bytes: Vec<u8> = (0..=255).map(|byte: u8| byte.wrapping_mul(number as u8 + 1)).collect();
        clients[number].send_raw(&bytes);
        sent.push(bytes);
        for client in &mut clients {
            assert_eq!(client.next().await, Heard::Raw(sent[number].clone().into()));
        }
    }
    for client in &mut clients {
        client.expect_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_and_words_keep_their_order() {
    let hub = hub();
    let mut ann = TestClient::connect_v1(&hub).await;
    ann.join("r").await;
    let session = hub.session(&ann.id()).unwrap();
    for number in 0..20u8 {
        session.send_raw(vec![number]).await.unwrap();
        let payload = fanfare::Payload::new(&json!({"number": number})).unwrap();
        session.send_event("count".parse().unwrap(), payload).await.unwrap();
    }
    for number in 0..20u8 {
        assert_eq!(ann.next().await, Heard::Raw(vec![number].into()));
        assert_eq!(ann.expect("count").await["number"], number);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_bytes_is_told_without_an_id() {
    let hub = hub();
    for dial in Dial::forms() {
        let mut ann = dial.connect(&hub).await;
        ann.send_raw(b"");
        let error = ann.expect("error").await;
        assert_eq!((&error["code"], error.get("id")), (&json!("bad_request"), None));
    }
    // Where nobody handles bytes, they are refused too, and cost what other nonsense costs.
    let hub = Hub::builder().build().unwrap();
    let mut ann = TestClient::connect(&hub).await;
    ann.send_raw(b"x");
    assert_eq!(ann.expect("error").await["code"], "unsupported");
}

#[tokio::test(start_paused = true)]
async fn text_on_the_binary_form_ends_the_session() {
    let hub = hub();
    let mut ann = Dial::v1_binary().connect(&hub).await;
    ann.send_text("{\"type\":\"ping\"}");
    assert_eq!(ann.closed().await.0, 1003);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_were_missed_come_with_the_resumed_room_and_leave_no_hole() {
    let hub = hub();
    let mut ann = Dial::v1_binary().connect(&hub).await;
    ann.join("r").await;
    ann.cut();
    fanfare_testkit::settle().await;
    hub.room("r").unwrap().to().publish_raw(vec![1]).await.unwrap();
    let payload = fanfare::Payload::new(&json!({"content": 2})).unwrap();
    hub.room("r").unwrap().publish_event("message".parse().unwrap(), payload).await.unwrap();
    let mut again = Dial::v1_binary().resuming(&ann).connect(&hub).await;
    again.expect("joined").await;
    assert_eq!(again.next().await, Heard::Raw(vec![1].into()));
    assert_eq!(again.expect("message").await["offset"], 2);
}
