//! The listener: takes connections and hands their requests to the router, within bounds that one stranger cannot use
//! up. Nothing here knows a route.

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// From the first byte, and between two requests of one connection: whoever says nothing has nothing to ask.
const HEADER_TIME_MAX: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX: usize = 4_096;
/// A browser holds six, and one for each page that listens for changes; a plant may share one address.
const PER_ADDRESS_MAX: usize = 256;
/// For database, files and requests to others.
const FILES_KEPT: u64 = 256;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How many connections are taken.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub connections: usize,
    /// Of one address that is no proxy of the site.
    pub per_address: usize,
    pub header_time: Duration,
}

impl Bounds {
    /// Raises the limit of open files as far as this process may, and takes no more connections than that leaves room for.
    pub fn of_process() -> Self {
        let files = match getrlimit(Resource::RLIMIT_NOFILE) {
            Ok((soft, hard)) => match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
                Ok(()) => hard,
                Err(_) => soft,
            },
            Err(_) => 1_024,
        };
        let room = usize::try_from(files.saturating_sub(FILES_KEPT)).unwrap_or(CONNECTIONS_MAX);
        let connections = room.clamp(64, CONNECTIONS_MAX);
        Self { connections, per_address: PER_ADDRESS_MAX.min(connections / 2), header_time: HEADER_TIME_MAX }
    }
}

/// Connections by address.
#[derive(Default)]
struct Open(Mutex<HashMap<IpAddr, usize>>);

impl Open {
    /// `None` where this address has as many as it may.
    fn take(self: &Arc<Self>, from: IpAddr, most: usize) -> Option<Held> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(from).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Held { open: self.clone(), from })
    }
}

/// One connection's place, free again when this is dropped.
struct Held {
    open: Arc<Open>,
    from: IpAddr,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut open = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.from);
            }
        }
    }
}

/// Serves until `stop`; then open requests are answered.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    proxies: Vec<IpAddr>,
    bounds: Bounds,
    stop: CancellationToken,
) -> io::Result<()> {
    let (places, open) = (Arc::new(Semaphore::new(bounds.connections)), Arc::new(Open::default()));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((place, listener.accept().await?))
        };
        let (place, (stream, peer)) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_of_the_peer(&error) => continue,
                Err(error) => {
                    tracing::error!(%error, "no connection can be taken");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(TRY_AGAIN_AFTER) => continue,
                    }
                }
            },
        };
        let from = peer.ip().to_canonical();
        let most = if proxies.contains(&from) { usize::MAX } else { bounds.per_address };
        let Some(held) = open.take(from, most) else {
            tracing::debug!(%from, "an address has as many connections as it may: one more is closed");
            continue;
        };
        let one = converse(stream, peer, router.clone(), bounds.header_time, stop.clone(), (place, held));
        connections.spawn(one);
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    header_time: Duration,
    stop: CancellationToken,
    _place: (OwnedSemaphorePermit, Held),
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, %peer, "a connection ended early");
    }
}

/// It was gone before it was taken.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const SHORT: Bounds = Bounds { connections: 8, per_address: 4, header_time: Duration::from_millis(300) };
    const LONG: Bounds = Bounds { header_time: Duration::from_secs(60), ..SHORT };

    async fn served(bounds: Bounds, proxies: Vec<IpAddr>) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(serve(listener, router, proxies, bounds, stop.clone()));
        (address, stop)
    }

    async fn asked(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn half_requests_are_ended_and_stop_nobody() {
        let (address, stop) = served(SHORT, vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]).await;
        let mut half = Vec::new();
        for _ in 0..SHORT.connections * 3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
            half.push(stream);
        }
        assert!(
            asked(address).await.ends_with("here"),
            "a place is free when a half request has had its time"
        );
        let mut rest = Vec::new();
        for stream in &mut half {
            assert!(stream.read_to_end(&mut rest).await.is_ok() || rest.is_empty(), "closed");
        }
        stop.cancel();
    }

    #[tokio::test]
    async fn one_address_takes_not_all_places() {
        let (address, stop) = served(LONG, Vec::new()).await;
        let mut held = Vec::new();
        for _ in 0..LONG.per_address {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(asked(address).await, "", "one more is closed at once");
        drop(held.pop());
        let mut answer = String::new();
        while !answer.ends_with("here") {
            answer = asked(address).await;
        }
        stop.cancel();
    }
}
