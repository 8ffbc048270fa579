//! What the server can be told: flags, and environment variables of the same meaning.

use std::{ffi::OsString, fmt, net::SocketAddr, str::FromStr};

use clap::{ArgAction, CommandFactory, Parser, ValueEnum, error::ErrorKind};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// A chat server: a web page, WebSocket clients, and lines of JSON.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub(crate) struct Config {
    /// Where the page, its WebSocket `/ws` and `/login` are served: an address, or `none`
    #[arg(long, env = "CHAT_HTTP", value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    pub(crate) http: Listen,

    /// Where WebSocket clients without the page are served, at any path: an address, or `none`
    #[arg(long, env = "CHAT_WS", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) ws: Listen,

    /// Where clients speak lines of JSON: an address, or `none`
    #[arg(long, env = "CHAT_TCP", value_name = "ADDRESS", default_value = "127.0.0.1:4000")]
    pub(crate) tcp: Listen,

    /// Where messages are kept: sqlite://FILE?mode=rwc or postgres://USER:PASSWORD@HOST/NAME
    #[arg(
        long,
        env = "CHAT_DATABASE",
        value_name = "URL",
        default_value = "sqlite://chat.db?mode=rwc",
        hide_env_values = true
    )]
    pub(crate) database: String,

    /// What login tokens are signed with, 16 bytes or more; without it a random secret, which is kept in the database
    #[arg(long, env = "CHAT_SECRET", value_name = "TEXT", hide_env_values = true)]
    pub(crate) secret: Option<String>,

    /// Whether people may connect without a login
    #[arg(long, env = "CHAT_GUESTS", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub(crate) guests: bool,

    /// A page elsewhere that may connect, such as `https://example.org`; may be repeated; `*` is every page
    #[arg(long, env = "CHAT_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) allow_origin: Vec<Origin>,

    /// What is logged: error, warn, info, debug or trace, also by module, such as info,fanfare=debug
    #[arg(long, env = "CHAT_LOG_LEVEL", value_name = "LEVEL", default_value = "info", value_parser = log_level)]
    pub(crate) log_level: Targets,

    /// How it is logged
    #[arg(long, env = "CHAT_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// Shortest secret, in bytes: a shorter one could be guessed from one token, and then anybody could sign.
const MIN_SECRET: usize = 16;

impl Config {
    /// Reads the flags, of which the first is the program's name, and the environment.
    ///
    /// # Errors
    /// A flag is unknown or does not fit, or help was asked for.
    pub(crate) fn read(flags: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let config = Self::try_parse_from(flags)?;
        // Not by value parsers: their errors tell the value, and here it may be a password.
        let refuse = |reason: &str| Err(Self::command().error(ErrorKind::ValueValidation, reason));
        if config.secret.as_ref().is_some_and(|secret| secret.len() < MIN_SECRET) {
            return refuse("'--secret <TEXT>' needs 16 bytes or more; leave it out for a random one");
        }
        if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| config.database.starts_with(scheme)) {
            return refuse(
                "'--database <URL>' is such as sqlite://chat.db?mode=rwc or postgres://USER:PASSWORD@HOST/NAME, \
                 not a path alone",
            );
        }
        Ok(config)
    }
}

/// An address to listen on, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listen(pub(crate) Option<SocketAddr>);

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(None));
        }
        text.parse().map(|address| Self(Some(address))).map_err(|_| {
            "an address is numbers with a port, such as 127.0.0.1:3000, or `none`; names such as localhost are not allowed"
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// A page's origin, `scheme://host[:port]`, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin(String);

impl Origin {
    /// Whether it stands for every page.
    pub(crate) fn is_any(&self) -> bool {
        self.0 == "*"
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    /// Refuses what no browser would send, because it would never match and nobody would know why.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
        let is_host = |host: &str| {
            !host.is_empty()
                && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
        };
        if text == "*" || is_host(host) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("an origin is such as https://example.org, without a path, or `*`")
        }
    }
}

/// Refuses a word alone that is no level: it would be taken for a module, and everything but it would be silent.
fn log_level(text: &str) -> Result<Targets, &'static str> {
    let known = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    let targets = text.split(',').all(known).then(|| text.parse().ok()).flatten();
    targets.ok_or("a level is error, warn, info, debug, trace or off, also by module, such as info,fanfare=debug")
}

/// How it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people
    Text,
    /// A JSON object a line
    Json,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn what_no_listener_or_browser_could_use_is_refused() {
        let table: [(&[&str], bool); 19] = [
            (&[], true),
            (&["--http", "none", "--ws=0.0.0.0:80", "--tcp=[::1]:4000"], true),
            (&["--http", "localhost"], false),
            (&["--ws", "127.0.0.1:99999"], false),
            (&["--guests=false", "--log-level", "info,fanfare=debug"], true),
            (&["--guests=maybe"], false),
            (&["--log-level", "loud"], false),
            (&["--log-format", "xml"], false),
            (&["--allow-origin", "https://a.example", "--allow-origin", "http://b.example:8080"], true),
            (&["--allow-origin=*"], true),
            (&["--allow-origin", "https://a.example/page"], false),
            (&["--allow-origin", "a.example"], false),
            (&["--secret", ""], false),
            (&["--secret", "fifteen letters"], false),
            (&["--secret", "sixteen letters!"], true),
            (&["--database", "/var/lib/chat.db"], false),
            (&["--database", "mysql://host/chat"], false),
            (&["--database", "sqlite:///var/lib/chat.db"], true),
            (&["--database", "postgres://user:password@host/chat"], true),
        ];
        for (flags, fits) in table {
            let parsed = Config::read(std::iter::once(&"chat").chain(flags));
            assert_eq!(parsed.is_ok(), fits, "{flags:?}: {parsed:?}");
        }
    }
}
