//! What a client of any HTTP adapter can rely on. Each adapter's `tests/websocket.rs` runs all of it on a server of its own.
#![allow(clippy::unwrap_used)]

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

use bytes::Bytes;
use fanfare::{
    CloseCode, Config, Drain, Handshake, Hub, HubBuilder, Identity, Payload, Refusal, Session, SessionId,
    handler::Context, transport::{Framing, MessageKind},
};
use fanfare_websocket::ClientFraming;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message, Utf8Bytes,
        client::IntoClientRequest,
        http::{HeaderValue, Response, StatusCode},
    },
};
