//! The server of the example `rooms` under an allocator that counts: for each line that it reads it tells the bytes and the
//! blocks on its heap.

use std::{
    alloc::System,
    env,
    error::Error,
    io::{self, BufRead as _},
    thread,
};

use fanfare::{Config, Hub};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [flag, address] = words.as_slice() else { return Err("usage: idle-heap --bind ADDR".into()) };
    if flag != "--bind" {
        return Err("usage: idle-heap --bind ADDR".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = Config { inbound_rate: None, ..Config::default() };
        let hub = Hub::builder().config(config).build()?;
        let listener = tokio::net::TcpListener::bind(address).await?;
        println!("idle-heap: listening on {}", listener.local_addr()?);
        thread::spawn(answer);
        fanfare_tcp::websocket(&hub).serve(listener).await;
        Ok(())
    })
}

fn answer() {
    for line in io::stdin().lock().lines() {
        if line.is_err() {
            return;
        }
        let stats = HEAP.stats();
        let bytes = stats.bytes_allocated as isize - stats.bytes_deallocated as isize + stats.bytes_reallocated;
        let blocks = stats.allocations as isize - stats.deallocations as isize;
        println!("{bytes} {blocks}");
    }
}
