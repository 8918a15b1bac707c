//! Tells of an outage once, and of its end.

use std::time::{Duration, Instant};

use metrics::{Counter, Gauge};

use super::server::{Failure, Server};

/// How often an outage that goes on is told of again.
const AGAIN: Duration = Duration::from_secs(60);

/// What one role knows of its connection.
pub struct Health {
    role: &'static str,
    server: String,
    connected: Gauge,
    reconnects: Counter,
    /// When the outage began.
    down: Option<Instant>,
    told: Option<(Instant, Failure)>,
    ever: bool,
}

impl Health {
    /// Not connected yet.
    pub fn new(role: &'static str, server: &Server, connected: Gauge, reconnects: Counter) -> Self {
        let server = server.to_string();
        Self { role, server, connected, reconnects, down: None, told: None, ever: false }
    }

    /// Redis answered.
    pub fn up(&mut self) {
        if self.ever && self.down.is_none() {
            return;
        }
        self.connected.set(1);
        if self.ever {
            self.reconnects.increment(1);
        }
        let (role, redis) = (self.role, &self.server);
        match self.down.take() {
            Some(since) => {
                let seconds = since.elapsed().as_secs_f32();
                tracing::info!(role, redis, seconds, "Redis answers again");
            }
            None => tracing::info!(role, redis, "connected to Redis"),
        }
        self.ever = true;
        self.told = None;
    }

    /// Redis did not answer.
    pub fn down(&mut self, failure: Failure) {
        self.connected.set(0);
        let now = Instant::now();
        self.down.get_or_insert(now);
        let news = self.told.as_ref().is_none_or(|(at, told)| {
            let age = now.duration_since(*at);
            age >= AGAIN || *told != failure && age >= AGAIN / 12
        });
        if news {
            let (role, redis) = (self.role, &self.server);
            tracing::warn!(role, redis, error = %failure, "Redis does not answer; trying again");
            self.told = Some((now, failure));
        }
    }
}
