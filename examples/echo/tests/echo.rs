//! The example does what it says, to a real client.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn what_a_client_sends_comes_back_to_it() {
    let mut server =
        Server(Command::new(env!("CARGO_BIN_EXE_echo")).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap());
    let mut stdout = BufReader::new(server.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let (mut client, _) = connect_async(line.trim().strip_prefix("echo: listening on ").unwrap()).await.unwrap();
    let connected = client.next().await.unwrap().unwrap();
    assert!(connected.to_text().unwrap().contains(r#""type":"connected""#), "{connected}");
    for sent in [json!({"type": "hello_world", "room": "any", "content": [1, 2, 3]}), json!({"type": "bye"})] {
        client.send(Message::text(sent.to_string())).await.unwrap();
        let answer = client.next().await.unwrap().unwrap();
        let mut answer: Value = serde_json::from_str(answer.to_text().unwrap()).unwrap();
        // When it was sent: what every event of a server carries.
        assert!(answer.as_object_mut().unwrap().remove("timestamp").is_some_and(|timestamp| timestamp.is_u64()));
        assert_eq!(answer, sent);
    }
    let sent = Message::binary(vec![0, 1, 255]);
    client.send(sent.clone()).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), sent);
}
