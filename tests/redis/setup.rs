//! Nodes on a Redis of their own, with the metrics of each.

use std::{sync::Arc, time::Duration as StdDuration};

use confab::{bus::redis::RedisBus, config};
use confab_plugin::{ByteSize, Duration, UserId};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::{
    bus_suite::{Here, Node},
    wait::until,
};

/// A node, and what it counts.
pub struct Member {
    pub node: Node,
    metrics: PrometheusHandle,
}

/// A configuration that notices failures soon.
pub fn config(url: String) -> config::Redis {
    config::Redis {
        url: Some(url.into()),
        connect_timeout: Duration(StdDuration::from_secs(2)),
        response_timeout: Duration(StdDuration::from_secs(2)),
        max_backoff: Duration(StdDuration::from_millis(300)),
        ..config::Redis::default()
    }
}

/// The same with little room for what waits.
pub fn narrow(url: String, queue: usize) -> config::Redis {
    config::Redis { queue, queue_bytes: ByteSize::mib(1), ..config(url) }
}

impl Member {
    /// Starts a node. Needs no Redis that answers.
    pub fn start(config: &config::Redis) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let here = Here::new();
        let start = || RedisBus::start(config, Arc::clone(&here) as _).unwrap();
        let bus = Arc::new(metrics::with_local_recorder(&recorder, start));
        here.watch(&bus);
        Self { node: Node { bus, here }, metrics }
    }

    /// The value of a metric, such as `confab_bus_connected{role="publisher"}`.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until a metric is as wished.
    pub async fn metric_until(&self, name: &str, wanted: impl Fn(f64) -> bool) {
        until(&format!("{name} is as wished"), async || wanted(self.metric(name)).then_some(()))
            .await;
    }

    /// Waits until both connections are there, or both are not.
    pub async fn connected(&self, wanted: bool) {
        for role in ["publisher", "subscriber"] {
            let name = format!("confab_bus_connected{{role=\"{role}\"}}");
            self.metric_until(&name, |value| (value > 0.5) == wanted).await;
        }
    }

    /// Opens a session and waits until what others publish arrives.
    pub async fn open(&self, user: UserId, session: u64) {
        self.node.open(user, session);
        self.node.here.missed(user).await;
    }
}
