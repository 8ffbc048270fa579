//! Topics of similar names are different topics, whatever a broker makes of their names.

use fanfare::{Namespace, RoomName, SessionId, broker::Topic};

use super::{
    BrokerFixture,
    stage::{KEEP, Stage, say},
};

/// Names in which something has a meaning somewhere: separators and wildcards of subjects, channels, patterns, paths and
/// keys; case, space and normal forms that a store might fold; and the longest.
fn similar_names() -> Vec<String> {
    let names = [
        "a",
        "A",
        "a.",
        ".a",
        "a.b",
        "a..b",
        "a b",
        " a",
        "a ",
        "a*",
        "*",
        "**",
        "a.*",
        ">",
        "a.>",
        "a>",
        "?",
        "a?",
        "[ab]",
        "[a]",
        "{a}",
        "{a}b",
        "a/b",
        "a:b",
        "a#b",
        "a@b",
        "a,b",
        "a;b",
        "a|b",
        "a\\b",
        "a%b",
        "a%20b",
        "a+b",
        "a_b",
        "a-b",
        "a=b",
        "\"a\"",
        "'a'",
        "$SYS",
        "_INBOX.a",
        "-1",
        "0",
        "null",
        "\u{e9}",
        "e\u{301}",
        "\u{ff41}",
        "\u{212a}",
        "K",
        "k",
        "\u{200b}a",
        "a\u{200b}",
        "\u{1F600}",
        "\u{1F601}",
        "\u{0430}",
    ];
    let mut names: Vec<String> = names.map(str::to_owned).into();
    names.extend(["x".repeat(255), "x".repeat(254), format!("{}y", "x".repeat(254)), "\u{1F600}".repeat(63)]);
    names
}

/// Publishes to each topic its number, from the first node, and checks that both nodes get it there and nowhere else. The
/// second node is subscribed to each second topic only.
async fn are_apart<F: BrokerFixture>(stage: &Stage<F>, topics: &[Topic]) {
    let subscribed = |node: usize, at: usize| node == 0 || at % 2 == 0;
    for (at, topic) in topics.iter().enumerate() {
        for node in (0..2).filter(|node| subscribed(*node, at)) {
            stage.subscribe(node, topic).await;
        }
    }
    for history in [None, Some(KEEP)] {
        for (at, topic) in topics.iter().enumerate() {
            let receipt = stage.publish(0, topic, &say(&at.to_string()), history).await;
            let offset = receipt.position.map(|position| position.offset);
            assert!(offset.is_none_or(|offset| offset == 1), "{topic} shares its log with another: offset {offset:?}");
        }
        for (at, topic) in topics.iter().enumerate() {
            for node in (0..2).filter(|node| subscribed(*node, at)) {
                stage.fence(0, node, topic, history).await;
            }
        }
    }
    for (at, topic) in topics.iter().enumerate() {
        for node in 0..2 {
            let said = stage.said(node, topic);
            let expected = if subscribed(node, at) { vec![at.to_string(); 2] } else { vec![] };
            assert_eq!(said, expected, "in {topic} at node {node}; it was sent its number twice and nothing else");
        }
    }
}

/// Checks that names that look alike, or that mean something to a store or a network, are rooms of their own.
pub async fn rooms_of_similar_names_are_apart<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    let topics: Vec<_> = similar_names().iter().map(|name| stage.room(name)).collect();
    are_apart(&stage, &topics).await;
}

/// Checks that rooms of one name in several namespaces are several, also where namespace and room put together look alike.
pub async fn namespaces_are_apart<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    let base = stage.namespace.as_str();
    let pairs = [
        ("", "a"),
        ("/", "a"),
        ("/a", "a"),
        ("/A", "a"),
        ("/a", "/a"),
        ("/a/a", "a"),
        ("/a.a", "a"),
        ("/a#a", "a"),
        ("/a", "a#a"),
        ("/a:a", "a"),
        ("/a", "a:a"),
        ("/a ", "a"),
        ("/a", " a"),
        ("/*", "a"),
        ("/>", "a"),
        ("/a*", "a"),
        ("/{a}", "a"),
        ("/%61", "a"),
    ];
    let topic = |(namespace, room): (&str, &str)| {
        let namespace = Namespace::new(format!("{base}{namespace}")).expect("a valid name");
        Topic::room(namespace, RoomName::new(room).expect("a valid name"))
    };
    let topics = pairs.map(topic);
    are_apart(&stage, &topics).await;
}

/// Checks that the inbox of a session and the topic of everyone are no rooms, whatever rooms are called.
pub async fn inboxes_and_everyone_are_apart_from_rooms<F: BrokerFixture>(fixture: F) {
    let stage = Stage::new(fixture, 2).await;
    let (one, other) = (SessionId::from_bytes([7; 16]), SessionId::random());
    let namespace = || stage.namespace.clone();
    let mut topics =
        vec![Topic::everyone(namespace()), Topic::inbox(namespace(), one), Topic::inbox(namespace(), other)];
    for name in ["everyone", "*", "all", "inbox", "room", "a", "_"] {
        topics.push(stage.room(name));
    }
    for prefix in ["", "@", "#", "inbox:", "inbox.", "inbox/", "i:", "room:", "r:"] {
        topics.push(stage.room(&format!("{prefix}{one}")));
    }
    let nested = Namespace::new(format!("{}*", stage.namespace)).expect("a valid name");
    topics.push(Topic::everyone(nested));
    are_apart(&stage, &topics).await;
}
