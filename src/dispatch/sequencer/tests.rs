//! Frames that come late, twice, or never.

use std::sync::Mutex;

use confab_plugin::SessionId;

use super::{followed::MAX_TRACKS, *};
use crate::{
    bus::Way,
    store::{ChangedBy, Message, NewMessage, sqlite::SqliteStore},
    wire::Frame,
};

/// Remembers what reached it.
#[derive(Default)]
struct FakeHub(Mutex<Vec<(u64, Envelope)>>);

impl Deliver for FakeHub {
    fn deliver(&self, envelope: Envelope) {
        let seq = envelope.frame.place.map_or(0, |place| place.seq);
        self.0.lock().unwrap().push((seq, envelope));
    }
}

impl FakeHub {
    fn seqs(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|(seq, _)| *seq).collect()
    }

    async fn has(&self, expected: impl IntoIterator<Item = u64>) {
        let expected: Vec<u64> = expected.into_iter().collect();
        for _ in 0..1000 {
            if self.seqs() == expected {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(self.seqs(), expected);
    }
}

struct Scene {
    hub: Arc<FakeHub>,
    sequencer: Sequencer,
    stored: Vec<Message>,
    _folder: tempfile::TempDir,
}

fn ann() -> UserId {
    UserId::from_u128(1)
}

fn bob() -> UserId {
    UserId::from_u128(2)
}

impl Scene {
    /// Bob is here; the store has this many messages from Ann to him, a minute apart, long ago.
    async fn with(messages: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let config = crate::config::Store { path, ..crate::config::Store::default() };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config, 10).unwrap());
        let new = |n| NewMessage {
            changed_by: ChangedBy::of(["words"].into_iter().filter(|_| n % 2 == 0)),
            ..new(n, Timestamp(n * 60_000))
        };
        let stored = store.append((1..=messages).map(new).collect()).await;
        let hub = Arc::new(FakeHub::default());
        let sequencer = Sequencer::new(Arc::clone(&hub) as _, store);
        sequencer.open(bob()).await.keep();
        let stored = stored.into_iter().map(|result| result.unwrap().message).collect();
        Self { hub, sequencer, stored, _folder: folder }
    }

    /// Ann writes so many more now.
    async fn write(&mut self, messages: i64) {
        let new = (1..=messages).map(|n| new(n, Timestamp::now())).collect();
        let stored = self.sequencer.inner.store.append(new).await;
        self.stored.extend(stored.into_iter().map(|result| result.unwrap().message));
    }

    fn deliver(&self, seq: usize) {
        let frame = Frame::message(&self.stored[seq - 1]);
        let except = Some(SessionId(seq as u64));
        self.sequencer.deliver(Envelope { to: bob(), except, frame, way: Way::Local });
    }
}

fn new(n: i64, at: Timestamp) -> NewMessage {
    NewMessage {
        from: ann(),
        to: bob(),
        content: n.to_string().into(),
        client_id: None,
        at,
        changed_by: ChangedBy::default(),
    }
}

#[tokio::test]
async fn frames_that_cross_are_put_in_order_and_copies_left_out() {
    let scene = Scene::with(6).await;
    for seq in [1, 3, 2, 2, 1, 6, 5, 4, 6] {
        scene.deliver(seq);
    }
    assert_eq!(scene.hub.seqs(), [1, 2, 3, 4, 5, 6]);
    let all = scene.hub.0.lock().unwrap();
    assert!(all.iter().all(|(seq, one)| one.except == Some(SessionId(*seq))));
}

#[tokio::test]
async fn what_never_comes_is_fetched() {
    let scene = Scene::with(500).await;
    scene.deliver(1);
    scene.deliver(400);
    assert_eq!(scene.hub.seqs(), [1]);
    scene.hub.has(1..=500).await;
    let all = scene.hub.0.lock().unwrap();
    assert_eq!(all[399].1.except, Some(SessionId(400)), "the held frame keeps its exception");
    assert_eq!(all[398].1.except, None);
    let frames = all.iter().map(|(_, one)| &one.frame);
    assert!(frames.eq(&scene.stored.iter().map(Frame::message).collect::<Vec<_>>()), "the same");
    assert!(all[397].1.frame.text.contains("\"changed_by\":[\"words\"]"));
}

#[tokio::test]
async fn more_than_can_be_held_is_fetched_too() {
    let scene = Scene::with(1000).await;
    scene.deliver(1);
    for seq in 3..=1000 {
        scene.deliver(seq);
    }
    scene.hub.has(1..=1000).await;
}

#[tokio::test]
async fn a_hole_that_the_store_does_not_know_is_passed_over_in_the_end() {
    let scene = Scene::with(2).await;
    let mut late = scene.stored[1].clone();
    scene.deliver(1);
    late.seq = 9;
    let frame = Frame::message(&late);
    scene.sequencer.deliver(Envelope { to: bob(), except: None, frame, way: Way::Bus });
    scene.hub.has([1, 2, 9]).await;
}

