//! Whatever happens in whatever order, a store equals the model.

use std::collections::HashMap;

use confab::store::{
    ChangeLimit, ChangeQuery, ChangedBy, Conversation, NewMark, NewMessage, PeerRange, Store,
};
use confab_plugin::UserId;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use super::{
    Backend, UNREAD, all, at,
    conversations::listed,
    fresh,
    model::{Model, sorted},
    user,
};

const USERS: u128 = 4;

/// What callers do.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<NewMessage>),
    Mark(Vec<NewMark>),
}

fn someone() -> impl Strategy<Value = UserId> {
    (1..=USERS).prop_map(user)
}

fn new_message() -> impl Strategy<Value = NewMessage> {
    (someone(), someone(), "[a-zé🙂\u{0}]{0,12}", option::of("[a-h]"), 0..6i64, 0..3usize).prop_map(
        |(from, to, content, client_id, millis, changes)| NewMessage {
            from,
            to,
            content: content.into(),
            client_id: client_id.map(Into::into),
            at: at(millis),
            changed_by: ChangedBy::of(["words", "no-links"].into_iter().take(changes)),
        },
    )
}

fn new_mark() -> impl Strategy<Value = NewMark> {
    let upto = prop_oneof![8 => 0..12u64, 1 => Just(u64::MAX)];
    (someone(), someone(), option::of(upto), 0..6i64)
        .prop_map(|(reader, peer, upto, millis)| NewMark { reader, peer, upto, at: at(millis) })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => vec(new_message(), 1..6).prop_map(Step::Append),
        1 => vec(new_mark(), 1..4).prop_map(Step::Mark),
    ]
}

/// How one asks for changes: what one has of each user's conversation, the limit, and where the
/// question is cut into several.
type Ask = (Vec<Option<u64>>, usize, usize, Vec<u128>);

fn ask() -> impl Strategy<Value = Ask> {
    let count = usize::try_from(USERS).unwrap();
    (vec(option::of(0..12u64), count), 1..8usize, 0..40usize, vec(0..USERS + 3, 0..5))
}

pub async fn any_history_equals_the_model<B: Backend>() {
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let runtime = tokio::runtime::Handle::current();
    let steps = (vec(step(), 0..30), vec(ask(), 3));
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&steps, |(steps, asks)| {
            runtime.block_on(compare::<B>(steps, asks));
            Ok(())
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

async fn compare<B: Backend>(steps: Vec<Step>, asks: Vec<Ask>) {
    let (_space, store) = fresh::<B>().await;
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append(batch) => {
                let wanted: Vec<_> = batch.iter().cloned().map(|new| model.append(new)).collect();
                assert_eq!(store.append(batch).await, wanted);
            }
            Step::Mark(batch) => {
                let wanted: Vec<_> = batch.iter().map(|new| Ok(model.mark(*new))).collect();
                assert_eq!(store.mark_seen(batch).await, wanted);
            }
        }
    }
    for one in (1..=USERS).map(user) {
        assert_eq!(listed(&*store, one, 2).await, model.conversations(one, UNREAD));
        for other in (1..=USERS).map(user) {
            let wanted = model.history(Conversation::between(one, other));
            assert_eq!(all(&*store, one, other).await, wanted);
        }
        for (have, messages, bytes, cuts) in &asks {
            let have = (1..).map(user).zip(have).filter_map(|(u, seq)| seq.map(|seq| (u, seq)));
            let have: HashMap<_, _> = have.collect();
            let limit = ChangeLimit { messages: *messages, bytes: *bytes };
            catch_up(&*store, &model, one, ChangeQuery::all(have.clone(), limit)).await;
            for between in ranges(cuts) {
                let have = have.clone();
                catch_up(&*store, &model, one, ChangeQuery { have, between, limit }).await;
            }
            parts_are_the_whole(&*store, one, &have, cuts).await;
        }
    }
    store.close().await;
}

/// Everybody, cut into ranges before these users.
fn ranges(cuts: &[u128]) -> Vec<PeerRange> {
    let mut cuts = cuts.to_vec();
    cuts.sort_unstable();
    let cuts = cuts.into_iter().map(|number| Some(user(number)));
    let ends: Vec<_> = [None].into_iter().chain(cuts).chain([None]).collect();
    ends.windows(2).map(|ends| PeerRange { from: ends[0], to: ends[1] }).collect()
}

/// What is told of the ranges is what is told of all at once.
async fn parts_are_the_whole(
    store: &dyn Store,
    one: UserId,
    have: &HashMap<UserId, u64>,
    cuts: &[u128],
) {
    let limit = ChangeLimit { messages: usize::MAX, bytes: usize::MAX };
    let whole = ChangeQuery::all(have.clone(), limit);
    let mut whole = store.changes_since(one, whole).await.unwrap();
    let (mut messages, mut marks) = (Vec::new(), Vec::new());
    for between in ranges(cuts) {
        let query = ChangeQuery { have: have.clone(), between, limit };
        let part = store.changes_since(one, query).await.unwrap();
        assert!(part.complete);
        messages.extend(part.messages);
        marks.extend(part.marks);
    }
    for messages in [&mut whole.messages, &mut messages] {
        messages.sort_by_key(|message| (message.conversation, message.seq));
    }
    assert_eq!((messages, sorted(marks)), (whole.messages, sorted(whole.marks)));
}

/// Asks until nothing is lacking, and checks every answer.
async fn catch_up(store: &dyn Store, model: &Model, one: UserId, mut query: ChangeQuery) {
    let newest = model.newest(one);
    let ChangeQuery { between, limit, .. } = query;
    loop {
        let mut named: Vec<_> = query.have.keys().copied().collect();
        let changes = store.changes_since(one, query.clone()).await.unwrap();
        let have = &mut query.have;
        let bytes: usize = changes.messages.iter().map(|m| m.content.len()).sum();
        assert!(changes.messages.len() <= limit.messages);
        assert!(bytes <= limit.bytes || changes.messages[0].content.len() == bytes);
        for message in &changes.messages {
            let peer = if message.from == one { message.to } else { message.from };
            assert!(between.contains(peer));
            let known = have.entry(peer).or_insert(0);
            *known += 1;
            let stored = model.history(Conversation::between(one, peer));
            assert_eq!(message, &stored[usize::try_from(*known).unwrap() - 1]);
            named.push(peer);
        }
        let lacks = newest.iter().any(|(peer, seq)| {
            between.contains(*peer) && have.get(peer).copied().unwrap_or(0) < *seq
        });
        assert_eq!(changes.complete, !lacks);
        named.retain(|peer| changes.complete && between.contains(*peer));
        assert_eq!(sorted(changes.marks), model.marks(one, &named));
        if changes.complete {
            break;
        }
        assert!(!changes.messages.is_empty(), "every answer gets further");
    }
}
