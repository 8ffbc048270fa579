//! The reference chat server: a page, WebSocket and line clients in the same rooms, and messages that are kept.

mod config;
mod http;
mod login;
mod page;
mod rooms;
mod store;

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use axum_server::Handle;
use config::{Config, Listen, LogFormat, Origin};
use fanfare::{Drain, Origins};
use login::Login;
use store::Store;
use tokio::{net::TcpListener, time::timeout};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// How the server stops: clients are told over a second, come back within two, and nobody is waited for beyond five.
const DRAIN: Drain =
    Drain { pace: Duration::from_secs(1), spread: Duration::from_secs(2), limit: Duration::from_secs(5) };
/// Time for each of what else has to end: requests under way, the database.
const ENDING: Duration = Duration::from_secs(1);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot listen on {address} ({flag}): {error}")]
    Listen { flag: &'static str, address: SocketAddr, error: io::Error },
    #[error("cannot open the database (--database): {0}")]
    Database(sqlx::Error),
    #[error("cannot build the hub: {0}")]
    Hub(#[from] fanfare::BuildError),
    #[error("the system has no randomness for a secret: {0}")]
    Randomness(getrandom::Error),
    #[error("the system refuses a thread or a signal: {0}")]
    System(io::Error),
}

fn main() -> ExitCode {
    let config = match Config::read(std::env::args_os()) {
        Ok(config) => config,
        Err(error) if error.use_stderr() => {
            // clap tells paragraphs, the first one of what is wrong and what would fit; one line is what a supervisor's
            // log has room for.
            let text = error.to_string();
            let paragraph = text.lines().map(str::trim).take_while(|line| !line.is_empty());
            let line = paragraph.collect::<Vec<_>>().join(" ");
            eprintln!("chat: {} (try --help)", line.trim_start_matches("error: "));
            return ExitCode::from(2);
        }
        Err(help) => help.exit(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(StartError::System);
    match runtime.and_then(|runtime| runtime.block_on(serve(config))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What a database says may be of several lines.
            eprintln!("chat: {}", error.to_string().lines().map(str::trim).collect::<Vec<_>>().join("; "));
            ExitCode::FAILURE
        }
    }
}

/// Starts everything, serves until a signal, and stops gently.
async fn serve(config: Config) -> Result<(), StartError> {
    let stop = stop_signal().map_err(StartError::System)?;
    // All that can fail comes before the first line of the log, so that a failure is one line.
    let http = listen("--http", config.http).await?;
    let ws = listen("--ws", config.ws).await?;
    let tcp = listen("--tcp", config.tcp).await?;
    let store = Store::open(&config.database).await.map_err(StartError::Database)?;
    let login = Login::new(secret(config.secret.clone(), &store).await?.as_bytes(), config.guests);
    let hub = rooms::hub(store.clone(), login.clone(), origins(&config.allow_origin))?;
    log(config.log_level, config.log_format);
    tracing::info!(
        page = http.as_ref().and_then(|http| http.local_addr().ok()).map(|at| format!("http://{at}")),
        http = address(http.as_ref()),
        ws = address(ws.as_ref()),
        tcp = address(tcp.as_ref()),
        guests = config.guests,
        "the chat server is ready"
    );

    let handle = Handle::new();
    let page = http.map(|listener| {
        let routes = http::routes(&hub, &store, login, &config.allow_origin);
        tokio::spawn(http::serve(listener, routes, handle.clone()))
    });
    if let Some(listener) = ws {
        tokio::spawn(fanfare_tcp::websocket(&hub).serve(listener));
    }
    if let Some(listener) = tcp {
        tokio::spawn(fanfare_tcp::lines(&hub).serve(listener));
    }

    stop.await;
    tracing::info!("stopping");
    // The page is served meanwhile, so that `/readyz` can tell a load balancer.
    let drained = hub.drain(DRAIN).await;
    handle.graceful_shutdown(Some(ENDING));
    if let Some(page) = page {
        // An error would be of a listener that is closed already.
        let _ = page.await;
    }
    let saved = timeout(ENDING, store.close()).await.is_ok();
    tracing::info!(told = drained.told, cut = drained.cut, saved, "stopped");
    Ok(())
}

/// The secret that was given, or the one in the database, which is made when it is first asked for.
async fn secret(given: Option<String>, store: &Store) -> Result<String, StartError> {
    if let Some(secret) = given {
        return Ok(secret);
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(StartError::Randomness)?;
    store.setting_or("secret", &data_encoding::BASE64.encode(&random)).await.map_err(StartError::Database)
}

fn origins(allowed: &[Origin]) -> Origins {
    if allowed.iter().any(Origin::is_any) {
        return Origins::Any;
    }
    Origins::List(allowed.iter().map(|origin| origin.as_str().to_owned()).collect())
}

async fn listen(flag: &'static str, listen: Listen) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = listen.0 else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|error| StartError::Listen { flag, address, error })
}

/// Where it listens, which is more than was asked for where the port was 0.
fn address(listener: Option<&TcpListener>) -> String {
    let address = listener.and_then(|listener| listener.local_addr().ok());
    address.map_or_else(|| "none".to_owned(), |address| address.to_string())
}

/// Logs go to standard output; standard error is for why the server does not start.
fn log(level: Targets, format: LogFormat) {
    let registry = tracing_subscriber::registry().with(level);
    match format {
        LogFormat::Text => registry.with(tracing_subscriber::fmt::layer().with_ansi(io::stdout().is_terminal())).init(),
        LogFormat::Json => registry.with(tracing_subscriber::fmt::layer().json().flatten_event(true)).init(),
    }
}

/// Resolves when the process is asked to stop. Signals count from the call on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Resolves when the process is asked to stop.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // An error means that there is nobody who could ask.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
