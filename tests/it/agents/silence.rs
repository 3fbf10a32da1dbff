//! Silence: who takes no connection, who does not begin to answer, and who does not end. Each has its own limit and is
//! told by its own class.

use super::wire::{endpoint, question};
use crate::support::wire::{Said, Wire};
use serde_json::json;
use std::time::{Duration, Instant};
use takt::{
    agent::{Model, ModelError, ModelErrorClass as Class},
    connector::openai::OpenAi,
    site::ModelTimeouts,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Far below every other limit here.
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(30);
/// What a busy machine may take longer than it was told to.
const LATEST: Duration = Duration::from_secs(10);

fn with(url: &str, timeouts: ModelTimeouts) -> OpenAi {
    let mut endpoint = endpoint(url);
    endpoint.options.timeouts = timeouts;
    OpenAi::new(&endpoint).expect("a client")
}

/// Asks, and says how long it took to learn that there is no answer.
async fn ask(model: &OpenAi, timeout: Duration) -> (ModelError, Duration) {
    let begun = Instant::now();
    let error = model.complete(&question("x"), timeout).await.expect_err("silence");
    (error, begun.elapsed())
}

fn assert_short(name: &str, took: Duration) {
    assert!((SHORT..LATEST).contains(&took), "{name}: {took:?}");
}

/// A listener that nobody accepts from and whose queue is full: the next who connects waits for ever.
struct Full {
    url: String,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

async fn full() -> Full {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        queued.push(stream.expect("a place in the queue"));
        assert!(queued.len() < 64, "the queue has no end");
    }
    Full { url: format!("http://{address}/v1"), _listener: listener, _queued: queued }
}

#[tokio::test]
async fn who_takes_no_connection_is_unreachable_after_the_time_to_connect() {
    let full = full().await;
    let model = with(&full.url, ModelTimeouts { connect: SHORT, first_byte: LONG, total: LONG });
    let (error, took) = ask(&model, LONG).await;
    assert_eq!((error.class, error.status), (Class::Unreachable, None), "{error}");
    assert!(!error.class.may_cost(error.status), "nothing was sent");
    assert_short("connect", took);
}

#[tokio::test]
async fn who_does_not_begin_or_does_not_end_is_given_up_in_time() {
    let silent =
        Wire::start(|_| Said { after: Duration::from_secs(60), ..Said::json(200, &json!({})) }).await;
    let stalled = Wire::start(|_| Said { stalls: true, ..Said::json(200, &json!({ "a": 1 })) }).await;
    let patient = ModelTimeouts { connect: LONG, first_byte: LONG, total: LONG };
    let cases = [
        ("first byte", with(&silent.url, ModelTimeouts { first_byte: SHORT, ..patient }), LONG, None),
        ("total", with(&stalled.url, ModelTimeouts { total: SHORT, ..patient }), LONG, Some(200)),
        ("the step's own limit", with(&silent.url, patient), SHORT, None),
    ];
    for (name, model, timeout, status) in cases {
        let (error, took) = ask(&model, timeout).await;
        assert_eq!((error.class, error.status), (Class::Timeout, status), "{name}: {error}");
        assert!(error.class.may_cost(error.status), "{name}: it may be on the bill");
        assert_short(name, took);
    }
}
