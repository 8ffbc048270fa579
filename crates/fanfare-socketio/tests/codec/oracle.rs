//! The official JavaScript codecs write what we write, read what we write, and take whatever we take.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use data_encoding::BASE64;
use fanfare_socketio::{
    Message,
    Revision::{self, V3, V4},
    engine::{
        self,
        payload::{self, Format, PayloadLimits},
    },
    socket::{DefaultParser, Encoded, MsgpackParser, Packet, Parser},
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{
    given,
    properties::{body, read},
};

/// How many packets of Socket.IO, and how many of them with faults.
const PACKETS: usize = 10_000;
const WITH_FAULTS: usize = 5_000;
/// How many bodies of Engine.IO, of four packets on average, and as many with faults.
const BODIES: usize = 2_500;
/// Far more than it takes, so that only an oracle that hangs fails by it.
const TIME: Duration = Duration::from_secs(20);

/// Puts all questions to the oracle and returns its answers in order.
fn ask(questions: Vec<Value>) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    assert!(
        folder.join("node_modules").is_dir(),
        "the packages of crates/fanfare-socketio/tests/oracle are not installed: run `cargo xtask test`"
    );
    let mut oracle = Oracle::start(&folder);
    let count = questions.len();
    let mut input = oracle.0.stdin.take().unwrap();
    let output = BufReader::new(oracle.0.stdout.take().unwrap());
    let writer = thread::spawn(move || {
        for question in questions {
            // An oracle that is gone is noticed by the answers that are missing.
            if writeln!(input, "{question}").is_err() {
                break;
            }
        }
    });
    let answers = answers(output);
    let end = Instant::now() + TIME;
    let answers = (0..count)
        .map(|at| {
            let left = end.saturating_duration_since(Instant::now());
            answers.recv_timeout(left).unwrap_or_else(|_| panic!("no answer to question {at} of {count}"))
        })
        .collect();
    writer.join().unwrap();
    answers
}

