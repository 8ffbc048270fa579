//! The store on SQLite, and on the Postgres that CHAT_TEST_POSTGRES names, if it names one.

#![allow(clippy::unwrap_used)]

use super::*;

fn user(name: &str) -> User {
    User { user_id: format!("id of {name}"), username: name.into() }
}

/// The databases to test: a file, which is deleted with the folder, and perhaps a server.
fn databases(folder: &tempfile::TempDir) -> Vec<String> {
    let file = format!("sqlite://{}?mode=rwc", folder.path().join("chat.db").display());
    std::iter::once(file).chain(std::env::var("CHAT_TEST_POSTGRES")).collect()
}

/// A room that no earlier run has written to.
fn fresh_room() -> String {
    format!("room {}", fanfare::SessionId::random())
}

#[tokio::test]
async fn a_message_is_kept_once_and_belongs_to_its_author() {
    let folder = tempfile::tempdir().unwrap();
    for url in databases(&folder) {
        let (store, room) = (Store::open(&url).await.unwrap(), fresh_room());
        let id = format!("id in {room}");
        let Saved::New(first) = store.save(&room, &id, &user("Ada"), "hi", 7).await.unwrap() else { panic!("not new") };
        assert_eq!((first.content.as_str(), first.timestamp), ("hi", 7));
        // Sent again, perhaps changed: what was acknowledged stays.
        let again = store.save(&room, &id, &user("Ada"), "changed", 8).await.unwrap();
        assert_eq!(again, Saved::Again(first.clone()));
        assert_eq!(store.save(&room, &id, &user("Ben"), "mine", 9).await.unwrap(), Saved::Taken);
        assert_eq!(store.save("elsewhere", &id, &user("Ada"), "hi", 9).await.unwrap(), Saved::Taken);
        assert_eq!(store.history(&room, None).await.unwrap().messages, std::slice::from_ref(&first));
        store.close().await;
    }
}

#[tokio::test]
async fn history_goes_on_page_by_page_without_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    for url in databases(&folder) {
        let (store, room) = (Store::open(&url).await.unwrap(), fresh_room());
        for number in 0..120 {
            // Of the other room between them, so that places have holes.
            for room in [room.as_str(), "another"] {
                let id = format!("{number} in {room} beside {}", fresh_room());
                store.save(room, &id, &user("Ada"), &number.to_string(), number).await.unwrap();
            }
        }
        let last = store.history(&room, None).await.unwrap();
        assert_eq!(
            last.messages.iter().map(|message| message.timestamp).collect::<Vec<_>>(),
            (70..120).collect::<Vec<_>>()
        );
        assert!(last.complete);
        let (mut seen, mut since) = (Vec::new(), 0);
        loop {
            let page = store.history(&room, Some(since)).await.unwrap();
            assert!(page.messages.is_sorted_by_key(|message| message.seq));
            since = page.messages.last().unwrap().seq;
            seen.extend(page.messages.iter().map(|message| message.timestamp));
            if page.complete {
                break;
            }
        }
        assert_eq!(seen, (0..120).collect::<Vec<_>>());
        let end = store.history(&room, Some(since)).await.unwrap();
        assert!(end.messages.is_empty() && end.complete);
        store.close().await;
    }
}

#[tokio::test]
async fn a_page_is_bounded_in_bytes_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&databases(&folder)[0]).await.unwrap();
    for number in 0..40 {
        store.save("room", &number.to_string(), &user("Ada"), &"🎺".repeat(4000), number).await.unwrap();
    }
    // 16,000 bytes each.
    let first = store.history("room", Some(0)).await.unwrap();
    assert_eq!((first.messages.len(), first.messages[0].timestamp, first.complete), (16, 0, false));
    let last = store.history("room", None).await.unwrap();
    assert_eq!((last.messages.len(), last.messages[15].timestamp, last.complete), (16, 39, true));
}

#[tokio::test]
async fn what_was_saved_is_there_for_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let url = &databases(&folder)[0];
    let store = Store::open(url).await.unwrap();
    store.save("room", "one", &user("Ada"), "hi", 1).await.unwrap();
    assert_eq!(store.setting_or("secret", "first").await.unwrap(), "first");
    // Dropped without a close, as a killed process would.
    drop(store);
    let store = Store::open(url).await.unwrap();
    assert!(store.is_up().await);
    assert_eq!(store.history("room", None).await.unwrap().messages.len(), 1);
    assert_eq!(store.setting_or("secret", "second").await.unwrap(), "first");
    store.close().await;
    assert!(!store.is_up().await);
}
