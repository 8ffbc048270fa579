//! The server as its users see it: a JavaScript client, the flags, the signals, the limits of the system.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const ROOMS: &str = env!("CARGO_BIN_EXE_rooms");

struct Server {
    child: Child,
    address: String,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("rooms: listening on ws://").expect("the server says where it listens");
        Self { child, address: address.to_owned(), _stdout: stdout }
    }

    fn at(bind: &str) -> Self {
        Self::start(Command::new(ROOMS).args(["--bind", bind]))
    }

    fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a WebSocket and returns what is answered: the status line, or nothing if the connection is closed.
fn greet(address: &str, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "GET /any/path HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    // A server that closes at once may reset this.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = [0; 12];
    let answered = stream.read_exact(&mut answer).is_ok();
    (stream, if answered { String::from_utf8_lossy(&answer).into_owned() } else { String::new() })
}

const UPGRADED: &str = "HTTP/1.1 101";

#[test]
fn a_javascript_client_talks_and_comes_back_after_the_server_was_killed() {
    let mut server = Server::at("127.0.0.1:0");
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/javascript/scenario.mjs");
    let mut node = Command::new("node")
        .args([scenario, &format!("ws://{}", server.address)])
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is installed; `cargo xtask test` does it");
    let mut said = BufReader::new(node.stdout.take().unwrap()).lines();
    let first = said.next().map(Result::unwrap);
    assert_eq!(first.as_deref(), Some("kill me"));
    let address = server.address.clone();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let _again = Server::at(&address);
    assert!(node.wait().unwrap().success());
}

#[test]
fn foreign_pages_are_refused_unless_they_are_allowed() {
    let page = "Origin: https://app.example\r\n";
    for (flags, expected) in [
        (&[][..], "HTTP/1.1 403"),
        (&["--allow-origin", "https://other.example"], "HTTP/1.1 403"),
        (&["--allow-origin", "https://other.example", "--allow-origin", "https://app.example"], UPGRADED),
        (&["--allow-origin", "*"], UPGRADED),
    ] {
        let server = Server::start(Command::new(ROOMS).args(["--bind", "127.0.0.1:0"]).args(flags));
        assert_eq!(greet(&server.address, page).1, expected, "{flags:?}");
    }
}

#[test]
fn a_stop_signal_sends_everybody_away_and_ends_the_server() {
    for (signal, workers) in [("-TERM", "1"), ("-INT", "3")] {
        let mut server =
            Server::start(Command::new(ROOMS).args(["--bind", "127.0.0.1:0", "--rate", "none", "--workers", workers]));
        let (mut stream, answer) = greet(&server.address, "");
        assert_eq!(answer, UPGRADED);
        server.signal(signal);
        let mut rest = Vec::new();
        // The client closes after the server's close, and the server waits for that, but not for ever.
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.windows(2).any(|code| code == 1012_u16.to_be_bytes()), "{rest:?}");
        drop(stream);
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_mistake_is_one_clear_line_and_a_failing_exit() {
    let server = Server::at("127.0.0.1:0");
    for (flags, code, expected) in [
        (&["--bind", &server.address][..], 1, "in use"),
        (&["--bind", "nonsense"], 1, "nonsense"),
        (&["--rate", "0"], 2, "--rate N|none"),
        (&["--rate", "fast"], 2, "fast"),
        (&["--workers", "0"], 2, "--workers N"),
        (&["--bind"], 2, "--bind"),
        (&["--unknown"], 2, "--unknown"),
        (&["extra"], 2, "extra"),
    ] {
        let output = Command::new(ROOMS).args(flags).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {told}");
        assert!(told.contains(expected), "{flags:?}: {told}");
        assert_eq!((told.lines().count(), output.stdout.len()), (1, 0), "{flags:?}: {told}");
    }
}

#[test]
fn out_of_file_descriptors_the_server_closes_new_connections_and_goes_on() {
    let limited = format!("ulimit -n 40; exec '{ROOMS}' --bind 127.0.0.1:0");
    let mut server = Server::start(Command::new("sh").args(["-c", &limited]));
    let mut open = Vec::new();
    let refused = loop {
        let (stream, answer) = greet(&server.address, "");
        if answer != UPGRADED {
            break answer;
        }
        open.push(stream);
        assert!(open.len() < 40, "the limit holds");
    };
    assert_eq!(refused, "", "closed without a word");
    // More of them, and the waiting costs nothing: a loop that spins would have used this time whole.
    let (begin, used) = (Instant::now(), cpu_time(server.child.id()));
    let mut longest = Duration::ZERO;
    while begin.elapsed() < Duration::from_millis(300) {
        let begin = Instant::now();
        assert_eq!(greet(&server.address, "").1, "");
        longest = longest.max(begin.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(longest < Duration::from_secs(5), "nobody is told for {longest:?}");
    if let (Some(before), Some(after)) = (used, cpu_time(server.child.id())) {
        assert!(after - before < Duration::from_millis(200), "{:?} of processor time", after - before);
    }
    // Room again: within a moment the next one is let in.
    drop(open);
    let begin = Instant::now();
    while greet(&server.address, "").1 != UPGRADED {
        assert!(begin.elapsed() < Duration::from_secs(5), "nobody is let in any more");
    }
    println!("let in again after {:?}", begin.elapsed());
    assert_eq!(server.child.try_wait().unwrap().and_then(|status: ExitStatus| status.code()), None);
}

/// Processor time of a process, where the system tells.
fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap_or(0)).sum();
    // Linux counts in hundredths of a second, whatever the kernel's own tick is.
    Some(Duration::from_millis(ticks * 10))
}
