//! One WebSocket client: bytes of a socket to messages, and back.

use std::io::{self, Read as _, Write as _};

use mio::net::TcpStream;

use crate::{LoadError, frames};

/// How far a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The upgrade is asked for.
    Upgrading,
    /// It is a WebSocket; `connected` is awaited.
    Greeting,
    /// The room is asked for.
    Joining,
    /// It is in its room.
    Member,
}

/// What was read of all sockets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Calls of `recv` that brought something.
    pub receives: u64,
    /// Bytes that they brought.
    pub bytes: u64,
}

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) stage: Stage,
    /// A frame, or an answer of the handshake, that is not whole yet.
    partial: Vec<u8>,
    /// What the socket did not take.
    unsent: Vec<u8>,
}

/// The key of the example in RFC 6455, section 1.3: the answer to it is checked, and the same for all.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, stage: Stage::Upgrading, partial: Vec::new(), unsent: Vec::new() }
    }

    pub(super) fn ask_for_upgrade(&mut self) -> io::Result<()> {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        self.send(request.as_bytes())
    }

    /// Sends bytes, or keeps what the socket does not take until it does.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let sent = write_some(&mut self.stream, bytes)?;
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    pub(super) fn send_unsent(&mut self) -> io::Result<()> {
        if !self.unsent.is_empty() {
            let sent = write_some(&mut self.stream, &self.unsent)?;
            self.unsent.drain(..sent);
        }
        Ok(())
    }

    /// Reads what is there and gives each text to `heard`, with how far the client is; `heard` returns how far it is then.
    pub(super) fn receive(
        &mut self,
        member: usize,
        scratch: &mut [u8],
        counts: &mut Counts,
        heard: &mut impl FnMut(Stage, &[u8]) -> Stage,
    ) -> Result<(), LoadError> {
        loop {
            let read = match self.stream.read(scratch) {
                Ok(0) => return Err(LoadError::Ended { member }),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(LoadError::Ended { member });
                }
                Err(error) => return Err(LoadError::system("receive")(error)),
            };
            counts.receives += 1;
            counts.bytes += read as u64;
            if self.partial.is_empty() {
                let used = self.take(member, &mut scratch[..read], heard)?;
                self.partial.extend_from_slice(&scratch[used..read]);
            } else {
                let mut partial = std::mem::take(&mut self.partial);
                partial.extend_from_slice(&scratch[..read]);
                let used = self.take(member, &mut partial, heard)?;
                partial.drain(..used);
                if !partial.is_empty() {
                    self.partial = partial;
                }
            }
            // A short read emptied the socket: what comes later is a new event.
            if read < scratch.len() {
                return Ok(());
            }
        }
    }

    /// Takes everything that is whole, and returns how many bytes it was.
    fn take(
        &mut self,
        member: usize,
        bytes: &mut [u8],
        heard: &mut impl FnMut(Stage, &[u8]) -> Stage,
    ) -> Result<usize, LoadError> {
        let unreadable = |what| LoadError::Unreadable { member, what };
        let mut used = 0;
        if self.stage == Stage::Upgrading {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            check_upgrade(&bytes[..end]).map_err(unreadable)?;
            self.stage = Stage::Greeting;
            used = end + 4;
        }
        while let Some(frame) = frames::first(&mut bytes[used..]).map_err(unreadable)? {
            match frame.opcode {
                frames::TEXT => self.stage = heard(self.stage, frame.payload),
                frames::PING => {
                    let mut pong = Vec::new();
                    frames::write_client(frames::PONG, frame.payload, &mut pong);
                    self.send(&pong).map_err(LoadError::system("send"))?;
                }
                frames::CLOSE => return Err(LoadError::Ended { member }),
                _ => {}
            }
            used += frame.length;
        }
        Ok(used)
    }
}

fn check_upgrade(head: &[u8]) -> Result<(), &'static str> {
    let head = std::str::from_utf8(head).map_err(|_| "a head that is no text")?;
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err("a refusal of the upgrade");
    }
    let accept = tungstenite::handshake::derive_accept_key(KEY.as_bytes());
    let accepted = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == accept);
    if accepted { Ok(()) } else { Err("an upgrade without the right key") }
}

/// Writes until the socket takes no more, and returns how much it took.
pub(crate) fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(written) => sent += written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
