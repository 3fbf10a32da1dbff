//! When a failed delivery is tried again. Pure: the caller keeps the count and the time.

use super::NotifyError;
use std::time::Duration;

/// After so many failed attempts a message stays undelivered and visible.
pub const ATTEMPTS_MAX: u32 = 12;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// How long to wait after failed attempt number `attempts` (from 1); `None` means give up.
pub fn try_again(error: &NotifyError, attempts: u32) -> Option<Duration> {
    if !error.retryable || attempts >= ATTEMPTS_MAX {
        return None;
    }
    let doubled = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
    Some(doubled.min(LONGEST_WAIT).max(error.retry_after.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(retryable: bool, retry_after: Option<u64>) -> NotifyError {
        let retry_after = retry_after.map(Duration::from_secs);
        NotifyError { retryable, retry_after, message: "no".to_owned(), waits: false }
    }

    #[test]
    fn waits_longer_each_time_and_gives_up() {
        let waits: Vec<_> =
            (1..=ATTEMPTS_MAX).map(|attempt| try_again(&error(true, None), attempt)).collect();
        assert_eq!(waits[0], Some(FIRST_WAIT));
        assert_eq!(waits[3], Some(FIRST_WAIT * 8));
        assert_eq!(waits[10], Some(LONGEST_WAIT));
        assert_eq!(waits[11], None);
        assert_eq!(try_again(&error(false, None), 1), None);
    }

    #[test]
    fn the_other_side_may_ask_for_more() {
        assert_eq!(try_again(&error(true, Some(30)), 1), Some(Duration::from_secs(30)));
        assert_eq!(try_again(&error(true, Some(1)), 5), Some(FIRST_WAIT * 16));
    }
}
