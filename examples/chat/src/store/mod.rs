//! The messages that are kept, in SQLite or Postgres: each once, in one order a room.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::{
    AnyConnection, AnyPool, Connection, FromRow,
    any::{AnyPoolOptions, install_default_drivers},
};
use tokio::time::timeout;

use crate::login::User;

/// Messages of one page of history.
const PAGE: usize = 50;
/// Bytes of content in one page: well under a session's outbox, whatever people write.
const PAGE_BYTES: usize = 256 * 1024;
/// How long the database may take. Then the answer is an error, and the client tries again; its page waits for ten seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// The database. A cheap clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pool: AnyPool,
}

/// One message, as it is kept and as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    /// The key that its author gave it, or one of ours.
    pub(crate) id: String,
    /// Its place: later messages of a room have a higher one. Not without holes.
    pub(crate) seq: i64,
    pub(crate) user_id: String,
    pub(crate) username: String,
    pub(crate) content: String,
    /// When it was saved, milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// What became of a message that was to be saved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// It is kept now.
    New(Message),
    /// It was kept already: its author sent it again.
    Again(Message),
    /// Another message has its id. Nothing was changed.
    Taken,
}

/// Past messages of a room, oldest first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) messages: Vec<Message>,
    /// Whether nothing that was asked for comes after them.
    pub(crate) complete: bool,
}

/// What is different about a kind of database.
struct Dialect {
    schema: &'static [&'static str],
    /// Said at the start of every connection.
    settings: &'static [&'static str],
    /// SQLite has one writer at a time: further connections would only wait for each other inside of it.
    connections: u32,
}

