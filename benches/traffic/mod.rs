//! Traffic: who sends when, for how long, and what it cost.

mod ledger;

use std::time::{Duration, Instant};

pub use ledger::{Layout, Ledger};

use crate::{
    LoadError,
    client::{AT_ONCE, Clients, Wait},
    figures::{Latencies, Measured},
    machine,
    server::Server,
    words::StampReader,
};

/// How long the last deliveries may take after the last message was sent.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same traffic before it is measured, so that caches and buffers are warm.
const WARM_UP: Duration = Duration::from_millis(500);

/// Who sends when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The first talker sends so many messages a second, whatever comes back.
    PerSecond(u32),
    /// Each talker has so many messages under way: the next one goes out when everybody has an earlier one.
    Window(u32),
    /// In each room one message goes back and forth: who gets it sends the next.
    Answer,
}

/// Traffic of one kind for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// Its name in the report.
    pub name: &'static str,
    /// Who sends when.
    pub pace: Pace,
    /// How long messages are sent.
    pub lasts: Duration,
}

/// Clients in their rooms, connected to one server, and the books about them.
pub struct Party<'a> {
    server: &'a Server,
    clients: Clients,
    ledger: Ledger,
    stamps: StampReader,
    layout: Layout,
    payload: usize,
    rooms: Vec<String>,
}

impl<'a> Party<'a> {
    /// Connects everybody and waits until the server has said all that it says about joins.
    ///
    /// # Errors
    /// What a connection can meet.
    pub fn gather(server: &'a Server, layout: Layout, payload: usize) -> Result<Self, LoadError> {
        let mut clients = Clients::new()?;
        let rooms: Vec<String> = (0..layout.rooms).map(|room| format!("room-{room:05}")).collect();
        clients.join(server.address, layout.everyone(), AT_ONCE, |member| rooms[layout.room_of(member)].clone())?;
        clients.settle(Duration::from_millis(200))?;
        let (ledger, stamps) = (Ledger::new(layout), StampReader::default());
        Ok(Self { server, clients, ledger, stamps, layout, payload, rooms })
    }

    /// Sends for the time of the phase, after a warm-up, and measures until the last delivery has come.
    ///
    /// # Errors
    /// When a message was lost, came twice or out of order, and what a connection can meet.
    pub fn measure(&mut self, phase: &Phase) -> Result<Measured, LoadError> {
        self.send(phase.pace, WARM_UP.min(phase.lasts))?;
        self.ledger.take_figures();
        let own = std::process::id();
        let load_cpu = || machine::cpu_time(own).map_err(LoadError::system("read our CPU time"));
        let (counts, own_before) = (self.clients.counts, load_cpu()?);
        let (server_before, begin) = (self.server.cpu_time()?, Instant::now());
        self.send(phase.pace, phase.lasts)?;
        let (elapsed, server_after) = (begin.elapsed(), self.server.cpu_time()?);
        let (deliveries, latencies) = self.ledger.take_figures();
        Ok(Measured {
            deliveries,
            elapsed,
            server_cpu: server_after.saturating_sub(server_before),
            load_cpu: load_cpu()?.saturating_sub(own_before),
            receives: self.clients.counts.receives - counts.receives,
            bytes: self.clients.counts.bytes - counts.bytes,
            latencies: Latencies::of(latencies),
        })
    }

    fn send(&mut self, pace: Pace, lasts: Duration) -> Result<(), LoadError> {
        let wait = if pace == Pace::Answer { Wait::Spin } else { Wait::Nap };
        let mut turns: Vec<usize> = Vec::new();
        match pace {
            Pace::PerSecond(_) => {}
            Pace::Window(window) => (0..window).for_each(|_| turns.extend(self.layout.talkers())),
            Pace::Answer => turns.extend(self.layout.talkers().step_by(self.layout.talkers)),
        }
        let begin = Instant::now();
        let mut paced = 0;
        loop {
            let now = begin.elapsed();
            let sending = now < lasts;
            if let (true, Pace::PerSecond(rate)) = (sending, pace) {
                // By the clock, not by the last one: a late message does not delay the next.
                if now >= Duration::from_secs(paced) / rate {
                    paced += 1;
                    turns.push(0);
                }
            }
            for sender in turns.drain(..).filter(|_| sending) {
                let stamp = self.ledger.send(sender, Instant::now());
                self.clients.say(&self.rooms[self.layout.room_of(sender)], stamp, self.payload)?;
            }
            let missing = self.ledger.missing();
            if !sending && missing == 0 {
                return Ok(());
            }
            if now > lasts + PATIENCE {
                return Err(LoadError::Stalled { missing, what: "deliveries", waited: PATIENCE });
            }
            let mut fault = None;
            self.clients.turn(wait, |member, text| {
                let Some(stamp) = self.stamps.read(text) else { return };
                match self.ledger.deliver(member, stamp) {
                    Ok(true) if pace == Pace::Answer => turns.push(member),
                    Ok(true) if matches!(pace, Pace::Window(_)) => turns.push(stamp.sender as usize),
                    Ok(_) => {}
                    Err(error) => fault = fault.take().or(Some(error)),
                }
            })?;
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
    }
}
