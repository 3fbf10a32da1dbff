//! Taking a port, and saying what is in the way when that fails.

use crate::connector::http;
use std::{io, net::SocketAddr, time::Duration};
use tokio::net::TcpListener;

/// A Takt on this computer answers sooner.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "a Takt listens on {0} already: stop that one (Ctrl-C where it runs), or choose another address with --bind"
    )]
    TakenByTakt(SocketAddr),
    #[error("{0} is taken by another program: stop it, or choose another address with --bind")]
    Taken(SocketAddr),
    #[error(
        "{0} cannot be used without special rights, as ports below 1024 mostly cannot: choose a higher one with --bind"
    )]
    NotPermitted(SocketAddr),
    #[error("{0} is no address of this computer: choose another one with --bind")]
    NotHere(SocketAddr),
    #[error("{address} cannot be used ({source}): choose another address with --bind")]
    Other { address: SocketAddr, source: io::Error },
}

/// Listens on an address; port 0 takes a free one.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::AddrInUse if is_takt(address).await => BindError::TakenByTakt(address),
            io::ErrorKind::AddrInUse => BindError::Taken(address),
            io::ErrorKind::PermissionDenied => BindError::NotPermitted(address),
            io::ErrorKind::AddrNotAvailable => BindError::NotHere(address),
            _ => BindError::Other { address, source: error },
        }),
    }
}

/// Only Takt answers this path with these words.
async fn is_takt(address: SocketAddr) -> bool {
    let Ok(client) = http::client() else { return false };
    let asked = client.get(format!("http://{address}/health")).timeout(ANSWER_TIME_MAX).send();
    let Ok(answer) = asked.await else { return false };
    let health = http::read_body(answer, 64 * 1024).await.ok();
    let health = health.and_then(|body| serde_json::from_slice::<serde_json::Value>(&body).ok());
    health.is_some_and(|health| health["status"].is_string() && health["workers"].is_number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_says_what_is_in_the_way() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        // Nobody answers there: the backlog takes the connection, and the question times out.
        assert!(matches!(bind(address).await.unwrap_err(), BindError::Taken(_)));
        let elsewhere = "192.0.2.1:0".parse().unwrap();
        assert!(matches!(bind(elsewhere).await.unwrap_err(), BindError::NotHere(_)));
    }
}
