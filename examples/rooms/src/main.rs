//! A plain WebSocket server with rooms: guests join, leave, and send messages to each other.

use std::{error::Error, num::NonZero, sync::Arc};

use fanfare::{Config, Drain, Hub, InboundRate, Origins};
use lexopt::prelude::*;
use tokio::{net::TcpListener, runtime::Builder, sync::Notify};

const USAGE: &str = "usage: rooms [--bind ADDR] [--workers N] [--rate N|none] [--allow-origin ORIGIN|*]...";

fn main() {
    let (bind, workers, config) = flags().unwrap_or_else(|error| exit(2, &format!("{error}; {USAGE}")));
    let mut runtime = if workers == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    let runtime = runtime.worker_threads(workers).enable_all().build().expect("threads can be started");
    runtime.block_on(run(&bind, config)).unwrap_or_else(|error| exit(1, &format!("{bind}: {error}")));
}

async fn run(bind: &str, config: Config) -> Result<(), Box<dyn Error>> {
    let hub = Hub::builder().config(config).build()?;
    let listener = TcpListener::bind(bind).await?;
    let stop = Arc::new(Notify::new());
    let stopping = stop.clone();
    ctrlc::set_handler(move || stopping.notify_one())?;
    println!("rooms: listening on ws://{}", listener.local_addr()?);
    let serving = tokio::spawn(fanfare_tcp::websocket(&hub).serve(listener));
    stop.notified().await;
    hub.drain(Drain::default()).await;
    Ok(serving.await?)
}

fn flags() -> Result<(String, usize, Config), lexopt::Error> {
    let (mut bind, mut workers, mut config) = ("127.0.0.1:8080".to_owned(), 1, Config::default());
    let mut origins = Vec::new();
    let mut flags = lexopt::Parser::from_env();
    while let Some(flag) = flags.next()? {
        match flag {
            Long("bind") => bind = flags.value()?.string()?,
            Long("workers") => workers = flags.value()?.parse::<NonZero<u8>>()?.get().into(),
            Long("rate") => config.inbound_rate = flags.value()?.parse_with(rate)?,
            Long("allow-origin") => origins.push(flags.value()?.string()?),
            Long("help") => exit(0, USAGE),
            other => return Err(other.unexpected()),
        }
    }
    config.origins = if origins.iter().any(|origin| origin == "*") { Origins::Any } else { Origins::List(origins) };
    Ok((bind, workers, config))
}

/// Messages a second, with twice as many at once after a pause.
fn rate(text: &str) -> Result<Option<InboundRate>, std::num::ParseIntError> {
    let rate = |per_second: u32| InboundRate { per_second, burst: per_second.saturating_mul(2) };
    if text == "none" { Ok(None) } else { Ok(Some(rate(text.parse::<NonZero<u32>>()?.get()))) }
}

fn exit(code: i32, message: &str) -> ! {
    eprintln!("rooms: {message}");
    std::process::exit(code)
}
