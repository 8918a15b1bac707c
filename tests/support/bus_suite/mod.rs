//! What every bus must do: the conformance suite. A backend says how to make a deployment;
//! `bus_suite!` runs all of the suite on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod delivery;
pub mod here;
pub mod lifecycle;

use std::sync::Arc;

use confab::{
    bus::{Bus, Envelope, Way},
    wire::Frame,
};
use confab_plugin::{SessionId, UserId};

pub use here::Here;

/// One node of a deployment.
#[derive(Clone)]
pub struct Node {
    /// Its bus.
    pub bus: Arc<dyn Bus>,
    /// Its sessions.
    pub here: Arc<Here>,
}

/// One deployment on one kind of bus.
pub trait Backend: Send + Sync + 'static {
    /// A fresh deployment. Its two nodes are one and the same where a bus knows only one.
    fn fresh() -> impl Future<Output = (Self, [Node; 2])> + Send
    where
        Self: Sized;

    /// Waits until what is published for this user anywhere arrives at this node.
    fn settled(&self, node: &Node, user: UserId) -> impl Future<Output = ()> + Send;

    /// Waits until nothing that was published for this user arrives at this node any more.
    fn gone(&self, node: &Node, user: UserId) -> impl Future<Output = ()> + Send;
}

impl Node {
    /// Publishes a text.
    pub fn publish(&self, to: UserId, text: &str) {
        self.publish_frame(to, None, frame(text));
    }

    /// Publishes a frame, but not to one session.
    pub fn publish_frame(&self, to: UserId, except: Option<SessionId>, frame: Frame) {
        self.bus.publish(Envelope { to, except, frame, way: Way::Local });
    }

    /// Opens a session.
    pub fn open(&self, user: UserId, session: u64) {
        self.here.open(&*self.bus, user, SessionId(session));
    }

    /// Closes a session.
    pub fn close(&self, user: UserId, session: u64) {
        self.here.close(&*self.bus, user, SessionId(session));
    }

    /// The texts that a session has got.
    pub fn texts(&self, user: UserId, session: u64) -> Vec<String> {
        self.here.texts(user, SessionId(session))
    }

    /// Waits until a session has got so many frames.
    pub async fn wait_for(&self, user: UserId, session: u64, count: usize) {
        self.here.wait_for(user, SessionId(session), count).await;
    }
}

/// A frame that must arrive.
pub fn frame(text: &str) -> Frame {
    Frame::received(format!("{{{text}}}").into(), false)
}

/// A user whom no other test knows.
pub fn user() -> UserId {
    UserId::generate()
}

/// Runs the whole suite on a backend, in a module of its own.
#[allow(unused_macros)]
macro_rules! bus_suite {
    ($backend:ident: $type:ty) => {
        mod $backend {
            use super::*;

            bus_suite!(@file $type, delivery: a_frame_reaches_every_session_of_its_user,
                the_excepted_session_is_left_out, each_users_frames_arrive_in_order,
                frames_from_both_nodes_arrive, ephemeral_frames_are_known_as_such,
                texts_arrive_to_the_byte, who_is_not_here_gets_nothing);
            bus_suite!(@file $type, lifecycle: rapid_changes_end_in_the_right_state,
                calls_of_racing_sessions_may_come_in_either_order, closing_sends_what_waits,
                a_closed_bus_takes_calls);
        }
    };
    (@file $type:ty, $file:ident: $($test:ident),+) => {
        mod $file {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    bus_suite::$file::$test::<$type>().await;
                }
            )+
        }
    };
}
