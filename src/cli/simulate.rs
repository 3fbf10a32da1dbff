//! `takt simulate`: the plant simulator on its own, until Ctrl-C.

use crate::simulator::{MemoryFile, SignatureClock, Simulator, SimulatorConfig, StartError};
use chrono::{DateTime, Utc};
use std::{io::Write, net::SocketAddr, path::PathBuf};

/// Run the plant simulator: Plex, CMMS, tickets, ERP, supplier portal and andon board of one plant.
#[derive(Debug, clap::Args)]
pub struct SimulateArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8421", value_parser = super::bind::address)]
    pub listen: SocketAddr,
    /// The same seed makes the same plant.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// First instant of the plant's clock.
    #[arg(long, default_value_t = SimulatorConfig::demo_start())]
    pub start: DateTime<Utc>,
    /// Where events are posted, like http://127.0.0.1:8420/hooks/plant.
    #[arg(long)]
    pub target: Option<String>,
    /// Plex calls that are answered per minute; the real system allows 200.
    #[arg(long, default_value_t = SimulatorConfig::default().plex_calls_per_minute)]
    pub plex_calls_per_minute: usize,
    /// Keep the plant in this file, and go on with the one that is in it.
    #[arg(long)]
    pub memory: Option<PathBuf>,
    /// Stamp webhooks with the plant's clock instead of this machine's.
    #[arg(long)]
    pub plant_clock_signatures: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot wait for Ctrl-C")]
    Signal(#[source] std::io::Error),
    #[error("cannot write to the terminal")]
    Terminal(#[source] std::io::Error),
}

/// Serves until Ctrl-C.
pub async fn run(args: SimulateArgs) -> Result<(), SimulateError> {
    let defaults = SimulatorConfig::default();
    let simulator = Simulator::start(SimulatorConfig {
        listen: args.listen,
        seed: args.seed,
        start: args.start,
        target: args.target,
        plex_calls_per_minute: args.plex_calls_per_minute,
        memory: args.memory.map(|path| MemoryFile { path, resume: true }),
        signature_clock: if args.plant_clock_signatures {
            SignatureClock::Plant
        } else {
            defaults.signature_clock
        },
        ..defaults
    })
    .await?;
    let url = &simulator.base_url;
    writeln!(
        std::io::stdout(),
        "Plant simulator at {url} (Plex under {url}/plex, control under {url}/sim). Ctrl-C stops it."
    )
    .map_err(SimulateError::Terminal)?;
    tokio::signal::ctrl_c().await.map_err(SimulateError::Signal)?;
    simulator.stop().await;
    Ok(())
}