const SQLITE: Dialect = Dialect {
    schema: &[
        "CREATE TABLE IF NOT EXISTS messages (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, \
         room TEXT NOT NULL, user_id TEXT NOT NULL, username TEXT NOT NULL, content TEXT NOT NULL, \
         created_ms INTEGER NOT NULL)",
        "CREATE INDEX IF NOT EXISTS messages_by_room ON messages (room, seq)",
        "CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    ],
    // With a write-ahead log NORMAL keeps every committed message when the process dies, at a fraction of the cost of FULL,
    // which also keeps the last moments before a power cut.
    settings: &["PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", "PRAGMA busy_timeout = 5000"],
    connections: 1,
};

const POSTGRES: Dialect = Dialect {
    schema: &[
        "CREATE TABLE IF NOT EXISTS messages (seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
         id TEXT NOT NULL UNIQUE, room TEXT NOT NULL, user_id TEXT NOT NULL, username TEXT NOT NULL, \
         content TEXT NOT NULL, created_ms BIGINT NOT NULL)",
        "CREATE INDEX IF NOT EXISTS messages_by_room ON messages (room, seq)",
        "CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    ],
    settings: &[],
    connections: 8,
};

impl Store {
    /// Opens the database of a URL and makes the tables that are not there.
    ///
    /// # Errors
    /// It cannot be reached, opened, or written to.
    pub(crate) async fn open(url: &str) -> Result<Self, sqlx::Error> {
        install_default_drivers();
        let dialect = if url.starts_with("sqlite:") { &SQLITE } else { &POSTGRES };
        // A pool would try again for a while and then tell of a timeout instead of the cause.
        in_time(async { AnyConnection::connect(url).await?.close().await }).await?;
        let pool = AnyPoolOptions::new()
            .max_connections(dialect.connections)
            .acquire_timeout(PATIENCE)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for setting in dialect.settings {
                        sqlx::query(*setting).execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .connect(url)
            .await?;
        for statement in dialect.schema {
            sqlx::query(*statement).execute(&pool).await?;
        }
        Ok(Self { pool })
    }

    /// Keeps a message of `user`, once for each id.
    ///
    /// Messages of one room are to be saved one after the other: what is saved later has a higher place, but two at once
    /// could be told in another order than they are kept.
    ///
    /// # Errors
    /// The database did not take it in time; it may be there or not. It may be tried again with the same id.
    pub(crate) async fn save(
        &self,
        room: &str,
        id: &str,
        user: &User,
        content: &str,
        timestamp: i64,
    ) -> Result<Saved, sqlx::Error> {
        in_time(self.save_once(room, id, user, content, timestamp)).await
    }

    async fn save_once(
        &self,
        room: &str,
        id: &str,
        user: &User,
        content: &str,
        timestamp: i64,
    ) -> Result<Saved, sqlx::Error> {
        let seq: Option<i64> = sqlx::query_scalar(
            "INSERT INTO messages (id, room, user_id, username, content, created_ms) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (id) DO NOTHING RETURNING seq",
        )
        .bind(id)
        .bind(room)
        .bind(&user.user_id)
        .bind(&user.username)
        .bind(content)
        .bind(timestamp)
        .fetch_optional(&self.pool)
        .await?;
        if let Some(seq) = seq {
            let User { user_id, username } = user.clone();
            return Ok(Saved::New(Message {
                id: id.into(),
                seq,
                user_id,
                username,
                content: content.into(),
                timestamp,
            }));
        }
        let there: Option<Message> = sqlx::query_as(
            "SELECT id, seq, user_id, username, content, created_ms AS timestamp FROM messages \
             WHERE id = $1 AND room = $2 AND user_id = $3",
        )
        .bind(id)
        .bind(room)
        .bind(&user.user_id)
        .fetch_optional(&self.pool)
        .await?;
        Ok(there.map_or(Saved::Taken, Saved::Again))
    }

    /// The messages of a room after the place `since`, or its last ones.
    ///
    /// # Errors
    /// The database did not answer.
    pub(crate) async fn history(&self, room: &str, since: Option<i64>) -> Result<Page, sqlx::Error> {
        in_time(self.page(room, since)).await
    }

    async fn page(&self, room: &str, since: Option<i64>) -> Result<Page, sqlx::Error> {
        let limit = PAGE as i64;
        let (mut messages, more): (Vec<Message>, bool) = match since {
            Some(since) => {
                let mut messages: Vec<Message> = sqlx::query_as(
                    "SELECT id, seq, user_id, username, content, created_ms AS timestamp FROM messages \
                     WHERE room = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                )
                .bind(room)
                .bind(since)
                .bind(limit + 1)
                .fetch_all(&self.pool)
                .await?;
                let more = messages.len() > PAGE;
                messages.truncate(PAGE);
                (messages, more)
            }
            None => {
                let messages = sqlx::query_as(
                    "SELECT id, seq, user_id, username, content, created_ms AS timestamp FROM messages \
                     WHERE room = $1 ORDER BY seq DESC LIMIT $2",
                )
                .bind(room)
                .bind(limit)
                .fetch_all(&self.pool)
                .await?;
                (messages, false)
            }
        };
        let fitting = fitting(&messages);
        let cut = fitting < messages.len();
        messages.truncate(fitting);
        if since.is_none() {
            // The newest came first, so that the oldest were cut, and nothing comes after the rest.
            messages.reverse();
        }
        Ok(Page { messages, complete: since.is_none() || !(more || cut) })
    }

    /// The value of a setting that all servers of this database share: `value` if none is there yet.
    ///
    /// # Errors
    /// The database did not answer.
    pub(crate) async fn setting_or(&self, name: &str, value: &str) -> Result<String, sqlx::Error> {
        sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(value)
            .execute(&self.pool)
            .await?;
        sqlx::query_scalar("SELECT value FROM settings WHERE name = $1").bind(name).fetch_one(&self.pool).await
    }

    /// Whether the database answers.
    pub(crate) async fn is_up(&self) -> bool {
        in_time(sqlx::query("SELECT 1").execute(&self.pool)).await.is_ok()
    }

    /// Ends all connections; what was saved is on disk.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Bounds what a database that does not answer can hold up.
async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(PATIENCE, work).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// How many of the messages, from the first, one page can hold; at least one.
fn fitting(messages: &[Message]) -> usize {
    let mut bytes = 0;
    let within = |message: &&Message| {
        bytes += message.content.len();
        bytes <= PAGE_BYTES
    };
    messages.iter().take_while(within).count().max(1)
}

#[cfg(test)]
mod tests;
