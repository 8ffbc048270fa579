//! What happens in rooms: messages that are saved and then told, history, who types, which rooms are open.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fanfare::{
    Event, EventName, Handshake, History, Hub, Incoming, Namespace, Origins, Payload, Reject, RoomChange, RoomName,
    RoomPolicy, Session, SessionId, State, Verb,
    handler::{Context, FromContext},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::{
    login::{Login, User},
    store::{Message, Page, Saved, Store},
};

/// Longest message, in characters.
const MAX_CONTENT: usize = 4000;
/// Rooms that one answer to `rooms` lists.
const MAX_LISTED: usize = 100;
/// Messages of different rooms that may be saved at once.
const QUEUES: usize = 64;
/// How long a message may wait for those before it.
const TURN: Duration = Duration::from_secs(3);
/// How long the hub remembers the key of what it told, less a minute; see [`fanfare::Config::idempotency_window`].
const TOLD_ONCE: Duration = Duration::from_secs(4 * 60);

/// What the handlers share.
#[derive(Clone)]
struct Rooms {
    store: Store,
    /// A message is saved and told under the lock of its room, so that history and the live room have one order. Rooms share
    /// locks by their hash: a bounded number for any number of rooms.
    queues: Arc<[tokio::sync::Mutex<()>]>,
    hasher: RandomState,
    /// Rooms that somebody is in.
    open: Arc<Mutex<BTreeSet<RoomName>>>,
    /// When this process began to save, milliseconds since 1970.
    since: i64,
}

/// The hub of the chat.
///
/// # Errors
/// As [`HubBuilder::build`](fanfare::HubBuilder::build).
pub(crate) fn hub(store: Store, login: Login, origins: Origins) -> Result<Hub, fanfare::BuildError> {
    let open = Arc::new(Mutex::new(BTreeSet::new()));
    let rooms = Rooms {
        store,
        queues: (0..QUEUES).map(|_| tokio::sync::Mutex::default()).collect(),
        hasher: RandomState::new(),
        open: open.clone(),
        since: now_ms(),
    };
    Hub::builder()
        .config(fanfare::Config { origins, ..fanfare::Config::default() })
        .state(rooms)
        .authenticate(move |handshake: Arc<Handshake>| std::future::ready(login.authenticate(&handshake)))
        .permit(may)
        // A page that was cut off for a moment gets what it missed from memory; what is older, from the database.
        .rooms(|_: &Namespace, _: &RoomName| RoomPolicy::with_history(History::last(200)))
        .on_room(move |topic, change| {
            let Some(room) = topic.room_name() else { return };
            match change {
                RoomChange::Occupied => drop(open.lock().insert(room.clone())),
                RoomChange::Vacated => drop(open.lock().remove(room)),
                _ => {}
            }
        })
        .before_connect(name_guest)
        .on(say)
        .on(room_history)
        .on(typing)
        .on(list_rooms)
        .build()
}

/// A message from a client; its `key`, if it has one, becomes its id.
#[derive(Serialize, Deserialize, Event)]
#[event(name = "message", ack = Sent)]
struct Say {
    room: RoomName,
    content: String,
}

/// The answer to a message: it is saved and told.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    message_id: String,
    seq: i64,
    timestamp: i64,
}

async fn say(
    session: Session,
    Author(user): Author,
    State(rooms): State<Rooms>,
    incoming: Incoming,
    Say { room, content }: Say,
) -> Result<Sent, Reject> {
    member(&session, &room)?;
    let content = check(&content)?;
    // Without a key of the client's nobody can send it again, and it needs no room among the hub's keys.
    let repeatable = incoming.key.is_some();
    let id = incoming.key.unwrap_or_else(|| SessionId::random().to_string().into());
    let turn = rooms.queue(&room).lock();
    // Behind others whose database does not answer.
    let _turn = timeout(TURN, turn).await.map_err(|_| unavailable("its turn did not come"))?;
    let saved = rooms.store.save(room.as_str(), &id, &user, content, now_ms()).await.map_err(unavailable)?;
    let (message, tell_it) = match saved {
        Saved::New(message) => (message, true),
        Saved::Again(message) => {
            let tell_it = rooms.is_perhaps_untold(&message);
            (message, tell_it)
        }
        Saved::Taken => return Err(Reject::new("key_taken", "another message has this key")),
    };
    if tell_it {
        tell(&session, &room, &message, repeatable).await?;
    }
    Ok(Sent { message_id: message.id, seq: message.seq, timestamp: message.timestamp })
}

/// Tells everyone in the room, the author included; what is repeatable once, however often it is called for one message
/// within [`TOLD_ONCE`].
async fn tell(session: &Session, room: &RoomName, message: &Message, repeatable: bool) -> Result<(), Reject> {
    let event = EventName::new(Say::NAME).map_err(|_| Reject::internal())?;
    let payload = Payload::new(message).map_err(|_| Reject::internal())?;
    let mut publish = session.to(room).including_self();
    if repeatable {
        publish = publish.idempotent(message.id.as_str());
    }
    publish.publish_event(event, payload).await.map(drop).map_err(|error| {
        tracing::error!(%room, %error, "a message was not told");
        error.into()
    })
}

