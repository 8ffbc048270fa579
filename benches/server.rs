//! A server under test: a process of its own, on a core of its own, that ends with us.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::{LoadError, machine, machine::Pinning};

/// How long a server may take until it says where it listens.
const START: Duration = Duration::from_secs(10);

/// A program that can be measured: it takes `--bind ADDR` and says `…listening on …ADDR` in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contestant {
    /// Its name in the report.
    pub name: String,
    /// Where the program is.
    pub path: PathBuf,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl Contestant {
    /// The floor: [`crate::floor`] as a process.
    pub fn floor(programs: &Path) -> Self {
        Self { name: "floor-write".to_owned(), path: programs.join("floor"), arguments: Vec::new() }
    }

    /// The example `rooms`, or another build of it: every bound but the rate is the default.
    pub fn rooms(name: &str, path: PathBuf) -> Self {
        let arguments = vec!["--rate".to_owned(), "none".to_owned()];
        Self { name: name.to_owned(), path, arguments }
    }

    /// `rooms` under an allocator that counts.
    pub fn idle_heap(programs: &Path) -> Self {
        Self { name: "idle-heap".to_owned(), path: programs.join("idle-heap"), arguments: Vec::new() }
    }
}

/// A contestant that runs. Dropping it ends the process, and no other.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Kept open: a server that logs must not fail.
    output: BufReader<ChildStdout>,
    input: ChildStdin,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts the contestant on a port that the system chooses, and waits until it listens.
    ///
    /// # Errors
    /// [`LoadError::NotBuilt`] and [`LoadError::NotStarted`].
    pub fn start(contestant: &Contestant, pinning: &Pinning) -> Result<Self, LoadError> {
        if !contestant.path.is_file() {
            return Err(LoadError::NotBuilt { path: contestant.path.clone() });
        }
        let not_started = |reason: String| LoadError::NotStarted { name: contestant.name.clone(), reason };
        let mut command = Vec::new();
        // Both tools become the program that they start, so its process is our child.
        if let Some(setpriv) = machine::tool("setpriv") {
            // Should we be killed, the server must not stay.
            command.extend([setpriv.into_os_string(), "--pdeathsig".into(), "KILL".into()]);
        }
        if let (Pinning::Cores(core, _), Some(taskset)) = (pinning, machine::tool("taskset")) {
            command.extend([taskset.into_os_string(), "--cpu-list".into(), core.to_string().into()]);
        }
        command.push(contestant.path.clone().into_os_string());
        command.extend(contestant.arguments.iter().map(Into::into));
        command.extend(["--bind", "127.0.0.1:0"].map(Into::into));
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| not_started(error.to_string()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(not_started("it has no pipes".to_owned()));
        };
        let (found, address) = mpsc::channel();
        // In a thread of its own, because a pipe cannot be read for ten seconds only.
        let reader = thread::spawn(move || {
            let mut output = BufReader::new(output);
            // Nobody waits any more when it took too long.
            let _ = found.send(read_address(&mut output));
            output
        });
        let address = address.recv_timeout(START).ok().flatten();
        let Some(address) = address else {
            drop(child.kill());
            let ended = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            return Err(not_started(format!("it did not say where it listens ({ended})")));
        };
        let output = reader.join().map_err(|_| not_started("its output cannot be read".to_owned()))?;
        Ok(Self { child, output, input, address })
    }

    /// The number of the process, for tools that watch it.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// CPU time since the server began.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu_time(&self) -> Result<Duration, LoadError> {
        machine::cpu_time(self.process()).map_err(LoadError::system("read the server's CPU time"))
    }

    /// Memory of the server.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory(&self) -> Result<machine::Memory, LoadError> {
        machine::memory(self.process()).map_err(LoadError::system("read the server's memory"))
    }

    /// Asks `idle-heap` how many bytes it has allocated, and in how many blocks.
    ///
    /// # Errors
    /// When it does not answer two numbers. Other servers do not answer at all: ask `idle-heap` only.
    pub fn heap(&mut self) -> Result<(u64, u64), LoadError> {
        let mut line = String::new();
        let asked = self.input.write_all(b"\n").and_then(|()| self.output.read_line(&mut line));
        asked.map_err(LoadError::system("ask the server for its heap"))?;
        let mut numbers = line.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(bytes)), Some(Ok(blocks))) => Ok((bytes, blocks)),
            _ => Err(LoadError::NotStarted { name: "idle-heap".to_owned(), reason: format!("it answered {line:?}") }),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is our child, so the number is still its own, even if it has ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads lines until one tells an address: what stands behind its last space or slash.
fn read_address(output: &mut impl BufRead) -> Option<SocketAddr> {
    output.lines().map_while(Result::ok).find_map(|line| {
        let (_, told) = line.split_once("listening on")?;
        told.trim().rsplit([' ', '/']).next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_behind_other_lines() {
        for line in ["rooms: listening on ws://127.0.0.1:8080", "listening on 127.0.0.1:8080"] {
            let mut output = format!("starting\n{line}\nmore\n").into_bytes();
            assert_eq!(read_address(&mut &output[..]), Some(SocketAddr::from(([127, 0, 0, 1], 8080))));
            output.truncate(9);
            assert_eq!(read_address(&mut &output[..]), None);
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_told_with_the_command_that_builds_it() {
        let contestant = Contestant::floor(Path::new("/nowhere"));
        let error = Server::start(&contestant, &Pinning::Free(String::new())).unwrap_err();
        assert!(error.to_string().contains("cargo build --release"), "{error}");
    }
}
