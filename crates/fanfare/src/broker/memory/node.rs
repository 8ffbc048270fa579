//! One node's line to the bus: its sink, and whether it is cut.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use parking_lot::Mutex;

use crate::broker::{BrokerError, BrokerState, Sink};

/// Counts the nodes of one bus. Never given twice.
pub(super) type NodeId = u64;

const UP: u8 = 0;
const CUT: u8 = 1;
const GONE: u8 = 2;

/// One node of a bus.
pub(super) struct Node {
    pub(super) id: NodeId,
    line: AtomicU8,
    /// The sink of its last `subscribe`. One hub has one sink.
    sink: Mutex<Option<Arc<dyn Sink>>>,
}

impl Node {
    pub(super) fn new(id: NodeId) -> Self {
        Self { id, line: AtomicU8::new(UP), sink: Mutex::new(None) }
    }

    pub(super) fn check(&self) -> Result<(), BrokerError> {
        if self.is_up() { Ok(()) } else { Err(BrokerError::Unavailable) }
    }

    pub(super) fn is_up(&self) -> bool {
        self.line.load(Ordering::SeqCst) == UP
    }

    pub(super) fn is_gone(&self) -> bool {
        self.line.load(Ordering::SeqCst) == GONE
    }

    pub(super) fn set_sink(&self, sink: &Arc<dyn Sink>) {
        *self.sink.lock() = Some(sink.clone());
    }

    /// The sink, out of its lock, so that it may be called.
    pub(super) fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.sink.lock().clone()
    }

    /// Cuts the line. Deliveries from now on are lost.
    pub(super) fn cut(&self) {
        if self.swap(UP, CUT) {
            if let Some(sink) = self.sink() {
                sink.state(BrokerState::Degraded);
            }
        }
    }

    /// Mends the line. The gap is signalled after the line works again, so that nothing is lost behind it.
    pub(super) fn heal(&self) {
        if self.swap(CUT, UP) {
            if let Some(sink) = self.sink() {
                sink.state(BrokerState::Up);
                sink.gap(None);
            }
        }
    }

    /// Ends the node and lets its sink go.
    pub(super) fn end(&self) {
        self.line.store(GONE, Ordering::SeqCst);
        let sink = self.sink.lock().take();
        // Dropped out of the lock: a sink may hold the last handle of much else.
        drop(sink);
    }

    fn swap(&self, from: u8, to: u8) -> bool {
        self.line.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}
