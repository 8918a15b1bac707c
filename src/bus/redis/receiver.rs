//! What Redis pushes, on its way to the sessions here.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bb8_redis::redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

use super::{
    channel::Channels,
    metrics::Metrics,
    parcel::{Content, Malformed, Parcel},
    subscriptions::Subscriptions,
};
use crate::bus::{Deliver, Envelope, Way};

/// The most nodes whose numbers are remembered. A deployment has far fewer; a restarted node is
/// a new one.
const MAX_ORIGINS: usize = 1024;

/// Takes what Redis pushes. It is called where the socket is read, so nothing queues up between
/// the socket and the sessions' outboxes: a node that is too slow makes TCP, and then Redis, wait.
pub struct Receiver {
    origin: u64,
    channels: Channels,
    here: Arc<dyn Deliver>,
    subscriptions: Arc<Subscriptions>,
    origins: Mutex<Origins>,
    metrics: Metrics,
    pushes: AtomicU64,
    /// When Redis last sent anything, in milliseconds since 1970.
    last: AtomicU64,
    told: AtomicBool,
    /// Told when the connection ends.
    pub ended: Notify,
}

impl Receiver {
    /// A receiver for the node `origin`, which ignores what it published itself.
    pub fn new(
        origin: u64,
        channels: Channels,
        here: Arc<dyn Deliver>,
        subscriptions: Arc<Subscriptions>,
        metrics: Metrics,
    ) -> Self {
        Self {
            origin,
            channels,
            here,
            subscriptions,
            origins: Mutex::default(),
            metrics,
            pushes: AtomicU64::new(0),
            last: AtomicU64::new(0),
            told: AtomicBool::new(false),
            ended: Notify::new(),
        }
    }

    /// Takes one push.
    pub fn push(&self, push: PushInfo) {
        match push.kind {
            PushKind::Disconnection => self.ended.notify_one(),
            kind => {
                self.alive();
                if kind == PushKind::Message
                    && let Err(Malformed(why)) = self.message(push.data)
                {
                    self.metrics.malformed.increment(1);
                    if !self.told.swap(true, Ordering::Relaxed) {
                        tracing::warn!(
                            why,
                            "somebody else writes to this deployment's channels in Redis; this is \
                             logged once for a connection, and counted"
                        );
                    }
                }
            }
        }
    }

    fn message(&self, data: Vec<Value>) -> Result<(), Malformed> {
        let Ok([Value::BulkString(channel), Value::BulkString(bytes)]) =
            <[Value; 2]>::try_from(data)
        else {
            return Err(Malformed("not a message"));
        };
        let to = self.channels.user(&channel).ok_or(Malformed("a channel of nobody"))?;
        let parcel = Parcel::decode(bytes)?;
        if parcel.origin == self.origin {
            return Ok(());
        }
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let new = origins.is_new(parcel.origin, parcel.number);
        drop(origins);
        if !new {
            return Ok(());
        }
        match parcel.content {
            Content::Frame(frame) => {
                self.metrics.received.increment(1);
                self.here.deliver(Envelope { to, except: None, frame, way: Way::Bus });
            }
            Content::Loss(since) => self.subscriptions.lose(to, since),
        }
        Ok(())
    }

    /// Redis has sent something.
    pub fn alive(&self) {
        self.pushes.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last.store(u64::try_from(now.as_millis()).unwrap_or(0), Ordering::Relaxed);
    }

    /// How often Redis has sent something.
    pub fn count(&self) -> u64 {
        self.pushes.load(Ordering::Relaxed)
    }

    /// When Redis last sent something: until then, nothing was missed.
    pub fn last(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// A new connection begins.
    pub fn begin(&self) {
        self.told.store(false, Ordering::Relaxed);
    }
}

/// The highest number of each node. A node sends again what it is not sure Redis took, so a copy
/// may follow, whose number is not above the highest.
#[derive(Default)]
struct Origins(HashMap<u64, (u64, Instant)>);

impl Origins {
    fn is_new(&mut self, origin: u64, number: u64) -> bool {
        let now = Instant::now();
        if let Some((highest, seen)) = self.0.get_mut(&origin) {
            *seen = now;
            let new = number > *highest;
            *highest = number.max(*highest);
            return new;
        }
        if self.0.len() >= MAX_ORIGINS {
            let oldest = self.0.iter().min_by_key(|(_, (_, seen))| *seen);
            let oldest = oldest.map(|(origin, _)| *origin);
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        self.0.insert(origin, (number, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use confab_plugin::UserId;

    use super::*;
    use crate::wire::Frame;

    #[derive(Default)]
    struct Here(Mutex<Vec<String>>);

    impl Deliver for Here {
        fn deliver(&self, envelope: Envelope) {
            self.0.lock().unwrap().push(envelope.frame.text.to_string());
        }
    }

    fn parcel(origin: u64, number: u64, text: &str) -> Vec<u8> {
        let frame = Frame::received(text.to_owned().into(), false);
        Parcel::encode(origin, number, &Content::Frame(frame))
    }

    #[test]
    fn copies_ones_own_and_nonsense_are_not_delivered() {
        let (here, channels) = (Arc::new(Here::default()), Channels::new("confab"));
        let (deliver, subscriptions) = (Arc::clone(&here), Arc::default());
        let receiver = Receiver::new(1, channels.clone(), deliver, subscriptions, Metrics::new());
        let channel = channels.of(UserId::from_u128(5)).into_bytes();
        let message = |data: Vec<Value>| receiver.message(data).is_ok();
        let bytes =
            |bytes: Vec<u8>| vec![Value::BulkString(channel.clone()), Value::BulkString(bytes)];
        for (origin, number) in [(1, 1), (2, 1), (2, 2), (2, 1), (2, 2), (3, 1), (2, 4), (2, 3)] {
            let text = format!("{{{origin} {number}}}");
            assert!(message(bytes(parcel(origin, number, &text))));
        }
        assert_eq!(*here.0.lock().unwrap(), ["{2 1}", "{2 2}", "{3 1}", "{2 4}"]);
        assert!(!message(bytes(b"garbage".to_vec())));
        assert!(!message(vec![]));
        assert!(!message(vec![Value::Nil, Value::Int(3)]));
        let nobody = Value::BulkString(b"confab:user:".to_vec());
        assert!(!message(vec![nobody, Value::BulkString(parcel(9, 9, "{}"))]));
        assert_eq!(here.0.lock().unwrap().len(), 4);
    }

    #[test]
    fn the_memory_of_nodes_is_bounded() {
        let mut origins = Origins::default();
        for origin in 0..5000 {
            assert!(origins.is_new(origin, 1));
            assert!(!origins.is_new(origin, 1));
        }
        assert_eq!(origins.0.len(), MAX_ORIGINS);
    }
}
