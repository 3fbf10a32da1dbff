//! Socket Mode: clicks come over a connection that Takt opened, for plants that let nothing in from outside.
//!
//! What is read is handed to [`Clicks`], which is also behind the HTTP door; what it answers is the acknowledgement.

use super::client::SlackClient;
use async_trait::async_trait;
use futures::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{Instant, interval, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Bytes, Message, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Between two pings of ours, and how long a connection may be silent.
const PING_EVERY: Duration = Duration::from_secs(20);
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a connection that Slack replaces may still answer what it has read.
const LEAVING: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Socket Mode was switched off in the app's settings; a person has to switch it on.
const DISABLED_WAIT: Duration = Duration::from_secs(5 * 60);

/// Takes what people did in Slack; gives what the acknowledgement carries, within three seconds.
#[async_trait]
pub trait Clicks: Send + Sync {
    async fn take(&self, payload: &str) -> Option<Value>;
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame {
    Hello,
    Interactive(Envelope),
    EventsApi(Envelope),
    SlashCommands(Envelope),
    Disconnect {
        reason: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Envelope {
    envelope_id: String,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    accepts_response_payload: bool,
}

#[derive(Debug, Serialize)]
struct Acknowledgement {
    envelope_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
}

/// How a connection ended, or is about to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parting {
    /// Slack wants a new connection in its place; this one served.
    Refresh,
    Lost,
    Disabled,
}

/// Listens until `stop`. Several processes may do so at once: Slack gives each click to one of them.
pub async fn listen(client: Arc<SlackClient>, clicks: Arc<dyn Clicks>, stop: CancellationToken) {
    let mut wait = FIRST_WAIT;
    loop {
        let begun = Instant::now();
        let parting = tokio::select! {
            () = stop.cancelled() => return,
            parting = one(&client, &clicks, &stop) => parting,
        };
        let pause = match parting {
            Parting::Refresh => Duration::ZERO,
            Parting::Disabled => DISABLED_WAIT,
            Parting::Lost => {
                if begun.elapsed() > LONGEST_WAIT {
                    wait = FIRST_WAIT;
                }
                let pause = wait;
                wait = (wait * 2).min(LONGEST_WAIT);
                pause
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
    }
}

/// One connection, until it is lost or has to be replaced. A replaced one goes on answering what it has read.
async fn one(client: &SlackClient, clicks: &Arc<dyn Clicks>, stop: &CancellationToken) -> Parting {
    let url = match client.open_connection().await {
        Ok(url) => url,
        Err(error) => {
            tracing::warn!(%error, "no connection for Socket Mode");
            return if error.retryable { Parting::Lost } else { Parting::Disabled };
        }
    };
    // The address holds a ticket and stays out of the log.
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let connected = timeout(CONNECT_TIMEOUT, connect_async_with_config(url, Some(config), false)).await;
    let Ok(Ok((socket, _))) = connected else {
        tracing::warn!("Slack's Socket Mode address did not take the connection");
        return Parting::Lost;
    };
    let (part, parted) = oneshot::channel();
    let connection = Connection { socket, clicks: clicks.clone(), part: Some(part) };
    tokio::spawn(connection.run(stop.clone()));
    parted.await.unwrap_or(Parting::Lost)
}

struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    clicks: Arc<dyn Clicks>,
    /// Tells that this connection is over or has to be replaced; once.
    part: Option<oneshot::Sender<Parting>>,
}

impl Connection {
    async fn run(mut self, stop: CancellationToken) {
        let (answer, mut answers) = mpsc::unbounded_channel();
        let mut ping = interval(PING_EVERY);
        let (mut heard, mut leave_at) = (Instant::now(), None);
        loop {
            let until = leave_at.unwrap_or(heard + SILENCE_MAX);
            let sent = tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(until) => break,
                Some(frame) = answers.recv() => self.socket.send(frame).await,
                _ = ping.tick() => self.socket.send(Message::Ping(Bytes::new())).await,
                frame = self.socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => {
                        heard = Instant::now();
                        if let Some(parting) = self.read(text.as_str(), &answer) {
                            self.part(parting);
                            leave_at = leave_at.or(Some(Instant::now() + LEAVING));
                        }
                        Ok(())
                    }
                    Some(Ok(Message::Close(_))) | Some(Err(_)) | None => break,
                    Some(Ok(_)) => {
                        heard = Instant::now();
                        Ok(())
                    }
                },
            };
            if sent.is_err() {
                break;
            }
        }
        self.part(Parting::Lost);
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }

    fn part(&mut self, parting: Parting) {
        if let Some(part) = self.part.take() {
            let _ = part.send(parting);
        }
    }

    /// Answers one frame; a parting when Slack asks for one.
    fn read(&self, text: &str, answer: &mpsc::UnboundedSender<Message>) -> Option<Parting> {
        match serde_json::from_str(text) {
            Ok(Frame::Hello) => tracing::info!("listening to Slack by Socket Mode"),
            Ok(Frame::Interactive(envelope)) => {
                let (clicks, answer) = (self.clicks.clone(), answer.clone());
                tokio::spawn(async move {
                    let said = clicks.take(&envelope.payload.to_string()).await;
                    let payload = said.filter(|_| envelope.accepts_response_payload);
                    acknowledge(&answer, envelope.envelope_id, payload);
                });
            }
            // Not asked for, but Slack would send them again and again.
            Ok(Frame::EventsApi(envelope) | Frame::SlashCommands(envelope)) => {
                acknowledge(answer, envelope.envelope_id, None);
            }
            Ok(Frame::Disconnect { reason }) => {
                let reason = reason.unwrap_or_default();
                tracing::info!(reason, "Slack ends a connection of Socket Mode");
                return Some(match reason.as_str() {
                    "link_disabled" => Parting::Disabled,
                    "too_many_websockets" => Parting::Lost,
                    _ => Parting::Refresh,
                });
            }
            Ok(Frame::Other) => {}
            Err(error) => tracing::warn!(%error, "a frame of Slack's Socket Mode cannot be read"),
        }
        None
    }
}

fn acknowledge(answer: &mpsc::UnboundedSender<Message>, envelope_id: String, payload: Option<Value>) {
    if let Ok(text) = serde_json::to_string(&Acknowledgement { envelope_id, payload }) {
        let _ = answer.send(Message::Text(text.into()));
    }
}
