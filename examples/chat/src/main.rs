//! The reference chat server: a page, WebSocket and line clients in the same rooms, and messages that are kept.

mod config;
mod login;
mod page;
mod rooms;
mod store;

use std::{io, net::SocketAddr, process::ExitCode, time::Duration};

use axum::{
    Router,
    extract::{FromRef, State},
    http::{HeaderValue, Method, StatusCode, header},
    routing::{get, post},
};
use clap::Parser;
use config::{Config, Listen, LogFormat};
use fanfare::{Drain, Hub, Origins};
use login::Login;
use store::Store;
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tower_http::cors::CorsLayer;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// How the server stops: clients are told over a second, come back within two, and nobody is waited for beyond five.
const DRAIN: Drain =
    Drain { pace: Duration::from_secs(1), spread: Duration::from_secs(2), limit: Duration::from_secs(5) };
/// Time for what else has to end: requests under way, the database.
const ENDING: Duration = Duration::from_secs(2);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot listen on {address} ({flag}): {error}")]
    Listen { flag: &'static str, address: SocketAddr, error: io::Error },
    #[error("cannot open the database: {0}")]
    Database(sqlx::Error),
    #[error("cannot build the hub: {0}")]
    Hub(#[from] fanfare::BuildError),
    #[error("the system has no randomness for a secret: {0}")]
    Randomness(getrandom::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}

fn main() -> ExitCode {
    let config = match Config::try_parse() {
        Ok(config) => config,
        Err(error) if error.use_stderr() => {
            // clap tells a paragraph; one line is what a supervisor's log has room for.
            let text = error.to_string();
            let line = text.lines().next().unwrap_or("bad flags");
            eprintln!("chat: {} (try --help)", line.trim_start_matches("error: "));
            return ExitCode::from(2);
        }
        Err(help) => help.exit(),
    };
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(StartError::Signals)
        .and_then(|runtime| runtime.block_on(serve(config)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The cause of a database's error may be of several lines.
            eprintln!("chat: {}", error.to_string().lines().map(str::trim).collect::<Vec<_>>().join("; "));
            ExitCode::FAILURE
        }
    }
}

/// Starts everything, serves until a signal, and stops gently.
async fn serve(config: Config) -> Result<(), StartError> {
    let stop = stop_signal().map_err(StartError::Signals)?;
    // All of what can fail comes before the first line of the log, so that a failure is one line.
    let http = listen("--http", config.http).await?;
    let ws = listen("--ws", config.ws).await?;
    let tcp = listen("--tcp", config.tcp).await?;
    let store = Store::open(&config.database).await.map_err(StartError::Database)?;
    let login = Login::new(secret(&config, &store).await?.as_bytes(), config.guests);
    let hub = rooms::hub(store.clone(), login.clone(), origins(&config))?;
    log(config.log_level.clone(), config.log_format);
    tracing::info!(
        http = address(&http),
        ws = address(&ws),
        tcp = address(&tcp),
        guests = config.guests,
        "the chat server is ready"
    );

    let (ended, end) = watch::channel(false);
    if let Some(listener) = http {
        let app = routes(&hub, &store, login, &config).into_make_service_with_connect_info::<SocketAddr>();
        let server = axum::serve(listener, app).with_graceful_shutdown(has_ended(end.clone()));
        // Held until it is done, so that `ended.closed()` below waits for requests under way.
        tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the page is not served any more");
            }
            drop(end);
        });
    } else {
        drop(end);
    }
    if let Some(listener) = ws {
        tokio::spawn(fanfare_tcp::websocket(hub.clone()).serve(listener));
    }
    if let Some(listener) = tcp {
        tokio::spawn(fanfare_tcp::lines(hub.clone()).serve(listener));
    }

    stop.await;
    tracing::info!("stopping");
    let drained = hub.drain(DRAIN).await;
    ended.send_replace(true);
    let quiet = timeout(ENDING, async {
        ended.closed().await;
        store.close().await;
    });
    let in_time = quiet.await.is_ok();
    tracing::info!(told = drained.told, cut = drained.cut, in_time, "stopped");
    Ok(())
}

/// What the HTTP handlers share.
#[derive(Clone, FromRef)]
struct Served {
    hub: Hub,
    store: Store,
    login: Login,
}

fn routes(hub: &Hub, store: &Store, login: Login, config: &Config) -> Router {
    Router::new()
        .route("/login", post(login::login))
        .layer(cross_origin(config))
        .route("/ws", fanfare_axum::websocket(hub))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readiness))
        .merge(page::routes())
        .with_state(Served { hub: hub.clone(), store: store.clone(), login })
}

/// Whether new clients are welcome: not while the server stops, nor while the database is away.
async fn readiness(State(hub): State<Hub>, State(store): State<Store>) -> (StatusCode, &'static str) {
    if !hub.is_ready() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if !store.is_up().await {
        (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// Lets the pages of `--allow-origin` log in; a WebSocket checks its origin by itself.
fn cross_origin(config: &Config) -> CorsLayer {
    let cors = CorsLayer::new().allow_methods([Method::POST]).allow_headers([header::CONTENT_TYPE]);
    if config.allow_origin.iter().any(config::Origin::is_any) {
        return cors.allow_origin(tower_http::cors::Any);
    }
    let origins = config.allow_origin.iter().filter_map(|origin| HeaderValue::from_str(origin.as_str()).ok());
    cors.allow_origin(origins.collect::<Vec<_>>())
}

fn origins(config: &Config) -> Origins {
    if config.allow_origin.iter().any(config::Origin::is_any) {
        return Origins::Any;
    }
    Origins::List(config.allow_origin.iter().map(|origin| origin.as_str().to_owned()).collect())
}

/// The secret that was given, or the one in the database, which is made when it is first asked for.
async fn secret(config: &Config, store: &Store) -> Result<String, StartError> {
    if let Some(secret) = &config.secret {
        return Ok(secret.clone());
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(StartError::Randomness)?;
    let random = data_encoding::BASE64.encode(&random);
    store.setting_or("secret", &random).await.map_err(StartError::Database)
}

async fn listen(flag: &'static str, listen: Listen) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = listen.0 else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|error| StartError::Listen { flag, address, error })
}

/// Where it listens, which is more than was asked for where the port was 0.
fn address(listener: &Option<TcpListener>) -> String {
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    address.map_or_else(|| "none".to_owned(), |address| address.to_string())
}

/// Logs go to standard output; standard error is for why the server does not start.
fn log(level: Targets, format: LogFormat) {
    let registry = tracing_subscriber::registry().with(level);
    match format {
        LogFormat::Text => registry.with(tracing_subscriber::fmt::layer()).init(),
        LogFormat::Json => registry.with(tracing_subscriber::fmt::layer().json().flatten_event(true)).init(),
    }
}

async fn has_ended(mut end: watch::Receiver<bool>) {
    // An error means that there is nobody left to say it.
    let _ = end.wait_for(|ended| *ended).await;
}

/// Resolves when the process is asked to stop. Signals count from the call on.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
