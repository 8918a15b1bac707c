//! The rounds of each lane to the store, so that others can wait until one is answered.

use std::time::Duration;

use futures_util::future;

use crate::{
    store::Conversation,
    turns::{Round, Turns},
};

/// The rounds of all lanes; each has one at a time.
#[derive(Debug)]
pub struct Rounds {
    lanes: Vec<Turns>,
}

impl Rounds {
    /// Of so many lanes; at least one.
    pub fn new(lanes: usize) -> Self {
        Self { lanes: (0..lanes.max(1)).map(|_| Turns::default()).collect() }
    }

    /// How many lanes there are.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// The lane of a conversation.
    pub fn lane(&self, conversation: Conversation) -> usize {
        // The low bits of a ULID are random; either order of the two gives the same sum.
        let sum = conversation.first().as_u128().wrapping_add(conversation.second().as_u128());
        sum as usize % self.lanes.len()
    }

    /// A lane begins a round, which ends when what is returned is dropped.
    pub fn begin(&self, lane: usize) -> Option<Round<'_>> {
        self.lanes.get(lane).map(Turns::begin)
    }

    /// Waits until everything of this conversation that was stored before is answered and
    /// published.
    pub async fn answered(&self, conversation: Conversation) {
        if let Some(lane) = self.lanes.get(self.lane(conversation)) {
            lane.settled().await;
        }
    }

    /// Waits until every lane has shown that it turns; a round may take `longest`.
    pub async fn turned(&self, longest: Duration) {
        future::join_all(self.lanes.iter().map(|lane| lane.turned(longest, async || ()))).await;
    }
}

#[cfg(test)]
mod tests {
    use confab_plugin::testkit::{ann, bob};
    use futures_util::{FutureExt, poll};

    use super::*;

    #[tokio::test]
    async fn who_waits_waits_for_the_round_that_goes_on_and_for_no_later_one() {
        let (rounds, ours) = (Rounds::new(2), Conversation::between(ann(), bob()));
        let lane = rounds.lane(ours);
        assert!(rounds.answered(ours).now_or_never().is_some(), "nothing goes on");
        let elsewhere = rounds.begin(1 - lane);
        assert!(rounds.answered(ours).now_or_never().is_some(), "it is another lane's");
        drop(elsewhere);
        let first = rounds.begin(lane);
        let mut waits = Box::pin(rounds.answered(ours));
        assert!(poll!(waits.as_mut()).is_pending());
        drop(first);
        let _second = rounds.begin(lane);
        assert!(poll!(waits.as_mut()).is_ready());
    }
}
