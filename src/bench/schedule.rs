//! When messages are due in an open loop, and a timer that is exact enough for it.

use std::time::Duration;

/// A constant rate over some senders in turn: message `k` of all is message `k / senders` of
/// sender `k % senders`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Nanoseconds between two messages.
    interval: f64,
    senders: u64,
    /// How many there are in all.
    end: u64,
}

// Exact up to 2^53: nanoseconds of 104 days, or as many messages.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
impl Schedule {
    /// `rate` messages a second over `senders`, for `length` nanoseconds.
    pub fn new(rate: f64, senders: usize, length: u64) -> Self {
        let interval = 1e9 / rate.max(1e-6);
        let end = (length as f64 / interval).ceil() as u64;
        Self { interval, senders: (senders as u64).max(1), end }
    }

    /// When message `k` of all is due, in nanoseconds since the beginning.
    pub fn due(&self, k: u64) -> u64 {
        (k as f64 * self.interval) as u64
    }

    /// How many are due by `now`: those up to `due_by(now) - 1`.
    pub fn due_by(&self, now: u64) -> u64 {
        ((now as f64 / self.interval) as u64 + 1).min(self.end)
    }

    /// How many messages there are in all.
    pub fn len(&self) -> u64 {
        self.end
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// When a sender's message `number` is due; `None` when it sends fewer.
    pub fn of_sender(&self, sender: usize, number: u64) -> Option<u64> {
        let k = number * self.senders + sender as u64;
        (k < self.end).then(|| self.due(k))
    }

    /// Who sends message `k`.
    pub fn sender(&self, k: u64) -> usize {
        (k % self.senders) as usize
    }
}

/// Wakes at a time. The runtime's own timers are a millisecond coarse, which is more than many
/// servers need for an answer.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Timer(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Timer {
    /// A timer of the kernel.
    ///
    /// # Errors
    /// When no descriptor is free.
    pub fn new() -> std::io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Its successor is unsafe for descriptors that may be closed beneath it; this one is owned.
        #[allow(deprecated)]
        let timer = tokio::io::unix::AsyncFd::new(timer)?;
        Ok(Self(timer))
    }

    /// Waits for some time.
    pub async fn sleep(&mut self, time: Duration) {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        // Zero would stop it.
        let time = time.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval: zero, it_value: value };
        if timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once).is_err() {
            return tokio::time::sleep(time).await;
        }
        if let Ok(mut ready) = self.0.readable().await {
            // Its count of expirations, which says nothing more.
            let _ = rustix::io::read(self.0.get_ref(), &mut [0; 8]);
            ready.clear_ready();
        }
    }
}

/// Wakes at a time, where the kernel has no timers to wait for: a millisecond coarse.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    /// The runtime's.
    ///
    /// # Errors
    /// None.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits for some time.
    pub async fn sleep(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_even_and_in_turn() {
        // A message each millisecond, for ten of them.
        let schedule = Schedule::new(1000.0, 3, 10_000_000);
        assert_eq!(schedule.len(), 10);
        assert_eq!(schedule.due(4), 4_000_000);
        assert_eq!(schedule.due_by(0), 1);
        assert_eq!(schedule.due_by(3_999_999), 4);
        assert_eq!(schedule.due_by(4_000_000), 5);
        assert_eq!(schedule.due_by(u64::MAX / 2), 10);
        assert_eq!(schedule.sender(4), 1);
        assert_eq!(schedule.of_sender(1, 1), Some(4_000_000));
        assert_eq!(schedule.of_sender(0, 3), Some(9_000_000));
        assert_eq!(schedule.of_sender(1, 3), None);
    }

    #[tokio::test]
    async fn the_timer_waits_as_long_as_asked_each_time() {
        let mut timer = Timer::new().unwrap();
        for micros in [0, 300, 2000] {
            let time = Duration::from_micros(micros);
            let began = std::time::Instant::now();
            timer.sleep(time).await;
            assert!(began.elapsed() >= time);
        }
    }
}
