//! A client that waits for no answer longer than ten seconds.

use std::{future::Future, net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderName, HeaderValue, Response},
        protocol::Role,
    },
};

#[derive(Debug)]
pub(crate) struct Client<S = TcpStream>(WebSocketStream<S>);

/// What never comes fails the test instead of hanging it.
pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("an answer within ten seconds")
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        Self::connect_over(stream, &format!("ws://{address}{path}"), headers).await
    }

    /// A client whose session is open.
    pub(crate) async fn opened(address: SocketAddr) -> Self {
        let mut client = Self::connect(address, "/ws", &[]).await.unwrap();
        assert_eq!(client.json().await["type"], "connected");
        client
    }

    /// A client over a stream that was upgraded by hand.
    pub(crate) async fn over(stream: TcpStream) -> Self {
        Self(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
    }

    /// Drops the connection so that the server gets a reset instead of an end.
    pub(crate) fn reset(self) {
        self.0.get_ref().set_zero_linger().unwrap();
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.0.get_ref().local_addr().unwrap()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn connect_over(stream: S, uri: &str, headers: &[(&str, &str)]) -> Result<Self, Error> {
        let mut request = uri.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        Ok(Self(bounded(client_async(request, stream)).await?.0))
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_message(Message::text(message.to_string())).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        bounded(self.try_send(message)).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, message: Message) -> Result<(), Error> {
        self.0.send(message).await
    }

    pub(crate) async fn message(&mut self) -> Message {
        bounded(self.try_next()).await.unwrap()
    }

    /// The next message. `None` at the end, however it came about.
    pub(crate) async fn try_next(&mut self) -> Option<Message> {
        self.0.next().await?.ok()
    }

    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(self.message().await.to_text().unwrap()).unwrap()
    }

    /// The code of the close frame, whatever comes before it.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.message().await {
                return frame.map_or(1005, |frame| frame.code.into());
            }
        }
    }

    /// Waits for the server to end the connection.
    pub(crate) async fn ends(&mut self) {
        while bounded(self.try_next()).await.is_some() {}
    }

    pub(crate) async fn close(&mut self) {
        bounded(self.0.close(None)).await.unwrap();
        self.ends().await;
    }
}

/// The response that a connection was refused with.
pub(crate) fn refusal(connected: Result<Client, Error>) -> Response<Option<Vec<u8>>> {
    match connected {
        Err(Error::Http(response)) => *response,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("not refused"),
    }
}

/// Sends an upgrade with `rest` behind it in one write. Returns the stream behind the answer, and the answer's lines in lower
/// case.
pub(crate) async fn upgrade(address: SocketAddr, headers: &str, rest: &[u8]) -> (TcpStream, Vec<String>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("GET /ws HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").into_bytes();
    request.extend_from_slice(rest);
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(bounded(stream.read_u8()).await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap().to_lowercase();
    (stream, answer.lines().map(str::to_owned).collect())
}

/// The status that a plain GET with these headers is answered with.
pub(crate) async fn http_status(address: SocketAddr, headers: &str) -> u16 {
    let (_, answer) = upgrade(address, headers, &[]).await;
    answer[0].split(' ').nth(1).unwrap().parse().unwrap()
}