#[tokio::test]
async fn catching_up_brings_what_came_since() {
    let scene = Scene::with(300).await;
    let minute = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(60 * n) + SKEW;
    scene.sequencer.catch_up(bob(), minute(100));
    scene.hub.has(100..=300).await;
    scene.sequencer.catch_up(bob(), minute(1));
    scene.deliver(300);
    scene.sequencer.close(bob());
    scene.deliver(300);
    scene.hub.has(100..=300).await;
}

#[tokio::test]
async fn a_new_session_is_not_sent_what_is_older_than_itself() {
    let mut scene = Scene::with(0).await;
    scene.write(2).await;
    scene.sequencer.close(bob());
    scene.sequencer.open(bob()).await.keep();
    let opened = SystemTime::now();
    scene.write(1).await;
    scene.sequencer.catch_up(bob(), opened);
    scene.hub.has([3]).await;
}

#[tokio::test]
async fn the_first_frames_may_cross_as_well() {
    for old in [0, 1, 300] {
        let mut scene = Scene::with(old).await;
        scene.write(3).await;
        let [one, two, three] = [1, 2, 3].map(|n| usize::try_from(old + n).unwrap());
        for seq in [two, three, one] {
            scene.deliver(seq);
        }
        scene.hub.has([one, two, three].map(|seq| seq as u64)).await;
        let all = scene.hub.0.lock().unwrap();
        assert!(all.iter().all(|(seq, one)| one.except == Some(SessionId(*seq))));
    }
}

#[tokio::test]
async fn what_never_comes_before_the_first_frame_is_fetched() {
    let mut scene = Scene::with(1).await;
    scene.write(80).await;
    scene.deliver(60);
    scene.hub.has(2..=81).await;
}

#[tokio::test]
async fn a_frame_that_waits_for_its_place_is_not_lost() {
    let scene = Scene::with(9).await;
    let inner = &scene.sequencer.inner;
    scene.deliver(5);
    assert!(scene.hub.seqs().is_empty());
    let course = inner.users.course(bob(), scene.stored[0].conversation).unwrap();
    inner.users.follow(course, 8, &*inner.hub);
    assert_eq!(scene.hub.seqs(), [5]);
    scene.deliver(5);
    scene.hub.has([5]).await;
}

#[tokio::test]
async fn a_store_that_cannot_tell_holds_up_no_first_frame() {
    let scene = Scene::with(3).await;
    scene.sequencer.inner.store.close().await;
    scene.deliver(2);
    scene.hub.has([2]).await;
}

#[tokio::test]
async fn who_left_and_came_again_begins_anew() {
    let scene = Scene::with(3).await;
    let (users, conversation) = (&scene.sequencer.inner.users, scene.stored[0].conversation);
    scene.deliver(2);
    let before = users.course(bob(), conversation).unwrap();
    scene.sequencer.close(bob());
    assert!(users.course(bob(), conversation).is_none());
    scene.deliver(2);
    scene.sequencer.open(bob()).await.keep();
    scene.deliver(2);
    assert!(users.with(before, |_| ()).is_none());
    assert!(!users.follow(before, 0, &*scene.sequencer.inner.hub));
    scene.hub.has([2]).await;
}

#[tokio::test]
async fn of_many_conversations_the_quiet_ones_are_forgotten() {
    let mut scene = Scene::with(2).await;
    scene.write(3).await;
    scene.deliver(3);
    scene.hub.has([3]).await;
    let inner = &scene.sequencer.inner;
    let with = |peer| Conversation::between(bob(), UserId::from_u128(1000 + peer));
    for peer in 1..MAX_TRACKS as u128 {
        let course = inner.users.course(bob(), with(peer)).unwrap();
        inner.users.follow(course, 0, &*inner.hub);
    }
    assert_eq!(inner.users.tracks(bob()), MAX_TRACKS);
    let other = Message { conversation: with(0), seq: 1, ..scene.stored[0].clone() };
    let frame = Frame::message(&other);
    scene.sequencer.deliver(Envelope { to: bob(), except: None, frame, way: Way::Bus });
    assert_eq!(inner.users.tracks(bob()), 2, "the one that is new, and the one of late");
    for seq in [3, 4, 5] {
        scene.deliver(seq);
    }
    scene.hub.has([3, 1, 4, 5]).await;
}

#[tokio::test]
async fn frames_wait_while_it_is_found_out_what_the_first_session_has() {
    let mut scene = Scene::with(1).await;
    scene.write(3).await;
    let Inner { users, hub, .. } = &*scene.sequencer.inner;
    for (since, waiting) in [(None, 0), (Some(before_now(SKEW)), 1)] {
        scene.sequencer.close(bob());
        let visit = users.open(bob()).unwrap();
        assert!(users.open(bob()).is_none(), "another session of theirs");
        users.close(bob());
        scene.deliver(3);
        scene.deliver(4);
        let before = scene.hub.seqs().len();
        assert!(users.settle((bob(), visit + 1), since, &**hub).is_empty(), "another visit");
        assert_eq!(scene.hub.seqs().len(), before);
        assert_eq!(users.settle((bob(), visit), since, &**hub).len(), waiting);
    }
    assert_eq!(scene.hub.seqs(), [3, 4], "nobody knows, so they begin with the first");
}
