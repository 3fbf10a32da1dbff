//! The listening server: one router of all simulated systems, started and stopped as a whole.

use super::{
    andon, boundary,
    clock::Clock,
    cmms,
    config::SimulatorConfig,
    connection::{Link, SimulatorListener},
    control, erp,
    events::{Outbox, SecretError, Signer},
    memory::{self, Deed, Memory, MemoryError, Origin},
    plex, portal,
    state::{Plant, Shared},
    tickets,
};
use axum::{Router, middleware};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A plant that can be started.
pub struct Simulator;

/// A plant that runs; dropping it stops it, `stop` waits for that.
pub struct Handle {
    pub addr: SocketAddr,
    /// `http://127.0.0.1:…`, without a slash at the end.
    pub base_url: String,
    server: JoinHandle<()>,
    plant: Shared,
    stop: DropGuard,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("port {} is taken: give the plant simulator another one with --listen", .0.port())]
    PortTaken(SocketAddr),
    #[error("the plant simulator cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error("the plant simulator cannot make an HTTP client for its events")]
    Client(#[from] reqwest::Error),
}

impl Simulator {
    /// Generates the plant and serves it; returns when it listens.
    pub async fn start(mut config: SimulatorConfig) -> Result<Handle, StartError> {
        let address = config.listen;
        let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken(address),
            _ => StartError::Listen { address, source },
        })?;
        let addr = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
        let until = config.start;
        let (memory, deeds) = recall(&mut config)?;
        let stop = CancellationToken::new();
        let clock = Arc::new(Clock::starting_at(config.start));
        let outbox = Outbox::new(
            http_client()?,
            Signer::new(&config.webhook_secret)?,
            config.signature_clock,
            Arc::clone(&clock),
            config.target.clone(),
            stop.clone(),
        );
        let plant = Arc::new(Plant::new(config, clock, outbox));
        let router = router(Arc::clone(&plant));
        memory::relive(&plant, &router, deeds).await;
        if plant.clock.set(until).is_err() {
            tracing::debug!("the remembered plant is ahead of the given start");
        }
        if let Some(memory) = memory {
            plant.remember_in(memory);
        }
        let service = router.into_make_service_with_connect_info::<Link>();
        let stopped = stop.clone();
        let server = tokio::spawn(async move {
            let serving = axum::serve(SimulatorListener(listener), service)
                .with_graceful_shutdown(async move { stopped.cancelled().await });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the plant simulator stopped serving");
            }
        });
        Ok(Handle { addr, base_url: format!("http://{addr}"), server, plant, stop: stop.drop_guard() })
    }
}

impl Handle {
    /// Stops taking requests, finishes those in flight and ends the deliveries.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the plant simulator ended badly");
        }
        self.plant.outbox.closed().await;
    }
}

/// Opens the memory, if there is to be one. A plant found in it decides seed and first instant.
fn recall(config: &mut SimulatorConfig) -> Result<(Option<Memory>, Vec<Deed>), MemoryError> {
    let Some(file) = &config.memory else { return Ok((None, Vec::new())) };
    if file.resume
        && let Some((origin, deeds, memory)) = Memory::resume(&file.path)?
    {
        config.seed = origin.seed;
        config.start = origin.start;
        return Ok((Some(memory), deeds));
    }
    let memory = Memory::begin(&file.path, &Origin { seed: config.seed, start: config.start })?;
    Ok((Some(memory), Vec::new()))
}

fn router(plant: Shared) -> Router {
    Router::new()
        .nest("/plex", plex::router(&plant))
        .nest("/cmms", cmms::router(&plant))
        .nest("/tickets", tickets::router(&plant))
        .nest("/erp", erp::router(&plant))
        .nest("/portal", portal::router(&plant))
        .nest("/andon", andon::router(&plant))
        .nest("/sim", control::router())
        .layer(middleware::from_fn_with_state(Arc::clone(&plant), boundary::guard))
        .with_state(plant)
}

fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    // reqwest is built without a TLS provider; the binary installs one first, tests may not have.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    reqwest::Client::builder().no_proxy().build()
}
