//! The webhook from the outside, against a service on a loopback port.

mod certificate;
mod moderate;
mod notify;
mod options;
mod payload;
mod server;
mod tls;
mod trouble;

use std::{collections::BTreeMap, net::SocketAddr};

use confab_plugin::testkit::{Kit, Run};
use metrics_util::debugging::{DebugValue, Snapshotter};
use serde_json::{Value, json};
use tokio::{net::TcpSocket, time::timeout};

use crate::Webhook;
use server::{DEADLINE, Server};

pub const SECRET: &str = "a secret of thirty-odd bytes, plain";

/// `base` with the fields of `more`.
pub fn with(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("not fields: {more}") };
    base.as_object_mut().unwrap().extend(more);
    base
}

/// An entry of this mode for `server`, started.
pub async fn started(mode: &str, server: &Server, more: Value) -> Kit<Webhook> {
    let kit = Kit::new(with(json!({ "mode": mode, "url": server.url() }), more)).unwrap();
    kit.start().await.unwrap();
    kit
}

/// An entry that asks `server`.
pub async fn asking(server: &Server, more: Value) -> Kit<Webhook> {
    started("moderate", server, more).await
}

/// Asks about a message, within the deadline.
pub async fn ask(kit: &Kit<Webhook>) -> Result<Run, String> {
    let asked = timeout(DEADLINE, kit.message("hello")).await.expect("it takes too long");
    asked.map_err(|error| error.to_string())
}

/// An address that refuses connections as long as the socket is held.
pub fn nobody_there() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// The metrics as `name{label=value,…}`, the durations as how many there are.
pub fn read(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (key, unit, description, value) in snapshotter.snapshot().into_vec() {
        assert!(unit.is_some() && description.is_some(), "{key:?} is described");
        let (_, key) = key.into_parts();
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let count = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Histogram(samples) => samples.len() as u64,
            DebugValue::Gauge(_) => panic!("no gauge is expected"),
        };
        all.insert(format!("{}{{{}}}", key.name(), labels.join(",")), count);
    }
    all
}
