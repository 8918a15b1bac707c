//! A look at the Redis that the configuration names.
//!
//! It publishes one message to itself, on the channel of a user who does not exist: nobody else
//! hears it, and publish/subscribe keeps nothing.

use std::time::{Duration, Instant};

use bb8_redis::redis::{
    self, AsyncConnectionConfig, PushInfo, PushKind, RedisError, Value, aio::MultiplexedConnection,
    cmd,
};
use confab_plugin::UserId;
use tokio::{sync::mpsc, time::timeout};

use super::{
    channel::Channels,
    server::{Failure, Server},
};
use crate::{
    config,
    probe::{Report, humane, network_advice},
};

const REACHED: &str = "reached";
const SIGN_IN: &str = "sign-in";

/// A frame for another node waits for one and a half of these.
const SLOW: Duration = Duration::from_millis(20);

const PINGS: usize = 5;

/// Looks at the server and the user's rights. Takes at most some few times the configured
/// timeouts.
pub async fn probe(config: &config::Redis) -> Report {
    let server = match Server::new(config) {
        Ok(server) => server,
        Err(failure) => {
            let mut report = Report::on("Redis");
            report.fail("settings", failure, "correct it: nothing was asked");
            return report;
        }
    };
    let mut report = Report::on(&format!("Redis at {server}, prefix {}", config.prefix));
    let (pushes, received) = mpsc::unbounded_channel();
    let limit = config.response_timeout.0;
    let settings =
        AsyncConnectionConfig::new().set_response_timeout(Some(limit)).set_push_sender(pushes);
    match server.connect(settings).await {
        Ok(connection) => {
            report.ok(REACHED, "it answers");
            let (channels, limit) = (Channels::new(&config.prefix), limit);
            let mut probe = Probe { report, connection, received, channels, limit };
            probe.sign_in(&server).await;
            probe.server().await;
            probe.round_trip().await;
            probe.latency().await;
            probe.report
        }
        Err(failure) => {
            refused(&mut report, &failure);
            report
        }
    }
}

fn refused(report: &mut Report, failure: &Failure) {
    let text = failure.to_string();
    let signs =
        ["NOAUTH", "WRONGPASS", "AuthenticationFailed", "uthentication", "invalid password"];
    if signs.iter().any(|sign| text.contains(sign)) {
        report.ok(REACHED, "it answers");
        report.fail(
            SIGN_IN,
            text,
            "write redis://user:password@host, or redis://:password@host where there is only a \
             password",
        );
    } else {
        report.fail(REACHED, &text, network_advice(&text));
    }
}

/// A probe of a server that answers.
struct Probe {
    report: Report,
    connection: MultiplexedConnection,
    received: mpsc::UnboundedReceiver<PushInfo>,
    channels: Channels,
    limit: Duration,
}

impl Probe {
    async fn sign_in(&mut self, server: &Server) {
        let who: Result<String, RedisError> =
            cmd("ACL").arg("WHOAMI").query_async(&mut self.connection).await;
        let who = who.unwrap_or_else(|_| server.user().unwrap_or("default").to_owned());
        if server.has_password() {
            self.report.ok(SIGN_IN, format!("as {who}"));
        } else if server.is_local() {
            self.report.ok(SIGN_IN, format!("as {who}, without a password"));
        } else {
            self.report.warn(
                SIGN_IN,
                format!("as {who}, without a password: whoever reaches it reads what is sent"),
                "set requirepass, or make a user with ACL SETUSER",
            );
        }
        if server.has_tls() {
            self.report.ok("encryption", "TLS");
        } else if server.is_local() {
            self.report.ok("encryption", "none, on this machine");
        } else {
            let text = "none: whoever sees the network reads what is sent";
            let advice = "write rediss:// in the URL, unless the network is yours alone";
            self.report.warn("encryption", text, advice);
        }
    }

