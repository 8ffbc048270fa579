//! Each check of the transport contract fails with a transport that breaks its rule.

use async_trait::async_trait;
use fanfare::Hub;
use fanfare_testkit::{
    Dial, Heard, TestClient,
    transport_contract::{self, Frame, TransportClient, TransportFixture},
};
use tokio::time::{Duration, Instant};

/// What is wrong with a transport.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    /// Every hundredth message does not arrive.
    Loses,
    /// Text beyond 16 KiB is cut.
    Cuts,
    /// Text is changed on its way.
    Garbles,
    /// The bytes of a binary message come in another order.
    Turns,
    /// Every close has the code 1000.
    ForgetsCodes,
    /// The last messages before a close do not arrive.
    ClosesEarly,
    /// It takes from the server whatever the client does, without a bound.
    Hoards,
    /// It is mute from the beginning.
    IsMute,
    /// It knows no limit for messages.
    HasNoLimit,
    /// Notices of a coming end are thrown away.
    IsSilentAboutDrains,
}

struct Flawed(Flaw, Option<Hub>);

struct Client(Flaw, TestClient, usize);

#[async_trait]
impl TransportFixture for Flawed {
    type Client = Client;

    async fn start(&mut self, hub: &Hub) {
        self.1 = Some(hub.clone());
    }

    async fn connect(&mut self) -> Client {
        let hub = self.1.as_ref().expect("started first");
        let mut client = Dial::plain().open(hub).await.expect("the hub lets everybody in");
        match self.0 {
            Flaw::Hoards => {}
            Flaw::IsMute => client.mute(),
            _ => client.stall(),
        }
        Client(self.0, client, 0)
    }
}

#[async_trait]
impl TransportClient for Client {
    async fn send(&mut self, frame: Frame) {
        match frame {
            // As a transport without a limit would do it: the message arrives, and nothing comes of it.
            Frame::Text(text) if self.0 == Flaw::HasNoLimit && text.len() > 65_536 => self.1.close(1000),
            Frame::Text(text) => self.1.send_text(&text),
            Frame::Binary(bytes) => self.1.send_raw(&bytes),
            Frame::Close(code, _) => self.1.close(code),
        }
    }

    async fn next(&mut self) -> Option<Frame> {
        let far = Instant::now() + Duration::from_secs(3600);
        self.1.unstall();
        let frame = loop {
            let frame = match self.1.next_until(far).await? {
                Heard::Word(word) => Frame::Text(word.to_string()),
                Heard::Raw(bytes) => Frame::Binary(bytes.to_vec()),
                Heard::Close(code, reason) => Frame::Close(code, reason),
                Heard::Ping | Heard::Pong => continue,
                Heard::End => return None,
            };
            self.2 += 1;
            match (self.0, frame) {
                (Flaw::Loses, Frame::Text(_)) if self.2 % 100 == 0 => {}
                (Flaw::Cuts, Frame::Text(text)) if text.len() > 16 * 1024 => {
                    break Some(Frame::Text(text.replace("abcdefg", "")));
                }
                (Flaw::Garbles, Frame::Text(text)) => break Some(Frame::Text(text.replace('€', "?"))),
                (Flaw::Turns, Frame::Binary(bytes)) => break Some(Frame::Binary(bytes.into_iter().rev().collect())),
                (Flaw::ForgetsCodes, Frame::Close(_, reason)) => break Some(Frame::Close(1000, reason)),
                (Flaw::ClosesEarly, Frame::Text(text)) if text.contains("last") => {}
                (Flaw::IsSilentAboutDrains, Frame::Text(text)) if text.contains("closing") => {
                    break Some(Frame::Text(r#"{"type":"closing","code":1012}"#.into()));
                }
                (_, frame) => break Some(frame),
            }
        };
        if self.0 != Flaw::Hoards {
            self.1.stall();
        }
        frame
    }

    fn cut(mut self) {
        self.1.cut();
    }
}

macro_rules! fails {
    ($($flaw:ident => $check:ident, $because:literal;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[should_panic(expected = $because)]
            async fn $check() {
                transport_contract::$check(Flawed(Flaw::$flaw, None)).await;
            }
        )+
    };
}

fails! {
    Garbles => text_arrives_as_it_was_sent, "assertion `left == right` failed";
    Turns => bytes_arrive_as_they_were_sent, "got";
    Loses => a_thousand_messages_arrive_in_order, "assertion `left == right` failed";
    Cuts => messages_of_all_sizes_arrive_whole, "did not arrive whole";
    ForgetsCodes => a_clients_close_is_answered, "answered by its own code";
    ClosesEarly => the_servers_close_reaches_the_client, "expected a word";
    IsSilentAboutDrains => a_drain_tells_when_to_come_back, "tells when to come back";
    HasNoLimit => a_message_over_the_limit_ends_its_session_alone, "assertion `left == right` failed";
    Hoards => a_slow_reader_is_closed_and_others_do_not_wait, "is not closed after";
    IsMute => a_peer_that_answers_stays, "a quiet client heard";
}
