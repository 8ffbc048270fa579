//! What to do when the process has no file descriptor left: accept with the last one and close.

use std::{fs::File, io, time::Duration};

use tokio::{net::TcpListener, time::sleep};

/// How long to wait when even that does not work.
const PAUSE: Duration = Duration::from_millis(50);

/// One file descriptor kept for the day that there is none.
///
/// Without it a connection that cannot be accepted stays in the queue: the listener stays readable, and whoever accepts in a
/// loop spins, while the peer waits for a server that never answers.
#[derive(Debug)]
pub(crate) struct SpareDescriptor {
    kept: Option<File>,
}

impl SpareDescriptor {
    pub(crate) fn new() -> Self {
        Self { kept: open() }
    }

    /// Gives the spare descriptor to one waiting connection, closes that, and takes it back.
    pub(crate) async fn shed(&mut self, listener: &TcpListener) {
        let had = self.kept.take().is_some();
        // Accepts without waiting: the connection may have gone meanwhile.
        let shed = had && matches!(poll_once(listener).await, Some(Ok(())));
        self.kept = open();
        if !shed || self.kept.is_none() {
            // Somebody else took it, or the whole system is out of descriptors or memory.
            sleep(PAUSE).await;
        }
    }
}

/// Accepts and drops a connection if one is waiting.
async fn poll_once(listener: &TcpListener) -> Option<io::Result<()>> {
    tokio::select! {
        biased;
        accepted = listener.accept() => Some(accepted.map(drop)),
        () = std::future::ready(()) => None,
    }
}

fn open() -> Option<File> {
    File::open(if cfg!(windows) { "NUL" } else { "/dev/null" }).ok()
}

/// Whether an error of `accept` says that the system lacks something, rather than that one connection broke.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    // EMFILE and ENFILE have the same numbers on all Unixes, and no `ErrorKind`.
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    // ENOBUFS and ENOMEM, of which only the second has a kind.
    const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    const WSAEMFILE: i32 = 10024;
    const WSAENOBUFS: i32 = 10055;
    let exhausted: &[i32] = if cfg!(windows) { &[WSAEMFILE, WSAENOBUFS] } else { &[ENFILE, EMFILE, ENOBUFS] };
    error.kind() == io::ErrorKind::OutOfMemory || error.raw_os_error().is_some_and(|code| exhausted.contains(&code))
}
