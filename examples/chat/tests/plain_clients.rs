//! Clients that know nothing of fanfare talk to each other: a WebSocket, a page of JavaScript, and `nc`.

#![allow(clippy::unwrap_used)]

mod server;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use server::{Client, PATIENCE, Server, lines_of};

#[test]
fn plain_websocket_clients_talk_in_a_room_without_a_login() {
    let server = Server::start(&[]);
    let (mut one, mut two) = (server.websocket(), server.websocket());
    one.join("general");
    two.join("general");
    let joined = one.next("user_joined");
    assert_eq!((&joined["clientId"], &joined["room"]), (&json!(two.id), &json!("general")));
    two.send(&json!({ "type": "message", "room": "general", "content": "Hello everyone!" }));
    let author = two.id.clone();
    for client in [&mut one, &mut two] {
        let message = client.next("message");
        assert_eq!(message["content"], "Hello everyone!");
        assert_eq!((&message["clientId"], &message["room"]), (&json!(author), &json!("general")));
        assert!(message["timestamp"].is_u64() && message["username"].as_str().unwrap().starts_with("guest-"));
        assert_eq!((&message["offset"], &message["epoch"]), (&Value::Null, &Value::Null), "not in the plain form");
    }
    one.send(&json!({ "type": "typing", "room": "general" }));
    assert_eq!(two.next("user_typing")["room"], "general");
    two.send(&json!({ "type": "leave_room", "room": "general" }));
    assert_eq!(one.next("user_left")["clientId"], two.id);
}

#[test]
fn a_page_elsewhere_talks_with_a_dozen_lines_of_javascript_if_its_origin_is_allowed() {
    let server = Server::start(&["--allow-origin", "*"]);
    let status = Command::new("node")
        .arg("plain_client.mjs")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser"))
        .env("WS", server.ws.to_string())
        .status()
        .expect("node runs; `cargo xtask test` installs it");
    assert!(status.success(), "{status}");
}

#[test]
fn nc_talks_to_a_websocket_client() {
    let server = Server::start(&[]);
    let mut client = server.websocket();
    client.join("general");
    let mut nc = Command::new("nc")
        .args([server.tcp.ip().to_string(), server.tcp.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("nc runs; `cargo xtask test` installs it");
    let (mut typed, shown) = (nc.stdin.take().unwrap(), lines_of(nc.stdout.take().unwrap()));
    let read = || -> Value { serde_json::from_str(&shown.recv_timeout(PATIENCE).unwrap()).unwrap() };
    assert_eq!(read()["type"], "connected");
    typed.write_all(b"{\"type\":\"join_room\",\"room\":\"general\"}\n").unwrap();
    client.next("user_joined");
    client.say("general", "hello, nc");
    assert_eq!(read()["content"], "hello, nc");
    typed
        .write_all(b"{\"type\":\"message\",\"id\":7,\"room\":\"general\",\"content\":\"hello, browser\"}\r\n")
        .unwrap();
    assert_eq!(client.next("message")["content"], "hello, browser");
    // The answer and the message come in either order.
    let mut kinds = [read(), read()].map(|notice| notice["type"].as_str().unwrap().to_owned());
    kinds.sort();
    assert_eq!(kinds, ["ack", "message"]);
    nc.kill().unwrap();
    nc.wait().unwrap();
    client.next("user_left");
}

#[test]
fn what_was_sent_before_hanging_up_is_still_carried_out() {
    let server = Server::start(&[]);
    let mut witness = server.websocket();
    witness.join("general");
    let mut script = TcpStream::connect(server.tcp).unwrap();
    script.set_read_timeout(Some(PATIENCE)).unwrap();
    script.write_all(b"{\"type\":\"join_room\",\"room\":\"general\"}\n").unwrap();
    script.write_all(b"{\"type\":\"message\",\"id\":1,\"room\":\"general\",\"content\":\"in passing\"}\n").unwrap();
    script.shutdown(Shutdown::Write).unwrap();
    let mut answers = String::new();
    script.read_to_string(&mut answers).unwrap();
    assert!(answers.contains(r#""type":"ack","id":1"#), "{answers}");
    witness.next("user_joined");
    assert_eq!(witness.next("message")["content"], "in passing");
    witness.next("user_left");
}

#[test]
fn a_message_is_saved_once_for_each_key_and_told_once() {
    let server = Server::start(&[]);
    let mut client = server.websocket();
    client.join("general");
    let message = json!({ "type": "message", "id": 5, "key": "k-1", "room": "general", "content": "once" });
    client.send(&message);
    client.send(&message);
    client.send(&json!({ "type": "room_history", "id": 6, "room": "general" }));
    let notices: Vec<Value> = (0..4).map(|_| client.notice()).collect();
    let of = |kind: &str| notices.iter().filter(|notice| notice["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("message").len(), 1, "{notices:?}");
    let acks = of("ack");
    assert_eq!(acks[0], acks[1], "the same answer each time");
    assert_eq!(acks[0]["messageId"], "k-1");
    let history = acks[2]["messages"].as_array().unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!((&history[0]["id"], &history[0]["content"]), (&json!("k-1"), &json!("once")));
}

#[test]
fn the_page_s_door_serves_plain_clients_too_and_where_guests_may_not_a_token_is_the_key() {
    let server = Server::start(&["--guests=false"]);
    let token = server.login("Ada");
    let mut guest = Client::dial(server.ws, "/");
    guest.send(&json!({ "type": "join_room", "room": "general" }));
    assert_eq!(guest.close_code(), 4500);
    let mut liar = Client::dial(server.ws, "/");
    liar.send(&json!({ "type": "hello", "token": format!("{token}x") }));
    assert_eq!(liar.next("error")["code"], "unauthorized");
    assert_eq!(liar.close_code(), 4500);
    let mut early = Client::open(server.http, &format!("/ws?token={token}"));
    early.join("general");
    let mut late = Client::dial(server.ws, "/");
    late.send(&json!({ "type": "hello", "token": token }));
    late.next("connected");
    late.join("general");
    early.next("user_joined");
    late.send(&json!({ "type": "message", "room": "general", "content": "it is me" }));
    let message = early.next("message");
    assert_eq!((&message["username"], &message["content"]), (&json!("Ada"), &json!("it is me")));
}
