//! The floor: what the kernel asks for anyway. One thread, one `epoll`, and one `write` for each delivery of the same bytes.
//!
//! It speaks just enough of the native protocol for the load: no limits, no heartbeat, no leave, no check of anything. What does
//! not fit into a socket waits in a buffer without bound.

use std::{
    collections::HashMap,
    io::{self, Read as _},
    time::{SystemTime, UNIX_EPOCH},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use crate::{client::write_some, frames, words};

const LISTENER: Token = Token(usize::MAX);

/// Serves until the process ends.
///
/// # Errors
/// When the system refuses the poll or the listener.
pub fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut floor = Floor::default();
    let mut scratch = vec![0; 64 * 1024];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                floor.accept(&listener, &poll)?;
                continue;
            }
            let Token(index) = event.token();
            if event.is_writable() {
                floor.send_unsent(index);
            }
            if event.is_readable() {
                floor.receive(index, &mut scratch);
            }
        }
    }
}

#[derive(Default)]
struct Floor {
    /// By number; a place is not used again.
    peers: Vec<Option<Peer>>,
    rooms: HashMap<Vec<u8>, Vec<usize>>,
    text: Vec<u8>,
    frame: Vec<u8>,
}

struct Peer {
    stream: TcpStream,
    id: String,
    upgraded: bool,
    partial: Vec<u8>,
    unsent: Vec<u8>,
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The peer left before we looked.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let index = self.peers.len();
            poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
            // As long as fanfare's ids, so that messages have the same length.
            let id = format!("floor-{index:016}");
            let peer = Peer { stream, id, upgraded: false, partial: Vec::new(), unsent: Vec::new() };
            self.peers.push(Some(peer));
        }
    }

    fn receive(&mut self, index: usize, scratch: &mut [u8]) {
        while let Some(peer) = &mut self.peers[index] {
            let read = match peer.stream.read(scratch) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(0) | Err(_) => return self.forget(index),
                Ok(read) => read,
            };
            let mut joined = std::mem::take(&mut peer.partial);
            let bytes = if joined.is_empty() {
                &mut scratch[..read]
            } else {
                joined.extend_from_slice(&scratch[..read]);
                &mut joined[..]
            };
            let used = self.take(index, bytes);
            if let Some(peer) = &mut self.peers[index] {
                peer.partial.extend_from_slice(&bytes[used..]);
            }
            if read < scratch.len() {
                return;
            }
        }
    }

    fn take(&mut self, index: usize, bytes: &mut [u8]) -> usize {
        let mut used = 0;
        if self.peers[index].as_ref().is_some_and(|peer| !peer.upgraded) {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return 0 };
            used = end + 4;
            self.upgrade(index, &bytes[..end]);
        }
        while let Ok(Some(frame)) = frames::first(&mut bytes[used..]) {
            if frame.opcode == frames::TEXT {
                self.act(index, frame.payload);
            }
            used += frame.length;
        }
        used
    }

    fn upgrade(&mut self, index: usize, head: &[u8]) {
        let head = String::from_utf8_lossy(head);
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        let key = headers.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
        let (Some((_, key)), Some(peer)) = (key, &mut self.peers[index]) else { return self.forget(index) };
        peer.upgraded = true;
        let accept = tungstenite::handshake::derive_accept_key(key.trim().as_bytes());
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes();
        let greeting = format!(r#"{{"type":"connected","clientId":"{}","timestamp":{}}}"#, peer.id, now());
        frames::write_server(frames::TEXT, greeting.as_bytes(), &mut answer);
        write(peer, &answer);
    }

    fn act(&mut self, index: usize, text: &[u8]) {
        let (mut kind, mut room, mut content): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
        for (key, value) in words::fields(text) {
            match key {
                b"type" => kind = value,
                b"room" => room = value,
                b"content" => content = value,
                _ => {}
            }
        }
        match kind {
            b"join_room" => {
                self.rooms.entry(room.to_vec()).or_default().push(index);
                let answer = format!(r#"{{"type":"ack","id":1,"room":"{}"}}"#, String::from_utf8_lossy(room));
                self.frame.clear();
                frames::write_server(frames::TEXT, answer.as_bytes(), &mut self.frame);
                if let Some(peer) = &mut self.peers[index] {
                    write(peer, &self.frame);
                }
            }
            b"message" => self.relay(index, room, content),
            _ => {}
        }
    }

    /// The loop that is measured.
    fn relay(&mut self, sender: usize, room: &[u8], content: &[u8]) {
        let (Some(members), Some(from)) = (self.rooms.get(room), &self.peers[sender]) else { return };
        let Ok(name) = std::str::from_utf8(room) else { return };
        self.text.clear();
        words::write_relayed(&from.id, content, now(), name, &mut self.text);
        self.frame.clear();
        frames::write_server(frames::TEXT, &self.text, &mut self.frame);
        for &member in members.iter().filter(|member| **member != sender) {
            if let Some(peer) = &mut self.peers[member] {
                write(peer, &self.frame);
            }
        }
    }

    fn send_unsent(&mut self, index: usize) {
        if let Some(peer) = &mut self.peers[index]
            && !peer.unsent.is_empty()
        {
            // If it broke, reading will tell.
            let sent = write_some(&mut peer.stream, &peer.unsent).unwrap_or(peer.unsent.len());
            peer.unsent.drain(..sent);
        }
    }

    fn forget(&mut self, index: usize) {
        self.peers[index] = None;
        for members in self.rooms.values_mut() {
            members.retain(|member| *member != index);
        }
    }
}

fn write(peer: &mut Peer, bytes: &[u8]) {
    if peer.unsent.is_empty() {
        // If it broke, reading will tell.
        let sent = write_some(&mut peer.stream, bytes).unwrap_or(bytes.len());
        peer.unsent.extend_from_slice(&bytes[sent..]);
    } else {
        peer.unsent.extend_from_slice(bytes);
    }
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}
