//! Which details retention may have taken out: what sealed records of it say, held against how long the site keeps
//! details. Taking them out is the keeper's.

use crate::store::{
    PgConnection, StoreError, clock,
    seals::{self, Link, Purge},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// How long the site says that it keeps details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// There is no takt.yaml at hand: what the trail says is believed, as far as it can be true.
    Unknown,
    ForGood,
    AtLeast(Duration),
}

impl From<Option<Duration>> for Retention {
    fn from(kept: Option<Duration>) -> Self {
        kept.map_or(Self::ForGood, Self::AtLeast)
    }
}

/// The records of retention that count, and those that do not.
#[derive(Debug, Default)]
pub(super) struct Purges {
    /// By `seq`: up to when details were taken out by this one or a later one.
    counting: Vec<(i64, DateTime<Utc>)>,
    /// What is said of a detail that nothing else explains.
    unfit: Vec<(Option<DateTime<Utc>>, String)>,
}

impl Purges {
    pub(super) async fn load(db: &mut PgConnection, retention: Retention) -> Result<Self, StoreError> {
        let now = clock::now(db).await?;
        Ok(Self::of(seals::purges(db).await?, retention, now))
    }

    fn of(found: Vec<Purge>, retention: Retention, now: DateTime<Utc>) -> Self {
        let mut purges = Self::default();
        for purge in found {
            match fit(&purge, retention, now) {
                Ok(counts) => purges.counting.push(counts),
                Err(why) => {
                    let said = format!("the record with id {} says so, but {why}", purge.id);
                    purges.unfit.push((purge.before, said));
                }
            }
        }
        purges.counting.sort_unstable();
        let mut latest = DateTime::<Utc>::MIN_UTC;
        for (_, before) in purges.counting.iter_mut().rev() {
            latest = latest.max(*before);
            *before = latest;
        }
        purges
    }

    /// Whether retention said, after this record was sealed, that it took out details as old as this one's.
    pub(super) fn cover(&self, link: &Link) -> bool {
        let later = self.counting.partition_point(|(seq, _)| *seq <= link.seq);
        self.counting.get(later).zip(link.at).is_some_and(|((_, before), at)| at < *before)
    }

    /// Why a detail that is not covered is missed, as the end of a sentence.
    pub(super) fn why_lost(&self, link: &Link) -> String {
        let is_meant = |before: &Option<DateTime<Utc>>| before.zip(link.at).is_none_or(|(b, at)| at < b);
        let unfit = self.unfit.iter().find(|(before, _)| is_meant(before));
        let but = unfit.map_or_else(String::new, |(_, said)| format!(" ({said})"));
        format!("has lost its detail, and no retention in the trail took it out{but}")
    }
}

fn fit(purge: &Purge, retention: Retention, now: DateTime<Utc>) -> Result<(i64, DateTime<Utc>), String> {
    let seq = purge.seq.ok_or("it is not sealed in the chain")?;
    let before = purge.before.ok_or("it names no time")?;
    if purge.at > now || before > purge.at {
        return Err("its times lie in the future".to_owned());
    }
    let kept = purge.at - before;
    match retention {
        Retention::Unknown => Ok((seq, before)),
        Retention::ForGood => Err("takt.yaml keeps details for good".to_owned()),
        Retention::AtLeast(least) if kept < TimeDelta::from_std(least).unwrap_or(TimeDelta::MAX) => {
            Err(format!(
                "it took out what was {} days old, and takt.yaml keeps details for {}",
                kept.num_days(),
                least.as_secs() / 86_400
            ))
        }
        Retention::AtLeast(_) => Ok((seq, before)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(n)
    }

    fn purge(seq: Option<i64>, at: i64, before: i64) -> Purge {
        Purge { id: 7, seq, at: day(at), before: Some(day(before)) }
    }

    fn link(seq: i64, at: i64) -> Link {
        Link { seq, hash: Vec::new(), run: None, record: None, at: Some(day(at)), detail: None }
    }

    #[test]
    fn only_what_is_sealed_later_and_old_enough_covers_a_detail() {
        let kept = |days: u64| Retention::AtLeast(Duration::from_secs(days * 86_400));
        let of = |purge, retention| Purges::of(vec![purge], retention, day(500));
        let honest = of(purge(Some(20), 450, 50), kept(400));
        assert!(honest.cover(&link(19, 49)) && !honest.cover(&link(20, 49)) && !honest.cover(&link(19, 50)));
        for (forged, retention, why) in [
            (purge(None, 450, 50), kept(400), "is not sealed"),
            (purge(Some(20), 501, 50), kept(400), "in the future"),
            (purge(Some(20), 450, 451), Retention::Unknown, "in the future"),
            (purge(Some(20), 450, 51), kept(400), "it took out what was 399 days old"),
            (purge(Some(20), 450, 50), Retention::ForGood, "keeps details for good"),
        ] {
            let purges = of(forged, retention);
            assert!(!purges.cover(&link(19, 2)), "{why}");
            assert!(purges.why_lost(&link(19, 2)).contains(why), "{}", purges.why_lost(&link(19, 2)));
        }
        // The one that reached furthest counts for what stands before it only.
        let both = Purges::of(vec![purge(Some(10), 450, 40), purge(Some(30), 460, 30)], kept(400), day(500));
        assert!(both.cover(&link(5, 39)) && both.cover(&link(20, 29)) && !both.cover(&link(20, 39)));
    }
}
