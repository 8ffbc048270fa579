//! A plain WebSocket server with rooms: guests join, leave, and message each other. The README has the protocol.

use fanfare::{Config, Drain, Hub, InboundRate, Origins};
use lexopt::prelude::*;

const USAGE: &str = "usage: rooms [--bind ADDR] [--workers N] [--rate N|none] [--allow-origin ORIGIN|any]...";

fn main() {
    let (mut bind, mut workers, mut origins) = ("127.0.0.1:8080".to_owned(), 1, Vec::new());
    let mut config = Config::default();
    let mut flags = lexopt::Parser::from_env();
    let mut read = || -> Result<(), lexopt::Error> {
        while let Some(flag) = flags.next()? {
            match flag {
                Long("bind") => bind = flags.value()?.string()?,
                Long("workers") => workers = flags.value()?.parse::<std::num::NonZeroU16>()?.get(),
                Long("rate") => config.inbound_rate = flags.value()?.parse_with(rate)?,
                Long("allow-origin") => origins.push(flags.value()?.string()?),
                Long("help") => exit(USAGE, 0),
                other => return Err(other.unexpected()),
            }
        }
        Ok(())
    };
    read().unwrap_or_else(|error| exit(&format!("rooms: {error}; {USAGE}"), 2));
    let any = origins.iter().any(|origin| origin == "any");
    config.origins = if any { Origins::Any } else { Origins::List(origins) };
    let mut runtime = match workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(workers.into()).enable_all().build().expect("threads can be started");
    runtime.block_on(run(&bind, config)).unwrap_or_else(|error| exit(&format!("rooms: {bind}: {error}"), 1));
}

async fn run(bind: &str, config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::builder().config(config).build()?;
    let listener = tokio::net::TcpListener::bind(bind).await?;
    println!("rooms: listening on ws://{}", listener.local_addr()?);
    let serving = tokio::spawn(fanfare_tcp::websocket(&hub).serve(listener));
    stop_signal().await?;
    hub.drain(Drain::default()).await;
    Ok(serving.await?)
}

/// Messages a second, with twice as many at once after a pause.
fn rate(text: &str) -> Result<Option<InboundRate>, String> {
    if text == "none" {
        return Ok(None);
    }
    let per_second: u32 = text.parse().map_err(|_| "expected a number or `none`")?;
    Ok(Some(InboundRate { per_second, burst: per_second.saturating_mul(2) }))
}

async fn stop_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! { _ = terminate.recv() => Ok(()), interrupted = tokio::signal::ctrl_c() => interrupted }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

fn exit(message: &str, code: i32) -> ! {
    if code == 0 { println!("{message}") } else { eprintln!("{message}") }
    std::process::exit(code)
}