    /// What the server says of itself: `HELLO` is open to every user.
    async fn server(&mut self) {
        const WHAT: &str = "version";
        let hello: Result<Value, RedisError> =
            cmd("HELLO").arg("3").query_async(&mut self.connection).await;
        let hello = match hello {
            Ok(hello) => hello,
            Err(error) => {
                let text = format!("not known: {}", Failure::from(error));
                self.report.warn(WHAT, text, "see that it is Redis 6 or newer");
                return;
            }
        };
        let name = field(&hello, "server").unwrap_or_else(|| "redis".into());
        let version = field(&hello, "version").unwrap_or_else(|| "unknown".into());
        self.report.ok(WHAT, format!("{name} {version}"));
        match field(&hello, "mode").as_deref() {
            Some("sentinel") => self.report.fail(
                "mode",
                "this is a Sentinel, which carries no messages",
                "give the address of the Redis that it watches",
            ),
            Some("cluster") => self.report.warn(
                "mode",
                "a node of a Redis Cluster: it works, and hands every message to every node",
                "one Redis with a replica does the same for less",
            ),
            _ => self.report.ok("mode", "a Redis by itself"),
        }
        if let Some("replica" | "slave") = field(&hello, "role").as_deref() {
            self.report.warn(
                "role",
                "a replica: what is published here is not heard at its master",
                "let all nodes of confab use the master's address",
            );
        }
    }

    /// Whether what is published arrives.
    async fn round_trip(&mut self) {
        const WHAT: &str = "publish";
        let channel = self.channels.of(UserId::generate());
        let advice = "in redis-cli: ACL SETUSER name resetchannels &PREFIX:* +publish +subscribe \
                      +unsubscribe +ping, with the prefix in place of PREFIX";
        if let Err(error) = self.connection.subscribe(&channel).await {
            self.report.fail(WHAT, format!("cannot subscribe: {}", plain(error)), advice);
            return;
        }
        let started = Instant::now();
        let published: Result<i64, RedisError> = cmd("PUBLISH")
            .arg(&channel)
            .arg("confab check")
            .query_async(&mut self.connection)
            .await;
        if let Err(error) = published {
            self.report.fail(WHAT, format!("cannot publish: {}", plain(error)), advice);
        } else if self.arrives(&channel).await {
            let took = humane(started.elapsed());
            self.report.ok(WHAT, format!("what is published arrives, in {took}"));
        } else {
            let text = "what was published did not arrive (bus.redis.response_timeout)";
            self.report.fail(
                WHAT,
                text,
                "see whether a proxy stands between, and whether it \
                                          carries publish/subscribe",
            );
        }
        // The connection's end does it too.
        let _ = self.connection.unsubscribe(&channel).await;
    }

    async fn arrives(&mut self, channel: &str) -> bool {
        let arrived = async {
            while let Some(push) = self.received.recv().await {
                let is_ours = |value: &Value| match value {
                    Value::BulkString(name) => name == channel.as_bytes(),
                    _ => false,
                };
                if push.kind == PushKind::Message && push.data.first().is_some_and(is_ours) {
                    return true;
                }
            }
            false
        };
        timeout(self.limit, arrived).await.unwrap_or(false)
    }

    async fn latency(&mut self) {
        const WHAT: &str = "latency";
        let mut times = Vec::new();
        for _ in 0..PINGS {
            let started = Instant::now();
            let pong: Result<(), RedisError> = cmd("PING").query_async(&mut self.connection).await;
            if let Err(error) = pong {
                let text = Failure::from(error);
                self.report.fail(WHAT, text, "look at the server's load and at the user's rights");
                return;
            }
            times.push(started.elapsed());
        }
        let advice = "what users of other nodes get comes that much later: put it nearer";
        self.report.latency(times, SLOW, advice);
    }
}

/// What the server said, without the advice that the log would have.
fn plain(error: RedisError) -> String {
    match error.code() {
        Some(code) => format!("{code} {}", error.detail().unwrap_or_default()),
        None => Failure::from(error).to_string(),
    }
}

/// A text in the answer to `HELLO`.
fn field(hello: &Value, key: &str) -> Option<String> {
    let pairs = hello.as_map_iter()?;
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).ok();
    pairs
        .into_iter()
        .find(|(name, _)| text(name).as_deref() == Some(key))
        .and_then(|(_, v)| text(v))
}
