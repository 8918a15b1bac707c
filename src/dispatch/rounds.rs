//! The rounds of each lane to the store, so that others can wait until one is answered.

use tokio::sync::watch;

use crate::store::Conversation;

/// How many rounds of one lane were begun, and how many have ended. One goes on at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    begun: u64,
    ended: u64,
}

/// The rounds of all lanes.
#[derive(Debug)]
pub struct Rounds {
    lanes: Vec<watch::Sender<Count>>,
}

impl Rounds {
    /// Of so many lanes; at least one.
    pub fn new(lanes: usize) -> Self {
        Self { lanes: (0..lanes.max(1)).map(|_| watch::Sender::default()).collect() }
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
        let lane = self.lanes.get(lane)?;
        lane.send_modify(|count| count.begun += 1);
        Some(Round(lane))
    }

    /// Waits until everything of this conversation that was stored before is answered and
    /// published.
    pub async fn answered(&self, conversation: Conversation) {
        let Some(lane) = self.lanes.get(self.lane(conversation)) else { return };
        let mut counts = lane.subscribe();
        let begun = counts.borrow_and_update().begun;
        // Its sender is alive as long as this is.
        let _ = counts.wait_for(|count| count.ended >= begun).await;
    }
}

/// A round that goes on.
pub struct Round<'a>(&'a watch::Sender<Count>);

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| count.ended += 1);
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
