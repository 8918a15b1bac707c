//! When a certificate is renewed, and after how long a failure is tried again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::tls::Pair;

/// Longer sleeps are cut: the machine's clock may be set, or stand still with the machine.
const NAP: Duration = Duration::from_secs(600);

/// Nodes that got their certificates together do not renew them together: they begin earlier by up
/// to this part of the lifetime.
const SPREAD: f64 = 0.02;

/// When to renew a certificate of which so many percent of the lifetime should be left, in seconds
/// since 1970. `early` is from 0 to 1.
pub fn due(not_before: i64, not_after: i64, percent: u32, early: f64) -> i64 {
    let lifetime = not_after.saturating_sub(not_before).max(0) as f64;
    let left = lifetime * (f64::from(percent) / 100.0 + SPREAD * early);
    not_after.saturating_sub(left as i64)
}

/// When to renew this one.
pub fn renewal(pair: &Pair, percent: u32) -> i64 {
    due(pair.not_before(), pair.not_after(), percent, rand::random())
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// Sleeps until the machine's clock says so.
pub async fn sleep_until(seconds: i64) {
    while let Ok(left) = u64::try_from(seconds.saturating_sub(now()))
        && left > 0
    {
        tokio::time::sleep(Duration::from_secs(left).min(NAP)).await;
    }
}

/// How long to wait after so many failures in a row, from 1 on: twice as long each time, and not
/// together with other nodes. `late` is from 0 to 1.
pub fn pause(failures: u32, first: Duration, longest: Duration, late: f64) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = first.saturating_mul(factor).min(longest);
    pause.mul_f64(0.75 + late.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn a_third_of_the_lifetime_is_left() {
        assert_eq!(due(0, 90 * DAY, 33, 0.0), 90 * DAY * 67 / 100);
        assert_eq!(due(0, 100, 33, 1.0), 65);
        assert_eq!(due(1000, 1100, 5, 0.0), 1095);
        // A certificate that makes no sense is due.
        assert_eq!(due(100, 0, 33, 1.0), 0);
        assert_eq!(due(i64::MIN, i64::MAX, 33, 0.5), due(i64::MIN, i64::MAX, 33, 0.5));
    }

    #[test]
    fn pauses_grow_to_their_bound() {
        let (first, longest) = (Duration::from_secs(60), Duration::from_secs(3600));
        let seconds = |failures| pause(failures, first, longest, 1.0).as_secs();
        assert_eq!(
            [1, 2, 3, 6, 7, 33, u32::MAX].map(seconds),
            [60, 120, 240, 1920, 3600, 3600, 3600]
        );
        assert_eq!(pause(1, first, longest, 0.0).as_secs(), 45);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_past_is_not_waited_for() {
        let before = tokio::time::Instant::now();
        sleep_until(now() - 1).await;
        sleep_until(i64::MIN).await;
        assert!(before.elapsed().is_zero());
    }
}
