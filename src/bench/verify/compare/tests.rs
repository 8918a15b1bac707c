//! Each kind of defect is found, and nothing else.

use proptest::prelude::*;

use super::*;
use crate::bench::verify::ledger::{Acknowledged, Arrival};

/// A conversation, and its history as both users read it.
#[derive(Clone, Debug)]
struct Run {
    conversation: Conversation,
    histories: [Vec<Entry>; 2],
}

const VIEWS: [&str; 4] = ["ann's first", "ann's second", "bob's first", "bob's second"];

fn arrival(entry: Entry, session: u16, how: How) -> Arrival {
    let Entry { seq, key, content } = entry;
    Arrival { key, content, seq: seq as u32, session, how }
}

/// A flawless run: `messages` says who sent each; each view is cut after each place of its
/// `cuts`, and then gets what is left of five by `sync`.
fn flawless(messages: &[bool], cuts: &[Vec<usize>; 4]) -> Run {
    let entry = |(by_bob, n): (&bool, u32)| Entry {
        seq: n.into(),
        key: Key { user: (*by_bob).into(), n },
        content: 1000 + u64::from(n),
    };
    run(messages.iter().zip(1..).map(entry).collect(), cuts)
}

fn run(entries: Vec<Entry>, cuts: &[Vec<usize>; 4]) -> Run {
    let echo = |entry: &Entry| Acknowledged {
        key: entry.key,
        seq: entry.seq,
        content: entry.content,
        at: 5,
    };
    let view = |(name, cuts): (&&str, &Vec<usize>)| {
        let (mut arrivals, mut session) = (Vec::new(), 0);
        for (place, entry) in entries.iter().enumerate() {
            let synced = cuts.iter().any(|cut| (*cut..cut + 5).contains(&place));
            if cuts.contains(&place) {
                session += 1;
            }
            let how = if synced { How::Sync } else { How::Live };
            arrivals.push(arrival(*entry, session, how));
            // What arrives live while the answer to the sync is on its way comes twice.
            if cuts.iter().any(|cut| cut + 4 == place) {
                arrivals.push(arrival(*entry, session, How::Live));
            }
        }
        View { name: (*name).to_owned(), arrivals }
    };
    Run {
        conversation: Conversation {
            name: "ann_bob".to_owned(),
            acknowledged: entries.iter().map(echo).collect(),
            views: VIEWS.iter().zip(cuts).map(view).collect(),
            several_nodes: false,
        },
        histories: [entries.clone(), entries],
    }
}

fn findings(run: &Run) -> Findings {
    let mut findings = Findings::default();
    let [first, second] = &run.histories;
    compare(&run.conversation, [first, second], &Ids::new("r"), &mut findings);
    findings
}

/// Lost, doubled, out of order, missed.
fn counts(run: &Run) -> [u64; 4] {
    findings(run).counts().map(|(_, count)| count.count)
}

fn twenty() -> Run {
    let messages: Vec<bool> = (0..20).map(|n| n % 3 == 0).collect();
    flawless(&messages, &[vec![], vec![4], vec![7, 15], vec![]])
}

#[test]
fn a_flawless_run_is_clean() {
    let run = twenty();
    assert_eq!(counts(&run), [0; 4]);
    assert!(findings(&run).is_clean());
    assert_eq!(counts(&flawless(&[], &Default::default())), [0; 4]);
}

#[test]
fn an_acknowledged_message_that_is_gone_is_lost() {
    let mut run = twenty();
    for history in &mut run.histories {
        history.truncate(17);
    }
    let found = findings(&run);
    assert_eq!(found.lost.count, 3);
    assert_eq!(found.lost.examples[0].id.as_deref(), Some("r-0-18"));
    assert_eq!(found.lost.examples[0].seq, [18]);
    assert_eq!(counts(&run), [3, 0, 0, 0]);
}

#[test]
fn a_message_that_was_delivered_and_is_gone_is_lost() {
    let mut run = twenty();
    for history in &mut run.histories {
        history.pop();
    }
    run.conversation.acknowledged.pop();
    assert_eq!(counts(&run), [1, 0, 0, 0]);
    for view in &mut run.conversation.views {
        view.arrivals.retain(|arrival| arrival.seq != 20);
    }
    assert_eq!(counts(&run), [0; 4], "nobody was told of it");
}

#[test]
fn a_message_with_another_text_is_lost() {
    let mut run = twenty();
    run.histories[1][3].content += 1;
    assert_eq!(counts(&run), [1, 0, 0, 0]);
    run.histories[0][3].content += 1;
    assert_eq!(counts(&run), [1, 0, 0, 0]);
}

#[test]
fn a_place_that_somebody_else_took_loses_a_message() {
    // As when an old copy of the data was put in place: 18, 19 and 20 are given out again.
    let mut run = twenty();
    for history in &mut run.histories {
        for entry in &mut history[17..] {
            entry.key.n += 100;
        }
    }
    // And no view asked for what it believed to have.
    assert_eq!(counts(&run), [3, 0, 0, 3 * 4]);
}

