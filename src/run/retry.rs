//! When a failed step is tried again: pure arithmetic over the declared policies.

use crate::workflow::Retry;
use std::time::Duration;

/// Classes worth another attempt when a policy does not name its own.
const TRANSIENT: [&str; 4] = ["transient", "rate_limited", "timeout", "outcome_unknown"];

/// What a system asks for beyond this is nonsense.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Without a declared policy a transient failure is tried again twice.
fn default_policy() -> Retry {
    Retry { times: 2, wait: Duration::from_secs(1), backoff: 2.0, max: None, on: Vec::new() }
}

fn covers(policy: &Retry, class: &str) -> bool {
    if policy.on.is_empty() { TRANSIENT.contains(&class) } else { policy.on.iter().any(|on| on == class) }
}

/// The pause before the next attempt, or `None` when the failure is final. Of several policies the first that
/// covers the class counts. `attempt` counts from 1; `spread` in 0..1 comes from the run's seed and takes up to
/// a quarter off, so that runs do not retry in step.
pub fn pause(
    policies: &[Retry],
    class: &str,
    attempt: u32,
    retry_after: Option<Duration>,
    spread: f64,
) -> Option<Duration> {
    let fallback = [default_policy()];
    let policies = if policies.is_empty() { &fallback } else { policies };
    let policy = policies.iter().find(|policy| covers(policy, class))?;
    if attempt > policy.times {
        return None;
    }
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let seconds = policy.wait.as_secs_f64() * policy.backoff.max(1.0).powi(exponent);
    let longest = policy.max.unwrap_or(Duration::from_secs(3600)).as_secs_f64();
    let pause = Duration::from_secs_f64(seconds.min(longest) * (1.0 - 0.25 * spread.clamp(0.0, 1.0)));
    Some(pause.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(times: u32, wait: u64, on: &[&str]) -> Retry {
        Retry {
            times,
            wait: Duration::from_secs(wait),
            backoff: 2.0,
            max: Some(Duration::from_secs(5)),
            on: on.iter().map(|class| (*class).to_owned()).collect(),
        }
    }

    #[test]
    fn backs_off_and_gives_up() {
        let policies = [policy(3, 2, &[])];
        let at = |attempt| pause(&policies, "transient", attempt, None, 0.0);
        assert_eq!(at(1), Some(Duration::from_secs(2)));
        assert_eq!(at(2), Some(Duration::from_secs(4)));
        assert_eq!(at(3), Some(Duration::from_secs(5)));
        assert_eq!(at(4), None);
        assert_eq!(pause(&policies, "invalid", 1, None, 0.0), None);
    }

    #[test]
    fn each_class_has_its_own_policy() {
        let policies = [policy(1, 3, &["rate_limited", "invalid"]), policy(2, 1, &[])];
        let at = |class, attempt| pause(&policies, class, attempt, None, 0.0);
        assert_eq!(at("rate_limited", 1), Some(Duration::from_secs(3)));
        assert_eq!(at("rate_limited", 2), None, "the policy of its class is used up");
        assert_eq!(at("invalid", 1), Some(Duration::from_secs(3)));
        assert_eq!(at("transient", 2), Some(Duration::from_secs(2)));
        assert_eq!(at("denied", 1), None);
    }

    #[test]
    fn waits_at_least_as_long_as_it_was_asked_to() {
        let asked = Some(Duration::from_secs(30));
        assert_eq!(pause(&[], "rate_limited", 1, asked, 1.0), asked);
    }
}
