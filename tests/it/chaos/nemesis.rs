//! The nemesis: from one seed, what is killed, frozen, cut or failed over next.

use super::{
    cluster::Cluster,
    load::Load,
    proxy::Proxy,
    servers::{Armed, Server, Setting},
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use takt::engine::{CRASH_POINTS, DOOR_CRASH_POINTS};
use tokio::sync::Mutex as AsyncMutex;

const SERVERS: usize = 3;
/// Longer than a lease, so that a frozen worker is taken over.
const FROZEN: Duration = Duration::from_secs(8);
/// How long a process may take to reach the point it is to die at.
const CRASH_PATIENCE: Duration = Duration::from_secs(12);

const CUT: &str = "connections cut";

pub struct Nemesis {
    pub setting: Setting,
    pub cluster: Arc<AsyncMutex<Cluster>>,
    pub proxy: Proxy,
    pub load: Load,
    pub kills: BTreeMap<String, u32>,
    random: ChaCha8Rng,
    servers: Vec<Server>,
    started: u32,
    points: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    KillServer,
    FreezeServer,
    KillPostgres,
    KillBoth,
    FailOver,
    CutConnections,
    CrashPoint,
}

/// Deeds by how often they come.
const DEEDS: [(Deed, u32); 7] = [
    (Deed::KillServer, 8),
    (Deed::FreezeServer, 3),
    (Deed::KillPostgres, 5),
    (Deed::KillBoth, 3),
    (Deed::FailOver, 2),
    (Deed::CutConnections, 3),
    (Deed::CrashPoint, 8),
];

impl Nemesis {
    pub async fn new(
        seed: u64,
        setting: Setting,
        cluster: Arc<AsyncMutex<Cluster>>,
        proxy: Proxy,
        load: Load,
    ) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        let mut nemesis = Self {
            setting,
            cluster,
            proxy,
            load,
            kills: BTreeMap::new(),
            random,
            servers: Vec::new(),
            started: 0,
            points: Vec::new(),
        };
        while nemesis.servers.len() < SERVERS {
            let server = nemesis.start(Armed::default()).await;
            nemesis.servers.push(server);
        }
        nemesis.tell_doors();
        nemesis
    }

    /// Processes killed, frozen or failed over; a cut connection is no kill.
    pub fn total(&self) -> u32 {
        self.kills.iter().filter(|(what, _)| *what != CUT).map(|(_, times)| times).sum()
    }

    /// Goes on until so many processes have been killed or frozen, databases among them.
    pub async fn rage(&mut self, kills: u32) {
        while self.total() < kills {
            let deed = DEEDS.choose_weighted(&mut self.random, |(_, weight)| *weight).expect("deeds").0;
            self.commit(deed).await;
            let pause = self.random.random_range(100..1_200);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        self.calm().await;
    }

    /// Everybody awake, alive and unarmed.
    async fn calm(&mut self) {
        for server in &mut self.servers {
            if server.is_frozen() {
                server.thaw();
            }
        }
        self.mend().await;
    }

    async fn commit(&mut self, deed: Deed) {
        match deed {
            Deed::KillServer => {
                let at = self.pick();
                self.kill_server(at);
                self.count("server killed");
            }
            Deed::FreezeServer => self.freeze().await,
            Deed::KillPostgres => self.kill_postgres(None).await,
            Deed::KillBoth => {
                let at = self.pick();
                self.kill_postgres(Some(at)).await;
                self.count("server killed with postgres");
            }
            Deed::FailOver => self.fail_over().await,
            Deed::CutConnections => {
                self.proxy.cut();
                self.count(CUT);
            }
            Deed::CrashPoint => self.crash().await,
        }
        self.mend().await;
    }

    async fn freeze(&mut self) {
        let at = self.pick();
        self.servers[at].freeze();
        self.tell_doors();
        // The others work, and may die meanwhile.
        let mut left = FROZEN;
        while left > Duration::from_secs(2) && self.random.random_bool(0.5) {
            let other = (at + 1) % self.servers.len();
            self.kill_server(other);
            self.count("server killed");
            let server = self.start(Armed::default()).await;
            self.servers[other] = server;
            self.tell_doors();
            left = left.saturating_sub(Duration::from_secs(2));
        }
        tokio::time::sleep(left).await;
        self.servers[at].thaw();
        self.count("server frozen");
        self.tell_doors();
    }

    async fn kill_postgres(&mut self, and_server: Option<usize>) {
        let cluster = self.cluster.clone();
        let mut cluster = cluster.lock().await;
        cluster.kill();
        if let Some(at) = and_server {
            self.kill_server(at);
        }
        let down = self.random.random_range(0..1_500);
        tokio::time::sleep(Duration::from_millis(down)).await;
        cluster.restart().await;
        self.count("postgres killed");
    }

    async fn fail_over(&mut self) {
        let cluster = self.cluster.clone();
        let mut cluster = cluster.lock().await;
        if !cluster.has_standby() {
            return;
        }
        cluster.kill();
        cluster.fail_over().await;
        self.proxy.switch(cluster.port());
        self.count("failed over");
        let pause = self.random.random_range(0..1_000);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        cluster.add_standby().await;
    }

    /// A server that dies by itself at the next point in turn.
    async fn crash(&mut self) {
        if self.points.is_empty() {
            self.points = CRASH_POINTS.iter().chain(&DOOR_CRASH_POINTS).copied().collect();
        }
        let point = self.points.remove(0);
        let at = self.pick();
        self.kill_server(at);
        self.count("server killed");
        let mut server = self.start_unready(Armed { crash_at: Some(point), fault: None });
        // It may die before it has answered once: then nobody ever asked it.
        let begun = std::time::Instant::now();
        if server.ready().await {
            self.servers[at] = server;
            self.tell_doors();
            if point.ends_with("takeover") {
                // Somebody must be dead first.
                let victim = (at + 1) % self.servers.len();
                self.kill_server(victim);
                self.count("server killed");
            }
            while begun.elapsed() < CRASH_PATIENCE && !self.servers[at].is_dead() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            if !self.servers[at].is_dead() {
                self.kill_server(at);
                self.count(&format!("server killed, {point} not reached"));
                return;
            }
        }
        self.count(&format!("server crashed at {point}"));
    }

    fn kill_server(&mut self, at: usize) {
        self.servers[at].kill();
        self.tell_doors();
    }

    /// Starts again what is dead.
    async fn mend(&mut self) {
        for at in 0..self.servers.len() {
            if self.servers[at].is_dead() {
                let server = self.start(Armed::default()).await;
                self.servers[at] = server;
            }
        }
        self.tell_doors();
    }

    async fn start(&mut self, armed: Armed) -> Server {
        loop {
            let mut server = self.start_unready(armed);
            if server.ready().await {
                return server;
            }
        }
    }

    fn start_unready(&mut self, armed: Armed) -> Server {
        self.started += 1;
        Server::start(&self.setting, format!("p{}", self.started), armed)
    }

    fn pick(&mut self) -> usize {
        self.random.random_range(0..self.servers.len())
    }

    fn count(&mut self, what: &str) {
        *self.kills.entry(what.to_owned()).or_default() += 1;
    }

    fn tell_doors(&mut self) {
        let doors = self.servers.iter_mut().filter(|server| !server.is_frozen());
        let doors = doors.filter_map(|server| (!server.is_dead()).then(|| server.url.clone()));
        self.load.set_doors(doors.collect());
    }
}