#[test]
fn one_id_at_two_places_is_doubled() {
    let mut run = twenty();
    for history in &mut run.histories {
        let again = Entry { seq: 21, ..history[4] };
        history.push(again);
    }
    let found = findings(&run);
    assert_eq!(found.doubled.examples[0].seq, [5, 21]);
    assert_eq!(counts(&run), [0, 1, 0, 0], "in the history");

    let mut run = twenty();
    let again = Acknowledged { seq: 19, ..run.conversation.acknowledged[4] };
    run.conversation.acknowledged.push(again);
    assert_eq!(counts(&run), [0, 1, 0, 0], "by the echoes");

    let mut run = twenty();
    let again = Arrival { seq: 9, how: How::Sync, ..run.conversation.views[1].arrivals[0] };
    run.conversation.views[1].arrivals.push(again);
    assert_eq!(counts(&run), [0, 1, 0, 0], "in a view");
}

#[test]
fn the_same_answer_twice_is_no_defect() {
    let mut run = twenty();
    let again = run.conversation.acknowledged[4];
    run.conversation.acknowledged.push(again);
    let arrivals = &mut run.conversation.views[0].arrivals;
    arrivals.push(Arrival { how: How::Answer, ..arrivals[4] });
    arrivals.push(Arrival { how: How::Sync, ..arrivals[4] });
    assert_eq!(counts(&run), [0; 4]);
}

#[test]
fn delivered_twice_on_one_session_is_doubled() {
    let mut run = twenty();
    let arrivals = &mut run.conversation.views[0].arrivals;
    arrivals.insert(8, arrivals[4]);
    assert_eq!(counts(&run), [0, 1, 0, 0]);

    // On two sessions it is not: the first was cut.
    let mut run = twenty();
    let arrivals = &mut run.conversation.views[0].arrivals;
    for arrival in &mut arrivals[8..] {
        arrival.session += 1;
    }
    arrivals.insert(8, Arrival { session: 1, ..arrivals[7] });
    assert_eq!(counts(&run), [0; 4]);
}

#[test]
fn a_delivery_after_a_later_one_is_out_of_order() {
    let mut run = twenty();
    run.conversation.views[3].arrivals.swap(10, 11);
    let found = findings(&run);
    assert_eq!(found.out_of_order.examples[0].seq, [12, 11]);
    assert_eq!(found.out_of_order.examples[0].what, "bob's second received it after 12");
    assert_eq!(counts(&run), [0, 0, 1, 0]);
}

#[test]
fn a_place_that_is_not_the_historys_is_out_of_order() {
    let mut run = twenty();
    run.conversation.acknowledged[6].seq = 9;
    assert_eq!(counts(&run), [0, 0, 1, 0], "in an echo");

    let mut run = twenty();
    run.conversation.views[1].arrivals[5].seq = 16;
    assert_eq!(run.conversation.views[1].arrivals[5].how, How::Sync);
    assert_eq!(counts(&run), [0, 0, 1, 0], "in a view");

    let mut run = twenty();
    run.histories[1].swap(3, 4);
    let [a, b] = [3, 4].map(|place| run.histories[1][place].seq);
    (run.histories[1][3].seq, run.histories[1][4].seq) = (b, a);
    assert_eq!(counts(&run), [0, 0, 2, 0], "for one of the users");
}

#[test]
fn a_history_with_a_gap_is_out_of_order() {
    let entry = |seq| Entry { seq, key: Key { user: 0, n: seq as u32 }, content: seq };
    let broken = run([1, 2, 3, 6, 7].map(entry).to_vec(), &Default::default());
    assert_eq!(counts(&broken), [0, 0, 2, 0], "4 and 5 were never given out");
    let broken = run([2, 3].map(entry).to_vec(), &Default::default());
    assert_eq!(counts(&broken), [0, 0, 1, 0], "it begins with 1");
    let mut broken = twenty();
    for history in &mut broken.histories {
        history.swap(5, 6);
    }
    assert_eq!(counts(&broken)[2], 2, "a page that does not ascend: a step over, and one back");
}

#[test]
fn what_a_view_lacks_is_missed() {
    let mut run = twenty();
    for view in &mut run.conversation.views[2..] {
        view.arrivals.retain(|arrival| ![3, 20].contains(&arrival.seq));
    }
    assert_eq!(counts(&run), [0, 0, 0, 4]);
    let mut run = twenty();
    run.conversation.views[0].arrivals[2].content += 1;
    assert_eq!(counts(&run), [0, 0, 0, 1], "it has another text");
    let mut run = twenty();
    run.conversation.views[0].arrivals.clear();
    let found = findings(&run);
    assert_eq!((found.missed.count, found.missed.examples.len()), (20, 10));
}

#[test]
fn what_only_one_of_the_two_can_read_is_missed_or_lost() {
    let mut run = twenty();
    run.histories[1].pop();
    assert_eq!(counts(&run), [1, 0, 0, 0], "acknowledged");
    run.conversation.acknowledged.pop();
    for view in &mut run.conversation.views {
        view.arrivals.retain(|arrival| arrival.seq != 20);
    }
    assert_eq!(counts(&run), [0, 0, 0, 4 + 1], "not acknowledged: for each view, and once");
}

