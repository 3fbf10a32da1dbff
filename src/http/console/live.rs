//! Server-sent events: the word `changed`, when a page would look different. The page is then fetched again. The page of
//! a run is also shown what a model says before it has said it all; that is not written down, and gone with the next
//! `changed`.

use super::{
    PageError,
    template::{Live, escaped},
};
use crate::{
    engine::{Onlookers, Sight},
    http::{auth::SignedIn, problem::Cause, state::Shared},
    run::{GateId, RunId},
    site::{Person, Section},
    store::{StoreError, changes, sessions},
};
use axum::{
    extract::{Path, Query, State},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{StreamExt, stream};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, convert::Infallible, time::Duration};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, MissedTickBehavior, interval},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The browser connects again after it, and its session is checked again.
const STREAM_LENGTH_MAX: Duration = Duration::from_secs(600);

#[derive(Debug, Clone)]
pub(super) enum Topic {
    Inbox { roles: Vec<String>, person: String },
    Runs,
    Run(RunId),
    Gate(GateId),
    Events,
    Schedules,
}

impl Topic {
    fn read(path: &str, door: &Shared, person: &Person) -> Option<Self> {
        match path.split_once('/') {
            None if path == "inbox" => Some(Self::Inbox {
                roles: super::inbox::roles_of(&door.app.site, person),
                person: person.id.clone(),
            }),
            None if path == "runs" => Some(Self::Runs),
            None if path == "events" => Some(Self::Events),
            None if path == "schedules" => Some(Self::Schedules),
            Some(("runs", id)) => id.parse().ok().map(Self::Run),
            Some(("gates", id)) => id.parse().ok().map(Self::Gate),
            _ => None,
        }
    }

    /// The part of the console that it tells of.
    fn section(&self) -> Option<Section> {
        match self {
            Self::Inbox { .. } | Self::Gate(_) => None,
            Self::Runs | Self::Run(_) => Some(Section::Runs),
            Self::Events => Some(Section::Events),
            Self::Schedules => Some(Section::Schedules),
        }
    }

    async fn mark(&self, door: &Shared) -> Result<String, StoreError> {
        let mut db = door.app.store.connection().await?;
        let mark = match self {
            Self::Inbox { roles, person } => changes::of_inbox(&mut db, roles, person).await,
            Self::Runs => changes::of_runs(&mut db).await,
            Self::Run(run) => changes::of_run(&mut db, *run).await,
            Self::Gate(gate) => changes::of_gate(&mut db, *gate).await,
            Self::Events => changes::of_events(&mut db).await,
            Self::Schedules => changes::of_schedules(&mut db).await,
        };
        Ok(hex::encode(&Sha256::digest(mark?)[..8]))
    }

    fn path(&self) -> String {
        match self {
            Self::Inbox { .. } => "inbox".into(),
            Self::Runs => "runs".into(),
            Self::Events => "events".into(),
            Self::Schedules => "schedules".into(),
            Self::Run(run) => format!("runs/{run}"),
            Self::Gate(gate) => format!("gates/{gate}"),
        }
    }

    /// What a page carries to be told of changes. Ask for it before the page's data is read, so that
    /// nothing falls between the two.
    pub(super) async fn live(&self, door: &Shared) -> Result<Live, StoreError> {
        let mark = self.mark(door).await?;
        let stream = format!("/live/{}?seen={mark}", self.path());
        Ok(Live { stream, poll: !matches!(self, Self::Gate(_)) })
    }
}

/// Whether the session that asked for a stream still is: who signed out is told nothing more.
async fn is_open(door: &Shared, session: &str) -> bool {
    let find = async {
        let mut db = door.app.store.connection().await?;
        sessions::find(&mut db, session, door.app.site.access.sign_in.idle).await
    };
    find.await.is_ok_and(|found| found.is_some())
}

enum Next {
    Tick(Instant),
    Shown(String),
}

/// What somebody sees of a run's models while they speak; through the window of another page there is nothing to see.
struct Window(Option<Looking>);

struct Looking {
    run: RunId,
    onlookers: Onlookers,
    sights: Receiver<Sight>,
    /// By step: several may speak at a time.
    texts: BTreeMap<String, String>,
}

impl Window {
    fn of(topic: &Topic, onlookers: &Onlookers) -> Self {
        let Topic::Run(run) = topic else { return Self(None) };
        let looking = Looking {
            run: *run,
            onlookers: onlookers.clone(),
            sights: onlookers.sights(),
            texts: BTreeMap::new(),
        };
        Self(Some(looking))
    }

    fn look(&self) {
        if let Some(looking) = &self.0 {
            looking.onlookers.look(looking.run);
        }
    }

    async fn next(&mut self) -> String {
        let Some(looking) = &mut self.0 else { return std::future::pending().await };
        loop {
            match looking.sights.recv().await {
                Ok(sight) if sight.run == looking.run => {
                    looking.texts.insert(sight.step, sight.text);
                    return shown(&looking.texts);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }
}

/// As HTML; a line break of SSE is one of ours only.
fn shown(texts: &BTreeMap<String, String>) -> String {
    let step = |(step, text): (&String, &String)| {
        let (step, text) = (escaped(step), escaped(text));
        format!(
            "<p><strong>{step}</strong> <span class=\"muted\">as it comes in, not accepted yet</span></p><pre>{text}</pre>"
        )
    };
    texts.iter().map(step).collect::<String>().replace('\r', " ")
}

/// The mark of the page as it was rendered.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct Seen {
    seen: String,
}

pub(in crate::http) async fn stream(
    State(door): State<Shared>,
    Path(path): Path<String>,
    Query(seen): Query<Seen>,
    who: SignedIn,
) -> Result<Response, PageError> {
    let topic = Topic::read(&path, &door, &who.person).ok_or(PageError::new(Cause::NotFound))?;
    if topic.section().is_some_and(|section| !door.app.site.may_read(&who.person, section)) {
        return Err(PageError::new(Cause::NotReadable));
    }
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = Instant::now() + STREAM_LENGTH_MAX;
    let session = who.token_hash;
    let window = Window::of(&topic, &door.app.hints.onlookers);
    let changes = stream::unfold((seen.seen, ticks, window), move |(seen, mut ticks, mut window)| {
        let (door, topic, session) = (door.clone(), topic.clone(), session.clone());
        async move {
            loop {
                let next = async {
                    tokio::select! {
                        tick = ticks.tick() => Next::Tick(tick),
                        shown = window.next() => Next::Shown(shown),
                    }
                };
                let tick = match door.app.stop.run_until_cancelled(next).await? {
                    Next::Tick(tick) => tick,
                    Next::Shown(shown) => {
                        let told = (Event::default().event("saying").data(shown), (seen, ticks, window));
                        return is_open(&door, &session).await.then_some(told);
                    }
                };
                if tick >= end {
                    return None;
                }
                window.look();
                match topic.mark(&door).await {
                    Ok(mark) if mark != seen => {
                        let told = (Event::default().event("changed").data("1"), (mark, ticks, window));
                        return is_open(&door, &session).await.then_some(told);
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a live page lost the database");
                        return None;
                    }
                }
            }
        }
    });
    let changes = changes.map(Ok::<_, Infallible>);
    Ok(Sse::new(changes).keep_alive(KeepAlive::default()).into_response())
}
