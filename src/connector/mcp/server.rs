//! One MCP server: what it offers now, and whether a tool still is what was accepted.

use super::{
    definition::{Definition, Unfit, name_of},
    program::Program,
    session::{Ask, Era},
};
use crate::{
    connector::declared::System,
    tool::{ToolError, ToolErrorKind},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

const LIST_BYTES_MAX: usize = 4 * 1024 * 1024;
const PAGES_MAX: usize = 50;
const TOOLS_MAX: usize = 1_000;
/// Hashes are told so far.
const HASH_CHARS: usize = 12;

pub(super) struct Server {
    pub system: System,
    pub way: Way,
    /// How old what is known of the list may be when a tool that reads is called.
    pub check_every: Duration,
    /// With the life of the process that was greeted.
    pub era: Mutex<Option<(u64, Era)>>,
    pub ids: AtomicU64,
    offer: Mutex<Option<(Instant, Arc<Offer>)>>,
}

/// How it is reached.
pub(super) enum Way {
    /// Its address.
    Http(String),
    Program(Box<Program>),
}

/// The tools of a server by its own names for them.
pub(super) type Offer = BTreeMap<String, Result<Definition, Unfit>>;

impl Server {
    pub(super) fn new(system: System, way: Way, check_every: Duration) -> Self {
        let (era, ids, offer) = (Mutex::default(), AtomicU64::new(1), Mutex::default());
        Self { system, way, check_every, era, ids, offer }
    }

    /// Refuses a tool that is no longer what was accepted. What is known may be `age_max` old.
    pub(super) async fn verify(
        &self,
        pin: &Definition,
        age_max: Duration,
        deadline: Instant,
    ) -> Result<(), ToolError> {
        let offer = self.offer(age_max, deadline).await?;
        let name = pin.name();
        let accept = format!("run `takt mcp accept {} {name}`, then start Takt again", self.system.name);
        let message = match offer.get(name) {
            Some(Ok(now)) if now.sha256() == pin.sha256() => return Ok(()),
            Some(Ok(now)) => format!(
                "{} changed its tool `{name}` since it was accepted ({}): sha256 was {}…, is {}…; look at it and {accept}",
                self.system.name,
                pin.differs_in(now).join(", "),
                &pin.sha256()[..HASH_CHARS],
                &now.sha256()[..HASH_CHARS],
            ),
            Some(Err(unfit)) => format!(
                "{} changed its tool `{name}` into one that cannot be accepted: {unfit}",
                self.system.name
            ),
            None => format!("{} no longer offers its tool `{name}`", self.system.name),
        };
        Err(ToolError::new(ToolErrorKind::Denied, message))
    }

    pub(super) async fn offer(&self, age_max: Duration, deadline: Instant) -> Result<Arc<Offer>, ToolError> {
        let late = |_| {
            let message = format!("no time was left to ask {} for its tools", self.system.name);
            ToolError::new(ToolErrorKind::Transient, message)
        };
        let asked_at = Instant::now();
        let mut known = timeout_at(deadline, self.offer.lock()).await.map_err(late)?;
        // Somebody may have asked while this one waited.
        if let Some((at, offer)) = &*known
            && (*at >= asked_at || at.elapsed() < age_max)
        {
            return Ok(offer.clone());
        }
        let listed = self.list(deadline).await?;
        let offer = Arc::new(self.offer_of(&listed));
        *known = Some((Instant::now(), offer.clone()));
        Ok(offer)
    }

    pub(super) async fn forget_offer(&self) {
        // Whoever asks for the list right now gets a new one anyway.
        if let Ok(mut known) = self.offer.try_lock() {
            *known = None;
        }
    }

    fn offer_of(&self, listed: &[Value]) -> Offer {
        let mut offer = Offer::new();
        for tool in listed {
            let read = Definition::of(tool);
            let name = name_of(tool).unwrap_or_default().to_owned();
            offer.entry(name).and_modify(|twice| *twice = Err(Unfit::Twice)).or_insert(read);
        }
        offer
    }

    async fn list(&self, deadline: Instant) -> Result<Vec<Value>, ToolError> {
        let wrong = |why: &str| {
            let message = format!("the list of tools of {} cannot be used: {why}", self.system.name);
            ToolError::new(ToolErrorKind::Permanent, message)
        };
        let (mut tools, mut seen, mut params) = (Vec::new(), BTreeSet::new(), json!({}));
        for _ in 0..PAGES_MAX {
            let ask = Ask {
                method: "tools/list",
                params: params.clone(),
                mirrored: &[],
                trace: None,
                write: None,
                deadline,
                bytes_max: LIST_BYTES_MAX,
            };
            let mut page = self.ask(&ask).await?;
            let Value::Array(found) = page["tools"].take() else { return Err(wrong("there is none in it")) };
            tools.extend(found);
            if tools.len() > TOOLS_MAX {
                return Err(wrong(&format!("it has more than {TOOLS_MAX} tools")));
            }
            match page["nextCursor"].as_str() {
                None => return Ok(tools),
                Some(cursor) if seen.insert(cursor.to_owned()) => params = json!({ "cursor": cursor }),
                Some(_) => return Err(wrong("its pages go round in a circle")),
            }
        }
        Err(wrong(&format!("it has more than {PAGES_MAX} pages")))
    }
}