/// What may go wrong at one place of a run, and which count tells it.
fn break_at(run: &mut Run, defect: usize, place: usize, view: usize) -> usize {
    let entry = run.histories[0][place];
    let last = run.histories[0].len() as u64;
    let conversation = &mut run.conversation;
    match defect {
        0 => {
            run.histories.iter_mut().for_each(|history| _ = history.remove(place));
            0
        }
        1 => {
            run.histories.iter_mut().for_each(|history| history[place].content ^= 1);
            0
        }
        2 => {
            let again = Entry { seq: last + 1, ..entry };
            run.histories.iter_mut().for_each(|history| history.push(again));
            1
        }
        3 => {
            let again = Acknowledged { seq: last + 1, ..conversation.acknowledged[place] };
            conversation.acknowledged.push(again);
            1
        }
        4 => {
            let arrivals = &mut conversation.views[view].arrivals;
            let again = arrival(Entry { seq: last + 1, ..entry }, 0, How::Sync);
            arrivals.push(again);
            1
        }
        5 => {
            let arrivals = &mut conversation.views[view].arrivals;
            arrivals.extend([arrival(entry, 999, How::Live), arrival(entry, 999, How::Live)]);
            1
        }
        6 => {
            let arrivals = &mut conversation.views[view].arrivals;
            let later = Entry { seq: last, ..run.histories[0][last as usize - 1] };
            // A session that received the last, and then an earlier one.
            if place + 1 < last as usize {
                arrivals.push(arrival(later, 999, How::Live));
                arrivals.push(arrival(entry, 999, How::Live));
                2
            } else {
                arrivals.retain(|arrival| arrival.key != entry.key);
                3
            }
        }
        7 => {
            conversation.acknowledged[place].seq += 1;
            2
        }
        8 => {
            let places = conversation.views[view].arrivals.iter_mut();
            for wrong in places.filter(|arrival| arrival.key == entry.key) {
                (wrong.seq, wrong.how) = (wrong.seq + 1, How::Sync);
            }
            2
        }
        9 => {
            let push = |seq: &mut u64| *seq += u64::from(*seq >= entry.seq);
            run.histories.iter_mut().flatten().for_each(|entry| push(&mut entry.seq));
            conversation.acknowledged.iter_mut().for_each(|echo| push(&mut echo.seq));
            for arrival in conversation.views.iter_mut().flat_map(|view| &mut view.arrivals) {
                arrival.seq += u32::from(u64::from(arrival.seq) >= entry.seq);
            }
            2
        }
        10 => {
            conversation.views[view].arrivals.retain(|arrival| arrival.key != entry.key);
            3
        }
        _ => {
            let arrivals = conversation.views[view].arrivals.iter_mut();
            for wrong in arrivals.filter(|arrival| arrival.key == entry.key) {
                wrong.content ^= 1;
            }
            3
        }
    }
}

const DEFECTS: usize = 12;

fn runs() -> impl Strategy<Value = Run> {
    let cuts = || prop::collection::vec(0_usize..60, 0..4);
    let messages = prop::collection::vec(any::<bool>(), 1..60);
    (messages, [cuts(), cuts(), cuts(), cuts()]).prop_map(|(messages, mut cuts)| {
        // A cut needs a while after the one before.
        for cuts in &mut cuts {
            cuts.sort_unstable();
            cuts.dedup_by(|next, before| *next < *before + 6);
        }
        flawless(&messages, &cuts)
    })
}

proptest! {
    #[test]
    fn no_defect_is_seen_where_there_is_none(run in runs()) {
        prop_assert_eq!(counts(&run), [0; 4]);
    }

    #[test]
    fn one_defect_is_found_and_nothing_else(
        run in runs(),
        defect in 0..DEFECTS,
        place in any::<prop::sample::Index>(),
        view in 0..VIEWS.len(),
    ) {
        let mut run = run;
        let place = place.index(run.histories[0].len());
        let kind = break_at(&mut run, defect, place, view);
        let found = counts(&run);
        for (which, count) in found.into_iter().enumerate() {
            prop_assert_eq!(count > 0, which == kind, "defect {}: {:?}", defect, found);
        }
        prop_assert_eq!(found[kind], 1);
    }
}

#[test]
fn on_several_nodes_an_echo_may_overtake_and_nothing_else_may() {
    let crossed = |several_nodes, first, second| {
        let mut run = twenty();
        run.conversation.several_nodes = several_nodes;
        let arrivals = &mut run.conversation.views[3].arrivals;
        arrivals.swap(10, 11);
        (arrivals[10].how, arrivals[11].how) = (first, second);
        (counts(&run)[2], findings(&run).overtaken)
    };
    assert_eq!(crossed(true, How::Echo, How::Live), (0, 1));
    assert_eq!(crossed(false, How::Echo, How::Live), (1, 0));
    for several_nodes in [true, false] {
        assert_eq!(crossed(several_nodes, How::Live, How::Echo), (1, 0));
        assert_eq!(crossed(several_nodes, How::Live, How::Live), (1, 0));
        assert_eq!(crossed(several_nodes, How::Echo, How::Echo), (1, 0));
    }
}
