//! Many WebSocket clients in one thread: they connect, join, send, and hear.

mod connection;

use std::{
    io,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use connection::{Connection, Stage};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

pub use connection::Counts;
pub(crate) use connection::write_some;

use crate::{LoadError, frames, words};

/// Handshakes under way at once: fewer than fit into any listener's queue.
pub const AT_ONCE: usize = 64;
/// How long a handshake, or a join, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// A nap between two looks at the sockets, so that the server wakes a sleeping thread seldom: waking costs the sender.
const NAP: Duration = Duration::from_micros(50);
/// As many sockets in one look mean that there is no time for a nap.
const BUSY: usize = 64;

/// How a turn waits for something to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: for ping-pong, where a nap would be most of the latency.
    Spin,
    /// It naps after each look unless there was much to do.
    Nap,
    /// In the kernel, until something happens, this long at most.
    Sleep(Duration),
}

/// All clients.
pub struct Clients {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    scratch: Vec<u8>,
    frame: Vec<u8>,
    text: Vec<u8>,
    /// What was read so far.
    pub counts: Counts,
}

impl Clients {
    /// Nobody yet.
    ///
    /// # Errors
    /// When the system offers no poll.
    pub fn new() -> Result<Self, LoadError> {
        Ok(Self {
            poll: Poll::new().map_err(LoadError::system("poll"))?,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            scratch: vec![0; 64 * 1024],
            frame: Vec::new(),
            text: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Connects `count` more, at most `at_once` of them at a time, and returns when all have joined the rooms that `room_of`
    /// names, by the number of the client.
    ///
    /// # Errors
    /// [`LoadError::Stalled`] after 30 s in which nothing happened, and what a connection can meet.
    pub fn join(
        &mut self,
        address: SocketAddr,
        count: usize,
        at_once: usize,
        room_of: impl Fn(usize) -> String,
    ) -> Result<(), LoadError> {
        let (first, last) = (self.len(), self.len() + count);
        let mut joined = first;
        let mut progress = Instant::now();
        while joined < last {
            while self.len() < last && self.len() - joined < at_once {
                self.connect(address)?;
            }
            let mut greeted = Vec::new();
            let before = joined;
            self.look(Wait::Sleep(Duration::from_millis(100)), |member, stage, text| match stage {
                Stage::Greeting if text.starts_with(br#"{"type":"connected""#) => {
                    greeted.push(member);
                    Stage::Joining
                }
                Stage::Joining if text.starts_with(br#"{"type":"ack""#) => {
                    joined += 1;
                    Stage::Member
                }
                stage => stage,
            })?;
            if joined > before || !greeted.is_empty() {
                progress = Instant::now();
            } else if progress.elapsed() > PATIENCE {
                let missing = (last - joined) as u64;
                return Err(LoadError::Stalled { missing, what: "joins", waited: PATIENCE });
            }
            for member in greeted {
                self.text.clear();
                words::write_join(&room_of(member), &mut self.text);
                self.send_text(member)?;
            }
        }
        Ok(())
    }

    /// Sends a message to everyone else in the room.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn say(&mut self, room: &str, stamp: words::Stamp, payload: usize) -> Result<(), LoadError> {
        self.text.clear();
        words::write_message(room, stamp, payload, &mut self.text);
        self.send_text(stamp.sender as usize)
    }

    /// Looks once at all sockets and gives every text to `heard`, with the number of the client. Returns how many sockets had
    /// something.
    ///
    /// # Errors
    /// When a connection ended or broke.
    pub fn turn(&mut self, wait: Wait, mut heard: impl FnMut(usize, &[u8])) -> Result<usize, LoadError> {
        self.look(wait, |member, stage, text| {
            heard(member, text);
            stage
        })
    }

    /// Reads and forgets until nothing has come for `quiet`.
    ///
    /// # Errors
    /// As [`turn`](Self::turn), and [`LoadError::Stalled`] when it is still not quiet after a minute.
    pub fn settle(&mut self, quiet: Duration) -> Result<(), LoadError> {
        let begin = Instant::now();
        let mut heard_last = begin;
        while heard_last.elapsed() < quiet {
            let left = quiet.saturating_sub(heard_last.elapsed());
            if self.turn(Wait::Sleep(left), |_, _| ())? > 0 {
                heard_last = Instant::now();
            }
            let waited = begin.elapsed();
            if waited > Duration::from_secs(60) {
                return Err(LoadError::Stalled { missing: 1, what: "silence", waited });
            }
        }
        Ok(())
    }

    fn connect(&mut self, address: SocketAddr) -> Result<(), LoadError> {
        // Blocking, because on loopback the kernel answers within the call.
        let stream = std::net::TcpStream::connect(address).map_err(LoadError::system("connect"))?;
        let prepared = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
        prepared.map_err(LoadError::system("prepare a socket"))?;
        let mut stream = TcpStream::from_std(stream);
        let token = Token(self.len());
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, token, both).map_err(LoadError::system("watch a socket"))?;
        let mut connection = Connection::new(stream);
        connection.ask_for_upgrade().map_err(LoadError::system("send"))?;
        self.connections.push(connection);
        Ok(())
    }

    fn send_text(&mut self, member: usize) -> Result<(), LoadError> {
        self.frame.clear();
        frames::write_client(frames::TEXT, &self.text, &mut self.frame);
        self.connections[member].send(&self.frame).map_err(LoadError::system("send"))
    }

    fn look(&mut self, wait: Wait, mut heard: impl FnMut(usize, Stage, &[u8]) -> Stage) -> Result<usize, LoadError> {
        let timeout = match wait {
            Wait::Spin | Wait::Nap => Duration::ZERO,
            Wait::Sleep(longest) => longest,
        };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            result => result.map_err(LoadError::system("poll"))?,
        }
        let mut active = 0;
        for event in &self.events {
            let Token(member) = event.token();
            let connection = &mut self.connections[member];
            if event.is_writable() {
                connection.send_unsent().map_err(LoadError::system("send"))?;
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                active += 1;
                let mut heard = |stage, text: &[u8]| heard(member, stage, text);
                connection.receive(member, &mut self.scratch, &mut self.counts, &mut heard)?;
            }
        }
        if wait == Wait::Nap && active < BUSY {
            thread::sleep(NAP);
        }
        Ok(active)
    }
}
