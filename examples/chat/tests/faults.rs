//! When things go wrong: one clear line at the start, an error for the sender alone, and a gentle end.

#![allow(clippy::unwrap_used)]

mod server;

use std::{net::TcpListener, process::Stdio, time::Duration};

use serde_json::{Value, json};
use server::{Client, PATIENCE, Server, chat, until};

/// Runs the program with flags that cannot work. Returns what it says.
fn refused(flags: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut process = chat()
        // Whatever is not the fault must not be one either, nor leave a file behind.
        .args(["--http=127.0.0.1:0", "--ws=none", "--tcp=none", "--database=sqlite::memory:"].iter().filter(
            |default| {
                let name = default.split('=').next().unwrap();
                !flags.iter().any(|flag| flag.starts_with(name))
            },
        ))
        .args(flags)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(PATIENCE, "the server gives up", || process.try_wait().unwrap());
    let output = process.wait_with_output().unwrap();
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(!output.status.success(), "{flags:?} works");
    assert_eq!(out, "", "{flags:?}");
    assert_eq!(error.lines().count(), 1, "{flags:?}: {error}");
    assert!(error.starts_with("chat: "), "{error}");
    error
}

#[test]
fn a_port_in_use_is_one_clear_line_and_a_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--http", "--ws", "--tcp"] {
        let line = refused(&[&format!("{flag}={address}")]);
        assert!(line.contains(&address) && line.contains(flag) && line.contains("in use"), "{line}");
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_one_clear_line_and_a_failure() {
    for url in [
        "sqlite:///no/such/folder/chat.db?mode=rwc",
        "sqlite://missing.db",
        "mysql://x/y",
        "nonsense",
        "postgres://user:secret@127.0.0.1:1/chat",
    ] {
        let line = refused(&[&format!("--database={url}")]);
        assert!(line.contains("database") && !line.contains("secret"), "{line}");
    }
}

#[test]
fn a_bad_flag_is_one_clear_line_and_a_failure() {
    for flag in [
        "--nonsense",
        "--http=localhost",
        "--ws=1.2.3.4",
        "--guests=maybe",
        "--log-level=loud",
        "--log-format=xml",
        "--allow-origin=example.org",
        "--secret",
        "--secret=short",
        "--database=/tmp/chat.db",
    ] {
        let line = refused(&[flag]);
        assert!(line.contains(flag.split('=').next().unwrap()), "{flag}: {line}");
    }
}

#[test]
fn a_bad_flag_is_told_what_would_fit() {
    for (flag, fitting) in [
        ("--guests=maybe", "true, false"),
        ("--log-format=xml", "text, json"),
        ("--http=localhost:3000", "127.0.0.1:3000"),
        ("--secret=short", "16 bytes"),
        ("--database=/tmp/chat.db", "sqlite://"),
    ] {
        let line = refused(&[flag]);
        assert!(line.contains(fitting), "{flag}: {line}");
        assert!(!line.contains("short"), "{flag}: {line}");
    }
}

#[test]
fn what_is_wrong_is_told_to_its_sender_and_to_nobody_else() {
    let server = Server::start(&[]);
    let (mut witness, mut sender) = (server.websocket(), server.websocket());
    witness.join("general");
    sender.join("general");
    witness.next("user_joined");
    let (long, much) = ("r".repeat(256), "x".repeat(4001));
    let message =
        |room: &str, content: Value| json!({ "type": "message", "room": room, "content": content }).to_string();
    let table = [
        ("nonsense".to_owned(), "malformed"),
        ("[]".to_owned(), "malformed"),
        (format!("{}{}", "[".repeat(100), "]".repeat(100)), "too_deep"),
        ("{}".to_owned(), "missing_field"),
        (json!({ "type": "no_such_word" }).to_string(), "unknown_event"),
        (json!({ "type": "user_left", "room": "general" }).to_string(), "wrong_field"),
        (json!({ "type": "join_room" }).to_string(), "missing_field"),
        (json!({ "type": "join_room", "room": long }).to_string(), "bad_name"),
        (json!({ "type": "join_room", "room": "a\nb" }).to_string(), "bad_name"),
        (json!({ "type": "leave_room", "room": "elsewhere" }).to_string(), "not_joined"),
        (json!({ "type": "message", "room": "general" }).to_string(), "bad_payload"),
        (message("general", json!(7)), "bad_payload"),
        (message("general", json!(" ")), "empty"),
        (message("general", json!(much)), "too_long"),
        (message("general", json!("a\u{0}b")), "control_characters"),
        (message("elsewhere", json!("hi")), "not_joined"),
        (message(&long, json!("hi")), "bad_name"),
        (json!({ "type": "typing", "room": "elsewhere" }).to_string(), "not_joined"),
        (json!({ "type": "room_history", "room": "elsewhere" }).to_string(), "not_joined"),
        (json!({ "type": "room_history", "room": "general", "since": "x" }).to_string(), "bad_payload"),
        (json!({ "type": "history", "room": "elsewhere" }).to_string(), "not_joined"),
        (json!({ "type": "presence", "room": "elsewhere" }).to_string(), "not_joined"),
    ];
    for (bad, code) in table {
        sender.send_text(&bad);
        assert_eq!(sender.next("error")["code"], code, "{bad:.60}");
    }
    sender.say("general", "still here");
    // Nothing came before it.
    assert_eq!(witness.next("message")["content"], "still here");
}

