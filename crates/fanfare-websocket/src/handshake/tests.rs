//! The handshake's rules as a table, its answers on the wire, and its cost.
#![allow(clippy::unwrap_used)]

use std::{future::ready, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

const REQUEST: &str = "GET /chat?room=a HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The request of RFC 6455, section 1.3, with `change` made to it.
fn changed(from: &str, to: &str) -> String {
    assert!(REQUEST.contains(from));
    REQUEST.replace(from, to)
}

fn with_header(line: &str) -> String {
    changed("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"))
}

fn parse(bytes: &[u8]) -> Result<Option<UpgradeRequest>, UpgradeError> {
    let mut head = RequestHead::default();
    head.buffer().extend_from_slice(bytes);
    let Some((request, _)) = head.parse(&HandshakeConfig::default())? else { return Ok(None) };
    validate_upgrade(request.headers(), request.method(), request.version()).map(Some)
}

#[test]
fn the_request_of_the_rfc_is_accepted() {
    let upgrade = parse(REQUEST.as_bytes()).unwrap().unwrap();
    assert_eq!(upgrade.accept_key(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(upgrade.subprotocols().is_empty());
}

#[test]
fn spellings_that_the_rfc_allows_are_accepted() {
    for request in [
        changed("Upgrade: websocket", "uPGRADE: WebSocket"),
        changed("Upgrade: websocket", "Upgrade: h2c, websocket"),
        changed("Connection: Upgrade", "Connection: keep-alive, upgrade"),
        changed("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
        with_header("X-Latin: gr\u{fc}n"),
    ] {
        assert!(parse(request.as_bytes()).unwrap().is_some(), "{request}");
    }
}

#[test]
fn each_broken_rule_has_its_status() {
    use UpgradeError as E;
    let long = with_header(&format!("X-Long: {}", "a".repeat(16 * 1024)));
    let many = with_header(&vec!["X: y"; 96].join("\r\n"));
    let crowd = with_header(&vec!["X: y"; 2000].join("\r\n"));
    for (request, error, status) in [
        (changed("GET", "POST"), E::Method, 400),
        (changed("HTTP/1.1", "HTTP/1.0"), E::HttpVersion, 400),
        (changed("Upgrade: websocket\r\n", ""), E::NotUpgrade, 426),
        (changed("Upgrade: websocket", "Upgrade: websockets"), E::NotUpgrade, 426),
        (changed("Connection: Upgrade\r\n", ""), E::NotUpgrade, 426),
        (changed("Connection: Upgrade", "Connection: keep-alive"), E::NotUpgrade, 426),
        (changed("Version: 13", "Version: 8"), E::Version, 426),
        (changed("Sec-WebSocket-Version: 13\r\n", ""), E::Version, 426),
        (changed("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), E::Key, 400),
        (changed("dGhlIHNhbXBsZSBub25jZQ==", "!!!!IHNhbXBsZSBub25jZQ=="), E::Key, 400),
        (changed("dGhlIHNhbXBsZSBub25jZQ==", "\u{fc}hlIHNhbXBsZSBub25jZQ="), E::Key, 400),
        (with_header("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), E::Key, 400),
        (changed("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), E::Key, 400),
        (with_header("no colon"), E::Malformed, 400),
        (with_header("Bad\u{0}: x"), E::Malformed, 400),
        ("\u{16}\u{3}\u{1}hello\r\n\r\n".to_owned(), E::Malformed, 400),
        (changed("Host", "Smuggled: x\n\nHost"), E::Malformed, 400),
        (long, E::HeadTooLarge, 431),
        (many, E::TooManyHeaders, 431),
        (crowd, E::TooManyHeaders, 431),
    ] {
        assert_eq!(parse(request.as_bytes()), Err(error), "{}", &request[..request.len().min(300)]);
        assert_eq!(error.status().as_u16(), status);
    }
    assert!(parse(with_header(&vec!["X: y"; 95].join("\r\n")).as_bytes()).is_ok(), "100 headers");
    assert_eq!(UpgradeError::Version.response().headers()["sec-websocket-version"], "13");
}

#[test]
fn a_head_without_an_end_is_refused_at_the_limit() {
    assert_eq!(parse(&vec![b'G'; 16 * 1024]), Ok(None));
    assert_eq!(parse(&vec![b'G'; 16 * 1024 + 1]), Err(UpgradeError::HeadTooLarge));
}

#[test]
fn subprotocols_are_offered_in_order_and_nonsense_is_passed_over() {
    let request = with_header(
        "Sec-WebSocket-Protocol: , chat.v2 ,b\u{e9}te, a b, \"quoted\",\r\nSec-WebSocket-Protocol: chat.v1,,superchat",
    );
    // The first line is not ASCII as a whole and says nothing that could be trusted.
    let upgrade = parse(request.as_bytes()).unwrap().unwrap();
    assert_eq!(upgrade.subprotocols(), ["chat.v1", "superchat"]);

    let request = with_header("Sec-WebSocket-Protocol: , chat.v2 , a b, \"quoted\",chat.v1");
    let upgrade = parse(request.as_bytes()).unwrap().unwrap();
    assert_eq!(upgrade.subprotocols(), ["chat.v2", "chat.v1"]);
    assert_eq!(upgrade.select(&["chat.v1", "chat.v2"]), Some("chat.v2"));
    assert_eq!(upgrade.select(&["chat.v1"]), Some("chat.v1"));
    assert_eq!(upgrade.select(&["mqtt"]), None);
    assert_eq!(upgrade.response(Some("chat.v1")).headers()["sec-websocket-protocol"], "chat.v1");
    assert!(!upgrade.response(Some("mqtt")).headers().contains_key("sec-websocket-protocol"), "never one not offered");
}

#[test]
fn header_values_of_any_bytes_do_not_panic() {
    let mut headers = HeaderMap::new();
    for name in ["upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"] {
        headers.insert(name, HeaderValue::from_bytes(&[0xFF, b',', 0xE9, b' ', 0x80]).unwrap());
    }
    assert_eq!(validate_upgrade(&headers, &Method::GET, Version::HTTP_11), Err(UpgradeError::NotUpgrade));
    headers.insert("upgrade", HeaderValue::from_static("websocket"));
    headers.insert("connection", HeaderValue::from_static("upgrade"));
    assert_eq!(validate_upgrade(&headers, &Method::GET, Version::HTTP_11), Err(UpgradeError::Version));
    headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
    assert_eq!(validate_upgrade(&headers, &Method::GET, Version::HTTP_11), Err(UpgradeError::Key));
}

#[tokio::test]
async fn the_answer_is_101_and_what_came_too_early_is_handed_over() {
    for (buffer, early) in [(1, ""), (10_000, ""), (10_000, "frames")] {
        let (server, mut client) = duplex(buffer);
        let talk = async {
            let request = with_header("Sec-WebSocket-Protocol: a, b") + early;
            client.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                answer.push(client.read_u8().await.unwrap());
            }
            String::from_utf8(answer).unwrap()
        };
        let config = HandshakeConfig::default();
        let accepting = accept(server, &config, async |request, upgrade| {
            assert_eq!(request.uri(), "/chat?room=a");
            Ok(Accepted { subprotocol: upgrade.select(&["b"]).map(Into::into), carry: request.headers().len() })
        });
        let (upgraded, answer) = tokio::join!(accepting, talk);
        let upgraded = upgraded.unwrap();
        assert_eq!(upgraded.subprotocol.as_deref(), Some("b"));
        assert_eq!(upgraded.carry, 6);
        assert_eq!(upgraded.read_buf, early);
        assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
        assert!(answer.contains("\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
        assert!(answer.contains("\r\nsec-websocket-protocol: b\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_and_then_the_connection_closes() {
    let decisions: [(&str, Option<StatusCode>, &str); 2] = [
        (REQUEST, Some(StatusCode::FORBIDDEN), "HTTP/1.1 403 Forbidden\r\n"),
        ("GET / HTTP/1.1\r\n\r\n", None, "HTTP/1.1 426 Upgrade Required\r\n"),
    ];
    for (request, refusal, status_line) in decisions {
        let (server, mut client) = duplex(1024);
        let talk = async move {
            client.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let config = HandshakeConfig::default();
        let accepting = accept(server, &config, |_, _| {
            let mut response = Response::new("no\n".to_owned());
            *response.status_mut() = refusal.expect("a request without an upgrade is not asked about");
            ready(Err::<Accepted, _>(response))
        });
        let (result, answer) = tokio::join!(accepting, talk);
        assert!(matches!(result, Err(AcceptError::Refused(_))));
        assert!(answer.starts_with(status_line), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert!(answer.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{answer}");
    }
}

#[tokio::test]
async fn a_peer_that_leaves_within_its_request_is_closed() {
    let (server, mut client) = duplex(1024);
    client.write_all(b"GET / HT").await.unwrap();
    drop(client);
    let result = accept(server, &HandshakeConfig::default(), |_, _| ready(Ok(Accepted::<()>::default()))).await;
    assert!(matches!(result, Err(AcceptError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_the_callers_timeout() {
    let (server, _client) = duplex(1024);
    let config = HandshakeConfig::default();
    let accepting = accept(server, &config, |_, _| ready(Ok(Accepted::<()>::default())));
    assert!(tokio::time::timeout(Duration::from_secs(10), accepting).await.is_err());
}

/// Quadratic searching would look at 16 KiB 16,384 times, which takes seconds in a debug build; linear takes milliseconds.
#[test]
fn a_request_in_single_bytes_is_searched_once() {
    let line = format!("X-Long: {}", "a".repeat(15_000));
    let request = with_header(&line);
    let mut head = RequestHead::default();
    let mut searched = 0;
    for (i, byte) in request.bytes().enumerate() {
        head.buffer().extend_from_slice(&[byte]);
        searched += head.unsearched();
        let parsed = head.parse(&HandshakeConfig::default()).unwrap();
        assert_eq!(parsed.is_some(), i + 1 == request.len());
    }
    assert!(searched <= 4 * request.len(), "{searched} bytes for a request of {}", request.len());
}
