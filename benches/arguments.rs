//! The command line of `load`.

use std::{path::PathBuf, time::Duration};

use lexopt::prelude::*;

use crate::words::Stamp;

/// What `load --help` prints.
pub const HELP: &str = "\
load SCENARIO [OPTIONS]: measures fanfare's `rooms` beside the floor, in interleaved rounds

SCENARIO
    fanout      one room: a publisher and --members receivers; paced, then saturated
    paced       the first half of it: --rate messages a second, 10 s
    saturated   the second half: --window messages under way, 5 s
    chat        --rooms rooms of 10 (100 unless said); everyone has one message under way, 5 s
    pingpong    --rooms rooms of 2 (50 unless said) that answer each other, 5 s
    idle        --connections that are silent, in --rooms rooms (1 unless said): memory, and CPU of connecting

OPTIONS
    --rounds N          how often each server is measured (5)
    --seconds N         how long a phase lasts, instead of the above
    --members N         receivers (1000)
    --rate N            messages a second (50)
    --window N          messages under way (32)
    --payload N         bytes of content, at least 16 (64)
    --rooms N           rooms
    --connections N     idle connections (10000)
    --also NAME=PATH    another build of `rooms` to measure in the same rounds; may be repeated
    --only NAME         leaves the other servers out; without the floor there is no ratio
    --server-core N     core of the servers (0)
    --load-core N       core of the load (1)

The servers are started from the folder that `load` itself is in, and ended. Everything stays on loopback.";

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// One room, paced and saturated.
    Fanout,
    /// One room at a given rate.
    Paced,
    /// One room in a closed loop.
    Saturated,
    /// Small rooms in a closed loop.
    Chat,
    /// Pairs that answer each other.
    Pingpong,
    /// Silent connections.
    Idle,
}

/// A command line that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a command line is plain fields")]
pub struct Arguments {
    /// What to measure.
    pub scenario: Scenario,
    /// How often.
    pub rounds: usize,
    /// How long a phase lasts; `None` for the scenario's own.
    pub lasts: Option<Duration>,
    /// Receivers of the one room.
    pub members: usize,
    /// Messages a second.
    pub rate: u32,
    /// Messages under way.
    pub window: u32,
    /// Bytes of content.
    pub payload: usize,
    /// Rooms; `None` for the scenario's own.
    pub rooms: Option<usize>,
    /// Idle connections.
    pub connections: usize,
    /// Other builds of `rooms`, by name.
    pub also: Vec<(String, PathBuf)>,
    /// The one server to measure.
    pub only: Option<String>,
    /// Core of the servers.
    pub server_core: u32,
    /// Core of the load.
    pub load_core: u32,
}

impl Arguments {
    /// Reads the words behind the program's name; `None` when they ask for help.
    ///
    /// # Errors
    /// One line that says which word was not understood.
    pub fn parse(
        words: impl IntoIterator<Item = impl Into<std::ffi::OsString>>,
    ) -> Result<Option<Self>, lexopt::Error> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut scenario = None;
        let mut arguments = Self {
            scenario: Scenario::Fanout,
            rounds: 5,
            lasts: None,
            members: 1000,
            rate: 50,
            window: 32,
            payload: 64,
            rooms: None,
            connections: 10_000,
            also: Vec::new(),
            only: None,
            server_core: 0,
            load_core: 1,
        };
        while let Some(word) = parser.next()? {
            match word {
                Short('h') | Long("help") => return Ok(None),
                Value(name) if scenario.is_none() => scenario = Some(name.parse_with(read_scenario)?),
                Long("rounds") => arguments.rounds = count(&mut parser)?,
                Long("seconds") => arguments.lasts = Some(Duration::from_secs(count(&mut parser)? as u64)),
                Long("members") => arguments.members = count(&mut parser)?,
                Long("rate") => arguments.rate = small(&mut parser)?,
                Long("window") => arguments.window = small(&mut parser)?,
                Long("payload") => arguments.payload = parser.value()?.parse_with(read_payload)?,
                Long("rooms") => arguments.rooms = Some(count(&mut parser)?),
                Long("connections") => arguments.connections = count(&mut parser)?,
                Long("also") => arguments.also.push(parser.value()?.parse_with(read_build)?),
                Long("only") => arguments.only = Some(parser.value()?.string()?),
                Long("server-core") => arguments.server_core = parser.value()?.parse()?,
                Long("load-core") => arguments.load_core = parser.value()?.parse()?,
                other => return Err(other.unexpected()),
            }
        }
        let Some(scenario) = scenario else { return Ok(None) };
        Ok(Some(Self { scenario, ..arguments }))
    }
}

fn read_scenario(name: &str) -> Result<Scenario, &'static str> {
    match name {
        "fanout" => Ok(Scenario::Fanout),
        "paced" => Ok(Scenario::Paced),
        "saturated" => Ok(Scenario::Saturated),
        "chat" => Ok(Scenario::Chat),
        "pingpong" => Ok(Scenario::Pingpong),
        "idle" => Ok(Scenario::Idle),
        _ => Err("there is no such scenario; see --help"),
    }
}

fn count(parser: &mut lexopt::Parser) -> Result<usize, lexopt::Error> {
    // A stamp has room for a million senders.
    parser.value()?.parse_with(|text| match text.parse() {
        Ok(number @ 1..1_000_000) => Ok(number),
        _ => Err("expected a whole number from 1 to 999999"),
    })
}

fn small(parser: &mut lexopt::Parser) -> Result<u32, lexopt::Error> {
    Ok(u32::try_from(count(parser)?).unwrap_or(u32::MAX))
}

fn read_payload(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        // With the words around it, it must stay below what a frame of 64 KiB holds.
        Ok(bytes @ Stamp::LENGTH..=60_000) => Ok(bytes),
        _ => Err("expected 16 to 60000 bytes"),
    }
}

fn read_build(text: &str) -> Result<(String, PathBuf), &'static str> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=PATH")?;
    Ok((name.to_owned(), PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Arguments>, String> {
        Arguments::parse(line.split_whitespace()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_documented_word_is_understood() {
        let documented = HELP.lines().filter_map(|line| line.strip_prefix("    "));
        for line in documented {
            let word = line.split_whitespace().next().unwrap();
            let line = match word.strip_prefix("--") {
                None => word.to_owned(),
                Some("also") => "fanout --also before=/tmp/rooms".to_owned(),
                Some("only") => "fanout --only fanfare".to_owned(),
                Some(_) => format!("fanout {word} 20"),
            };
            assert!(matches!(parsed(&line), Ok(Some(_))), "{line}: {:?}", parsed(&line));
        }
    }

    #[test]
    fn options_say_what_is_measured() {
        let arguments = parsed("idle --connections 500 --also old=/x/rooms --seconds 3").unwrap().unwrap();
        assert_eq!(arguments.scenario, Scenario::Idle);
        assert_eq!((arguments.connections, arguments.lasts), (500, Some(Duration::from_secs(3))));
        assert_eq!(arguments.also, [("old".to_owned(), PathBuf::from("/x/rooms"))]);
        assert_eq!((parsed(""), parsed("chat --help")), (Ok(None), Ok(None)));
    }

    #[test]
    fn a_word_that_is_not_understood_is_an_error() {
        for line in ["fanuot", "chat chat", "chat --rooms 0", "chat --payload 3", "chat --also rooms", "chat --fast"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