fn answers(output: impl BufRead + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = sync_channel(64);
    thread::spawn(move || {
        for line in output.lines() {
            let answer = serde_json::from_str(&line.unwrap()).unwrap();
            if sender.send(answer).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The process, ended with the test however that ends.
struct Oracle(Child);

impl Oracle {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new("node");
        command.arg("oracle.mjs").current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().expect("node is installed"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The same values in every run: what fails is a change of ours and not of the dice.
fn some<T>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

fn message(message: &Message) -> Value {
    match message {
        Message::Text(text) => json!({ "text": text }),
        Message::Binary(bytes) => json!({ "binary": BASE64.encode(bytes) }),
    }
}

fn messages(encoded: &Encoded) -> Vec<Value> {
    let attachments = encoded.attachments.iter().map(|bytes| message(&Message::Binary(bytes.clone())));
    [message(&encoded.first)].into_iter().chain(attachments).collect()
}

fn shown(packet: &Packet) -> Value {
    json!({
        "type": packet.kind() as u8,
        "nsp": packet.namespace(),
        "id": packet.id(),
        "data": packet.data().map(|data| std::str::from_utf8(data).unwrap()),
        "attachments": packet.attachments().iter().map(|bytes| BASE64.encode(bytes)).collect::<Vec<_>>(),
    })
}

/// The codecs to compare, ours and the name of theirs.
fn parsers() -> [(Box<dyn Parser>, Revision, &'static str); 3] {
    [
        (Box::new(DefaultParser::default()), V4, "v5"),
        (Box::new(DefaultParser::default()), V3, "v4"),
        (Box::new(MsgpackParser::default()), V4, "msgpack"),
    ]
}

#[test]
fn socket_packets_are_written_and_read_as_the_official_parsers_do() {
    let parsers = parsers();
    let cases: Vec<_> = some(given::packet(), PACKETS).into_iter().zip(parsers.iter().cycle()).collect();
    let question = |(packet, (parser, _, name)): &(Packet, &(Box<dyn Parser>, Revision, &str))| {
        let messages = messages(&parser.encode(packet));
        json!({ "ask": "socket", "parser": name, "packet": shown(packet), "messages": messages })
    };
    let answers = ask(cases.iter().map(question).collect());
    for ((packet, (parser, _, name)), answer) in cases.iter().zip(answers) {
        let expected = json!({ "messages": messages(&parser.encode(packet)), "read": shown(packet) });
        assert_eq!(answer, expected, "{name}");
    }
}

#[test]
fn socket_packets_with_faults_are_read_as_the_official_parsers_do_or_refused() {
    let parsers = parsers();
    let given = some((given::packet(), given::faults()), WITH_FAULTS).into_iter().zip(parsers.iter().cycle());
    let cases: Vec<_> = given
        .map(|((packet, faults), (parser, revision, name))| {
            let mut encoded = parser.encode(&packet);
            encoded.first = match encoded.first {
                Message::Text(mut text) => {
                    faults.iter().for_each(|fault| fault.put_into_text(&mut text));
                    Message::Text(text)
                }
                Message::Binary(bytes) => {
                    let mut bytes = bytes.to_vec();
                    faults.iter().for_each(|fault| fault.put_into_bytes(&mut bytes));
                    Message::Binary(bytes.into())
                }
            };
            let ours = read(&**parser, *revision, &encoded);
            (encoded, name, ours.ok().flatten())
        })
        .collect();
    let question = |(encoded, name, _): &(Encoded, &&str, Option<Packet>)| json!({ "ask": "socket", "parser": name, "messages": messages(encoded) });
    let answers = ask(cases.iter().map(question).collect());
    let mut taken = 0;
    for ((encoded, name, ours), answer) in cases.iter().zip(answers) {
        let Some(ours) = ours else { continue };
        taken += 1;
        let mut theirs = comparable(answer["read"].clone());
        // Their server, not their parser, takes the query from the namespace.
        if let ("v4", Some((name, _))) = (**name, theirs["nsp"].as_str().and_then(|name| name.split_once('?'))) {
            theirs["nsp"] = json!(name);
        }
        assert_eq!(comparable(shown(ours)), theirs, "{name}: {encoded:?}, {answer}");
    }
    // Otherwise the faults are so bad that nothing was compared.
    assert!(taken > WITH_FAULTS / 20, "{taken}");
}

/// A packet with its data as a value, numbers as JavaScript has them.
fn comparable(mut packet: Value) -> Value {
    fn as_f64(value: &mut Value) {
        match value {
            Value::Number(number) => *value = json!(number.as_f64().unwrap() + 0.0),
            Value::Array(items) => items.iter_mut().for_each(as_f64),
            Value::Object(fields) => fields.values_mut().for_each(as_f64),
            _ => {}
        }
    }
    if let Some(data) = packet["data"].as_str() {
        packet["data"] = serde_json::from_str(data).unwrap();
    }
    as_f64(&mut packet);
    packet
}

const ENGINE_TYPES: [&str; 7] = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];

fn shown_engine(packet: &engine::Packet<'_>) -> Value {
    match packet.to_message(V4) {
        Message::Binary(bytes) => json!({ "type": "message", "binary": BASE64.encode(&bytes) }),
        Message::Text(text) => {
            let kind = text.as_bytes()[0] - b'0';
            json!({ "type": ENGINE_TYPES[usize::from(kind)], "text": &text[1..] })
        }
    }
}

fn name(format: Format) -> &'static str {
    match format {
        Format::V4 => "v4",
        Format::V3Text => "v3text",
        Format::V3Binary => "v3binary",
    }
}

#[test]
fn engine_packets_are_written_and_read_as_the_official_parsers_do() {
    let cases = some((given::engine_packets(), given::format()), BODIES);
    let parts = |(packets, format): &(Vec<given::EnginePacket>, Format)| {
        let packets: Vec<_> = packets.iter().map(given::EnginePacket::packet).collect();
        let frames: Vec<_> = packets.iter().map(|packet| message(&packet.to_message(format.revision()))).collect();
        (packets.iter().map(shown_engine).collect::<Vec<_>>(), frames)
    };
    let question = |case: &(Vec<given::EnginePacket>, Format)| {
        let (packets, frames) = parts(case);
        let body = BASE64.encode(&body(case.1, &case.0));
        json!({ "ask": "engine", "format": name(case.1), "packets": packets, "body": body, "frames": frames })
    };
    let answers = ask(cases.iter().map(question).collect());
    for (case, answer) in cases.iter().zip(answers) {
        let (packets, frames) = parts(case);
        let body = BASE64.encode(&body(case.1, &case.0));
        let expected = json!({ "body": body, "frames": frames, "read": packets, "readFrames": packets });
        assert_eq!(answer, expected, "{:?}", case.1);
    }
}

#[test]
fn bodies_with_faults_are_read_as_the_official_parsers_do_or_refused() {
    let cases = some((given::engine_packets(), given::format(), given::faults()), BODIES);
    let cases: Vec<_> = cases
        .into_iter()
        .map(|(packets, format, faults)| {
            let mut body = body(format, &packets).to_vec();
            faults.iter().for_each(|fault| fault.put_into_bytes(&mut body));
            (Bytes::from(body), format)
        })
        .collect();
    let question = |(body, format): &(Bytes, Format)| json!({ "ask": "engine", "format": name(*format), "body": BASE64.encode(body) });
    let answers = ask(cases.iter().map(question).collect());
    let mut taken = 0;
    for ((body, format), answer) in cases.iter().zip(answers) {
        let ours = payload::decode(body, *format, &PayloadLimits::default());
        let Ok(Ok(ours)) = ours.map(|packets| packets.collect::<Result<Vec<_>, _>>()) else { continue };
        taken += 1;
        let ours: Vec<_> = ours.iter().map(shown_engine).collect();
        assert_eq!(answer["read"], json!(ours), "{format:?} {body:?}");
    }
    assert!(taken > BODIES / 20, "{taken}");
}
