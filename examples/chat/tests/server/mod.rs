//! A chat server of its own for each test: free ports, an empty database, and gone when it is dropped.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// How long anything may take before a test fails; a slow build server needs a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(15);

pub struct Server {
    process: Child,
    pub http: SocketAddr,
    pub ws: SocketAddr,
    pub tcp: SocketAddr,
    folder: PathBuf,
    flags: Vec<String>,
    /// Removed when the server is dropped.
    _temporary: tempfile::TempDir,
}

impl Server {
    pub fn start(flags: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().to_owned();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let any = "127.0.0.1:0".parse().unwrap();
        let (process, [http, ws, tcp]) = spawn(&folder, &flags, [any; 3]);
        Self { process, http, ws, tcp, folder, flags, _temporary: temporary }
    }

    /// Kills it as `kill -9` does, and starts it again at the same addresses and with the same database.
    pub fn kill_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        (self.process, _) = spawn(&self.folder, &self.flags, [self.http, self.ws, self.tcp]);
    }

    /// Asks it to stop, as a supervisor does.
    pub fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for its end. Returns the exit code.
    pub fn exit_code(&mut self, within: Duration) -> i32 {
        let status = until(within, "the server ends", || self.process.try_wait().unwrap());
        status.code().expect("it was not killed")
    }

    /// A WebSocket client on the plain listener that has been told `connected`.
    pub fn websocket(&self) -> Client {
        Client::open(self.ws, "/")
    }

    /// The token of a login under this name.
    pub fn login(&self, username: &str) -> String {
        let (status, body) = self.post("/login", &json!({ "username": username }).to_string());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["token"].as_str().unwrap().to_owned()
    }

    pub fn post(&self, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        http(
            self.http,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            ),
        )
        .expect("the server answers")
    }

    /// The status and the body; `None` when nobody listens.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        http(self.http, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &std::path::Path, flags: &[String], at: [SocketAddr; 3]) -> (Child, [SocketAddr; 3]) {
    let mut process = chat()
        .args(["--database", &format!("sqlite://{}?mode=rwc", folder.join("chat.db").display())])
        .args(["--http", &at[0].to_string(), "--ws", &at[1].to_string(), "--tcp", &at[2].to_string()])
        .args(["--log-format", "json"])
        .args(flags)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(process.stdout.take().unwrap());
    let first = lines.recv_timeout(PATIENCE).expect("the server tells that it is ready");
    // The log goes on being read, or the pipe would fill.
    thread::spawn(move || lines.into_iter().for_each(drop));
    let ready: Value = serde_json::from_str(&first).unwrap();
    let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
    (process, [address("http"), address("ws"), address("tcp")])
}

/// The program, with no setting of whoever runs the test.
pub fn chat() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHAT_")) {
        command.env_remove(name);
    }
    command
}

/// Lines as they come, so that waiting for one can have an end.
pub fn lines_of(source: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (line, lines) = mpsc::channel();
    thread::spawn(move || {
        for text in BufReader::new(source).lines().map_while(Result::ok) {
            if line.send(text).is_err() {
                return;
            }
        }
    });
    lines
}

/// Asks until there is an answer.
pub fn until<T>(within: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        // Nobody tells when it changes.
        thread::sleep(Duration::from_millis(10));
    }
}

fn http(address: SocketAddr, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A WebSocket client that speaks the plain form.
pub struct Client {
    socket: WebSocket<TcpStream>,
    pub id: String,
}

impl Client {
    pub fn open(address: SocketAddr, path: &str) -> Self {
        let mut client = Self::dial(address, path);
        client.id = client.next("connected")["clientId"].as_str().unwrap().to_owned();
        client
    }

    /// Connects, and waits for nothing.
    pub fn dial(address: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(format!("ws://{address}{path}"), stream).unwrap();
        Self { socket, id: String::new() }
    }

    pub fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    pub fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// The next notice, which must be of this type.
    pub fn next(&mut self, kind: &str) -> Value {
        let notice = self.notice();
        assert_eq!(notice["type"], kind, "{notice}");
        notice
    }

    /// The next notice.
    pub fn notice(&mut self) -> Value {
        match self.socket.read().expect("a notice in time") {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => self.notice(),
            other => panic!("{other:?} instead of a notice"),
        }
    }

    /// The code of the close that comes next.
    pub fn close_code(&mut self) -> u16 {
        match self.socket.read().expect("a close in time") {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("{other:?} instead of a close"),
        }
    }

    /// Joins a room, and waits until that has happened.
    pub fn join(&mut self, room: &str) {
        self.send(&json!({ "type": "join_room", "id": 1, "room": room }));
        assert_eq!(self.next("ack")["id"], 1);
    }

    /// Sends a message to a room, which comes back to its author too.
    pub fn say(&mut self, room: &str, content: &str) {
        self.send(&json!({ "type": "message", "room": room, "content": content }));
        assert_eq!(self.next("message")["content"], content);
    }
}
