//! The nemesis: from one seed, what is killed, frozen, cut or failed over next.

use super::{
    cluster::Cluster,
    load::Load,
    proxy::Proxy,
    servers::{Armed, Server, Setting},
};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use takt::engine::{CRASH_POINTS, DOOR_CRASH_POINTS};
use tokio::sync::Mutex as AsyncMutex;

const SERVERS: usize = 3;
/// Longer than a lease: whoever is frozen for so long is taken over.
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
    /// Crash points that an armed server did not come to before patience ended.
    pub missed: BTreeMap<&'static str, u32>,
    reached: BTreeMap<&'static str, u32>,
    random: ChaCha8Rng,
    servers: Vec<Server>,
    started: u32,
    deeds: Vec<Deed>,
    points: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    KillServer,
    FreezeServer,
    KillPostgres,
    FreezePostgres { is_long: bool },
    KillBoth,
    FailOver,
    FailOverAndKill,
    SplitBrain,
    LoseStandby,
    CutConnections,
    CrashPoint,
}

/// Deeds by how often they come until all have come: about fifty kills.
const DEEDS: [(Deed, usize); 12] = [
    (Deed::KillServer, 8),
    (Deed::FreezeServer, 2),
    (Deed::KillPostgres, 5),
    (Deed::FreezePostgres { is_long: false }, 1),
    (Deed::FreezePostgres { is_long: true }, 1),
    (Deed::KillBoth, 3),
    (Deed::FailOver, 1),
    (Deed::FailOverAndKill, 1),
    (Deed::SplitBrain, 1),
    (Deed::LoseStandby, 1),
    (Deed::CutConnections, 2),
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
            missed: BTreeMap::new(),
            reached: BTreeMap::new(),
            random,
            servers: Vec::new(),
            started: 0,
            deeds: Vec::new(),
            points: Vec::new(),
        };
        while nemesis.servers.len() < SERVERS {
            let server = nemesis.start().await;
            nemesis.servers.push(server);
        }
        nemesis.tell_doors();
        nemesis
    }

    /// Processes killed, frozen or failed over; a cut connection is no kill.
    pub fn total(&self) -> u32 {
        self.kills.iter().filter(|(what, _)| *what != CUT).map(|(_, times)| times).sum()
    }

    /// Crash points at which nobody has died.
    pub fn unreached(&self) -> Vec<&'static str> {
        every_point().filter(|point| !self.reached.contains_key(point)).collect()
    }

    /// Goes on until so many processes have been killed or frozen, databases among them.
    pub async fn rage(&mut self, kills: u32) {
        while self.total() < kills {
            let deed = self.next_deed();
            self.commit(deed).await;
            self.pause(100, 1_200).await;
        }
        self.calm().await;
    }

    /// The next of a shuffled deck, so that none stays away by chance.
    fn next_deed(&mut self) -> Deed {
        if self.deeds.is_empty() {
            self.deeds = DEEDS.iter().flat_map(|(deed, times)| std::iter::repeat_n(*deed, *times)).collect();
            self.deeds.shuffle(&mut self.random);
        }
        self.deeds.pop().expect("a deed")
    }

    async fn pause(&mut self, from: u64, to: u64) {
        let pause = self.random.random_range(from..to);
        tokio::time::sleep(Duration::from_millis(pause)).await;
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
            Deed::FreezePostgres { is_long } => self.freeze_postgres(is_long).await,
            Deed::KillBoth => {
                let at = self.pick();
                self.kill_postgres(Some(at)).await;
                self.count("server killed with postgres");
            }
            Deed::FailOver => self.fail_over(None).await,
            Deed::FailOverAndKill => {
                let at = self.pick();
                self.fail_over(Some(at)).await;
                self.count("server killed with a failover");
            }
            Deed::SplitBrain => self.split_brain().await,
            Deed::LoseStandby => self.lose_standby().await,
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
            let server = self.start().await;
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
        self.pause(0, 1_500).await;
        cluster.restart().await;
        self.count("postgres killed");
    }

    /// All of it stands still, for less than a lease or for more.
    async fn freeze_postgres(&mut self, is_long: bool) {
        let cluster = self.cluster.clone();
        let cluster = cluster.lock().await;
        cluster.freeze();
        if self.random.random_bool(0.5) {
            let at = self.pick();
            self.kill_server(at);
            self.count("server killed while postgres was frozen");
        }
        if is_long {
            tokio::time::sleep(FROZEN).await;
        } else {
            self.pause(200, 3_000).await;
        }
        cluster.thaw();
        self.count(if is_long { "postgres frozen past a lease" } else { "postgres frozen" });
    }

    async fn fail_over(&mut self, and_server: Option<usize>) {
        let cluster = self.cluster.clone();
        let mut cluster = cluster.lock().await;
        cluster.kill();
        if let Some(at) = and_server {
            self.kill_server(at);
        }
        cluster.promote().await;
        cluster.bury_deposed();
        self.proxy.switch(cluster.port());
        self.count(if and_server.is_some() { "failed over with a server" } else { "failed over" });
        self.pause(0, 1_000).await;
        cluster.add_standby().await;
    }

    /// The primary only seemed dead. It cannot commit when it wakes: `synchronous_standby_names` is still `*` there,
    /// and its standby is the new primary. What it can do is to answer questions with yesterday's state, and to keep
    /// what it is told hanging. Over connections that were cut nobody would ask it: they are kept.
    async fn split_brain(&mut self) {
        let cluster = self.cluster.clone();
        let mut cluster = cluster.lock().await;
        cluster.freeze();
        cluster.promote().await;
        self.proxy.redirect(cluster.port());
        self.pause(0, 1_500).await;
        cluster.thaw_deposed();
        self.pause(500, 3_000).await;
        cluster.bury_deposed();
        self.count("split brain");
        cluster.add_standby().await;
    }

    /// Commits hang until the standby is back, or until somebody takes it out.
    async fn lose_standby(&mut self) {
        let cluster = self.cluster.clone();
        let mut cluster = cluster.lock().await;
        cluster.kill_standby();
        self.pause(200, 2_500).await;
        let is_taken_out = self.random.random_bool(0.5);
        if is_taken_out {
            cluster.take_standby_out().await;
            self.pause(200, 1_500).await;
        }
        cluster.restart_standby().await;
        self.count(if is_taken_out { "standby killed and taken out" } else { "standby killed" });
    }

    /// A server that dies by itself at the next point in turn.
    async fn crash(&mut self) {
        if self.points.is_empty() {
            self.points = every_point().collect();
        }
        let point = self.points.remove(0);
        let at = self.pick();
        self.kill_server(at);
        self.count("server killed");
        let server = self.start_unready(Armed { crash_at: Some(point.to_owned()), fault: None });
        self.servers[at] = server;
        let begun = Instant::now();
        // It may die before it has answered once: then nobody ever asked it.
        if self.servers[at].ready().await {
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
        }
        if self.servers[at].has_aborted() {
            *self.reached.entry(point).or_default() += 1;
            return self.count(&format!("server crashed at {point}"));
        }
        *self.missed.entry(point).or_default() += 1;
        if !self.servers[at].is_dead() {
            self.kill_server(at);
            self.count("server killed");
        }
    }

    fn kill_server(&mut self, at: usize) {
        self.servers[at].kill();
        self.tell_doors();
    }

    /// Starts again what is dead.
    async fn mend(&mut self) {
        for at in 0..self.servers.len() {
            if self.servers[at].is_dead() {
                let server = self.start().await;
                self.servers[at] = server;
            }
        }
        self.tell_doors();
    }

    async fn start(&mut self) -> Server {
        loop {
            let mut server = self.start_unready(Armed::default());
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

fn every_point() -> impl Iterator<Item = &'static str> {
    CRASH_POINTS.into_iter().chain(DOOR_CRASH_POINTS)
}