/// Past messages of a room: those after the place `since`, or the last ones.
#[derive(Serialize, Deserialize, Event)]
#[event(ack = Page)]
struct RoomHistory {
    room: RoomName,
    since: Option<i64>,
}

async fn room_history(session: Session, State(rooms): State<Rooms>, asked: RoomHistory) -> Result<Page, Reject> {
    member(&session, &asked.room)?;
    rooms.store.history(asked.room.as_str(), asked.since).await.map_err(unavailable)
}

/// Somebody types. Told to those who can take it now, and to nobody later.
#[derive(Serialize, Deserialize, Event)]
struct Typing {
    room: RoomName,
}

/// What the others are told.
#[derive(Serialize, Deserialize, Event)]
struct UserTyping {
    #[serde(flatten)]
    user: User,
}

async fn typing(session: Session, Author(user): Author, Typing { room }: Typing) -> Result<(), Reject> {
    member(&session, &room)?;
    session.to(&room).volatile().publish(&UserTyping { user }).await?;
    Ok(())
}

/// Which rooms somebody is in.
#[derive(Serialize, Deserialize, Event)]
#[event(name = "rooms", ack = OpenRooms)]
struct ListRooms {}

/// The answer to it.
#[derive(Serialize, Deserialize)]
struct OpenRooms {
    rooms: Vec<RoomName>,
}

async fn list_rooms(State(rooms): State<Rooms>, _: ListRooms) -> OpenRooms {
    OpenRooms { rooms: rooms.open.lock().iter().take(MAX_LISTED).cloned().collect() }
}

/// Gives somebody without a login a name that the others see.
async fn name_guest(session: Session) {
    let identity = session.identity();
    if identity.value::<User>().is_none() {
        let user = User::guest(session.id());
        session.set_identity(fanfare::Identity::clone(&identity).with_info(user.info()).with_value(user));
    }
}

/// Anybody may join any room; who is there and what was said is for its members.
async fn may(session: Session, room: RoomName, verb: Verb) -> Result<(), Reject> {
    if verb == Verb::Join { Ok(()) } else { member(&session, &room) }
}

/// Extracts who speaks: the user, or the guest that the session is.
struct Author(User);

impl FromContext for Author {
    fn from_context(context: &Context) -> Result<Self, Reject> {
        let session = context.session();
        let user = session.identity().value::<User>();
        Ok(Self(user.map_or_else(|| User::guest(session.id()), |user| User::clone(&user))))
    }
}

impl Rooms {
    /// Whether a message that was saved before may not have been told: the database answered too late, or the room failed.
    /// Then its author's next try tells it; the hub knows the key, so that it is not told twice. What an earlier process saved
    /// stands in the history that everybody fetched since.
    fn is_perhaps_untold(&self, message: &Message) -> bool {
        let told_once = i64::try_from(TOLD_ONCE.as_millis()).unwrap_or(i64::MAX);
        message.timestamp >= self.since.max(now_ms().saturating_sub(told_once))
    }

    fn queue(&self, room: &RoomName) -> &tokio::sync::Mutex<()> {
        &self.queues[self.hasher.hash_one(room) as usize % QUEUES]
    }
}

fn member(session: &Session, room: &RoomName) -> Result<(), Reject> {
    if session.is_in(room) { Ok(()) } else { Err(Reject::not_joined()) }
}

fn check(content: &str) -> Result<&str, Reject> {
    let content = content.trim();
    if content.is_empty() {
        return Err(Reject::new("empty", "a message has at least one character"));
    }
    if content.chars().count() > MAX_CONTENT {
        return Err(Reject::new("too_long", "a message has at most 4,000 characters"));
    }
    if content.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(Reject::new("control_characters", "a message has no control characters but line breaks and tabs"));
    }
    Ok(content)
}

fn unavailable(error: impl std::fmt::Display) -> Reject {
    tracing::error!(%error, "the database failed");
    Reject::new("unavailable", "try again").with_retry_after(Duration::from_secs(2))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_message_is_text_of_1_to_4000_characters() {
        assert_eq!(check("  hi\n").unwrap(), "hi");
        assert_eq!(check("two\n\tlines").unwrap(), "two\n\tlines");
        assert!(check(&"ö".repeat(4000)).is_ok());
        for (bad, code) in
            [("", "empty"), (" \n", "empty"), (&"x".repeat(4001), "too_long"), ("\0", "control_characters")]
        {
            assert_eq!(check(bad).unwrap_err().code(), code, "{bad:.10?}");
        }
    }
}