#[test]
fn a_message_that_is_too_large_ends_its_sender_with_1009_and_nobody_else() {
    let server = Server::start(&[]);
    let (mut witness, mut sender) = (server.websocket(), server.websocket());
    witness.join("general");
    sender.join("general");
    witness.next("user_joined");
    sender.send(&json!({ "type": "message", "room": "general", "content": "x".repeat(64 * 1024) }));
    assert_eq!(sender.close_code(), 1009);
    assert_eq!(witness.next("user_left")["clientId"], sender.id);
    witness.say("general", "alone");
}

#[test]
fn a_login_that_makes_no_sense_is_refused_with_a_sentence() {
    let server = Server::start(&[]);
    let table = [
        ("nonsense", 400, "malformed"),
        ("{}", 422, "malformed"),
        (r#"{"username":7}"#, 422, "malformed"),
        (r#"{"username":" "}"#, 422, "bad_username"),
        (r#"{"username":"a\u0007"}"#, 422, "bad_username"),
        (&json!({ "username": "x".repeat(41) }).to_string(), 422, "bad_username"),
        (&json!({ "username": "x".repeat(10_000) }).to_string(), 413, "malformed"),
    ];
    for (body, status, code) in table {
        let (answered, answer) = server.post("/login", body);
        assert_eq!(answered, status, "{body:.40}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["code"], code);
        assert!(answer["message"].is_string());
    }
    assert_eq!(server.get("/login").unwrap().0, 405);
    assert_eq!(server.get("/nothing").unwrap().0, 404);
}

#[test]
fn what_was_acknowledged_and_who_was_logged_in_survive_a_kill() {
    let mut server = Server::start(&[]);
    let token = server.login("Ada");
    let mut client = Client::open(server.http, &format!("/ws?token={token}"));
    client.join("general");
    for number in 0..20 {
        client.send(&json!({ "type": "message", "id": number, "room": "general", "content": number.to_string() }));
        while client.notice()["type"] != "ack" {}
    }
    server.kill_and_restart();
    let mut client = Client::open(server.http, &format!("/ws?token={token}"));
    client.join("general");
    client.send(&json!({ "type": "room_history", "id": 1, "room": "general" }));
    let history = client.next("ack");
    let contents: Vec<_> =
        history["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert!(contents.iter().copied().eq((0..20).map(|number| number.to_string())), "{contents:?}");
    assert!(history["messages"].as_array().unwrap().iter().all(|message| message["username"] == "Ada"));
}

#[test]
fn a_server_that_is_asked_to_stop_tells_its_clients_and_is_gone_within_10_seconds() {
    let mut server = Server::start(&[]);
    assert_eq!(server.get("/healthz").unwrap().0, 200);
    assert_eq!(server.get("/readyz").unwrap().0, 200);
    let (mut polite, mut mute) = (server.websocket(), server.websocket());
    mute.join("general");
    server.terminate();
    // One client does not answer the close, so that the server waits a moment for it, and can be asked meanwhile.
    until(PATIENCE, "a probe learns of it", || server.get("/readyz").filter(|(status, _)| *status == 503));
    assert_eq!(server.get("/healthz").map(|(status, _)| status), Some(200));
    let closing = polite.next("closing");
    assert_eq!(closing["code"], 1012);
    assert!(closing["retryAfter"].as_u64().unwrap() < 2000);
    assert_eq!(polite.close_code(), 1012);
    assert_eq!(server.exit_code(Duration::from_secs(10)), 0);
}
