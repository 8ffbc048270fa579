//! A pipe of shared bytes between actix's worker and the hub's shard, bounded in bytes.
//!
//! A channel would be bounded in messages, whose sizes differ by four orders of magnitude, and would hold memory for each
//! connection while nothing is in it. This one holds none.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;

/// A pipe that takes more while less than `max_bytes` are in it, so that the last piece may go over it.
pub(crate) fn pipe(max_bytes: usize) -> (PipeWriter, PipeReader) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    (PipeWriter { shared: shared.clone(), max_bytes }, PipeReader { shared, max_bytes })
}

/// The end that bytes go into. Dropping it ends the stream behind what is in the pipe.
#[derive(Debug)]
pub(crate) struct PipeWriter {
    shared: Arc<Mutex<Shared>>,
    max_bytes: usize,
}

/// The end that bytes come out of. Dropping it throws away what is in the pipe.
#[derive(Debug)]
pub(crate) struct PipeReader {
    shared: Arc<Mutex<Shared>>,
    max_bytes: usize,
}

/// The reader is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReaderGone;

/// Wakers are called without the lock: they may run the other end at once.
#[derive(Debug, Default)]
struct Shared {
    queue: VecDeque<Bytes>,
    /// Of the whole queue.
    bytes: usize,
    /// Whoever waits for bytes, or for the writer's end.
    reader: Option<Waker>,
    /// Whoever waits for room, or for the reader's end.
    writer: Option<Waker>,
    writer_gone: bool,
    reader_gone: bool,
}

impl PipeWriter {
    /// Whether there is room. While there is none, the caller is woken when the pipe is half empty.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), ReaderGone>> {
        let mut shared = self.shared.lock();
        if shared.reader_gone {
            return Poll::Ready(Err(ReaderGone));
        }
        if shared.bytes < self.max_bytes {
            return Poll::Ready(Ok(()));
        }
        register(&mut shared.writer, cx);
        Poll::Pending
    }

    /// Puts bytes in, room or not: ask [`poll_ready`](Self::poll_ready) before.
    pub(crate) fn push(&self, bytes: Bytes) {
        let mut shared = self.shared.lock();
        if shared.reader_gone {
            return;
        }
        shared.bytes += bytes.len();
        shared.queue.push_back(bytes);
        wake(shared.reader.take(), shared);
    }
}

impl PipeReader {
    /// The next bytes, as they were put in. `None`: the writer is gone and everything was read.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut shared = self.shared.lock();
        let Some(bytes) = shared.queue.pop_front() else {
            if shared.writer_gone {
                return Poll::Ready(None);
            }
            register(&mut shared.reader, cx);
            return Poll::Pending;
        };
        shared.bytes -= bytes.len();
        if shared.queue.is_empty() && shared.queue.capacity() > KEPT_PIECES {
            shared.queue = VecDeque::new();
        }
        // Later than at the first free byte, so that a wake is worth more than one piece.
        if shared.bytes <= self.max_bytes / 2 {
            wake(shared.writer.take(), shared);
        }
        Poll::Ready(Some(bytes))
    }
}

/// Places for pieces that an empty pipe keeps: a burst's memory would stay for ever otherwise.
const KEPT_PIECES: usize = 8;

impl Drop for PipeWriter {
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
        shared.writer_gone = true;
        wake(shared.reader.take(), shared);
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut shared = self.shared.lock();
        shared.reader_gone = true;
        shared.queue = VecDeque::new();
        shared.bytes = 0;
        wake(shared.writer.take(), shared);
    }
}

fn register(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>, shared: parking_lot::MutexGuard<'_, Shared>) {
    drop(shared);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Wakes {
        fn taken(&self) -> usize {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    fn ends() -> (Arc<Wakes>, Arc<Wakes>, PipeWriter, PipeReader) {
        let (writer, reader) = pipe(10);
        (Arc::default(), Arc::default(), writer, reader)
    }

    fn ready(writer: &PipeWriter, wakes: &Arc<Wakes>) -> Poll<Result<(), ReaderGone>> {
        writer.poll_ready(&mut Context::from_waker(&wakes.clone().into()))
    }

    fn next(reader: &PipeReader, wakes: &Arc<Wakes>) -> Poll<Option<Bytes>> {
        reader.poll_next(&mut Context::from_waker(&wakes.clone().into()))
    }

    #[test]
    fn a_full_pipe_wakes_its_writer_once_when_it_is_half_empty() {
        let (writes, reads, writer, reader) = ends();
        for piece in ["aaaa", "bbbb", "cccc"] {
            assert_eq!(ready(&writer, &writes), Poll::Ready(Ok(())));
            writer.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!(ready(&writer, &writes), Poll::Pending);
        assert_eq!(next(&reader, &reads), Poll::Ready(Some("aaaa".into())));
        assert_eq!(writes.taken(), 0, "8 of 10 bytes are still there");
        assert_eq!(next(&reader, &reads), Poll::Ready(Some("bbbb".into())));
        assert_eq!(writes.taken(), 1);
        assert_eq!(next(&reader, &reads), Poll::Ready(Some("cccc".into())));
        assert_eq!(next(&reader, &reads), Poll::Pending);
        assert_eq!(writes.taken(), 0);
    }

    #[test]
    fn a_waiting_reader_is_woken_by_bytes_and_by_the_end() {
        let (_, reads, writer, reader) = ends();
        assert_eq!(next(&reader, &reads), Poll::Pending);
        writer.push("first".into());
        writer.push("second".into());
        assert_eq!(reads.taken(), 1, "once for all that came since it looked");
        assert_eq!(next(&reader, &reads), Poll::Ready(Some("first".into())));
        assert_eq!(next(&reader, &reads), Poll::Ready(Some("second".into())));
        assert_eq!(next(&reader, &reads), Poll::Pending);
        drop(writer);
        assert_eq!(reads.taken(), 1);
        assert_eq!(next(&reader, &reads), Poll::Ready(None));
    }

    #[test]
    fn what_is_in_the_pipe_outlives_its_writer() {
        let (_, reads, writer, reader) = ends();
        writer.push("last words".into());
        drop(writer);
        assert_eq!(next(&reader, &reads), Poll::Ready(Some("last words".into())));
        assert_eq!(next(&reader, &reads), Poll::Ready(None));
    }

    #[test]
    fn a_waiting_writer_is_told_that_its_reader_is_gone() {
        let (writes, _, writer, reader) = ends();
        writer.push("more than ten".into());
        assert_eq!(ready(&writer, &writes), Poll::Pending);
        drop(reader);
        assert_eq!(writes.taken(), 1);
        assert_eq!(ready(&writer, &writes), Poll::Ready(Err(ReaderGone)));
        writer.push("lost".into());
        assert_eq!(writer.shared.lock().queue.len(), 0);
    }

    #[test]
    fn an_idle_pipe_holds_no_memory_of_a_burst() {
        let (_, reads, writer, reader) = ends();
        for _ in 0..1000 {
            writer.push("x".into());
        }
        while next(&reader, &reads).is_ready() {}
        assert!(writer.shared.lock().queue.capacity() <= KEPT_PIECES);
    }
}
