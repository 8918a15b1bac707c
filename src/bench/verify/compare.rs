//! Compares what one conversation's users were told and shown with what the daemon keeps.

use std::collections::{HashMap, HashSet};

use super::{
    findings::{Count, Example, Findings},
    ledger::{Conversation, Entry, How, Ids, Key, View},
};

/// Compares one conversation with its history as each of the two users reads it, in the order
/// of the pages, and adds what is wrong to `findings`.
///
/// Takes memory for one conversation: about 150 bytes a message.
pub fn compare(
    conversation: &Conversation,
    histories: [&[Entry]; 2],
    ids: &Ids,
    findings: &mut Findings,
) {
    let indexes = histories.map(index);
    let mut comparison = Comparison {
        conversation,
        histories: &indexes,
        ids,
        findings,
        lost: HashMap::new(),
        doubled: HashSet::new(),
    };
    comparison.find_doubled(histories);
    comparison.find_lost();
    comparison.check_places(histories);
    for view in &conversation.views {
        comparison.check_view(view, histories[0]);
    }
    comparison.check_readers(histories);
}

/// The first place and the text of each message.
type Index = HashMap<Key, (u64, u64)>;

fn index(history: &[Entry]) -> Index {
    let mut index = Index::with_capacity(history.len());
    for entry in history {
        index.entry(entry.key).or_insert((entry.seq, entry.content));
    }
    index
}

struct Comparison<'a> {
    conversation: &'a Conversation,
    histories: &'a [Index; 2],
    ids: &'a Ids,
    findings: &'a mut Findings,
    /// Each lost message, and where it was said to be.
    lost: HashMap<Key, u64>,
    /// Messages at two places: they are counted as that, and not for each place again.
    doubled: HashSet<Key>,
}

impl Comparison<'_> {
    fn example(&self, key: Option<Key>, seq: &[u64], what: String) -> Example {
        Example {
            conversation: self.conversation.name.clone(),
            id: key.map(|key| self.ids.write(key)),
            seq: seq.to_vec(),
            what,
        }
    }

    fn tell(
        &mut self,
        kind: impl FnOnce(&mut Findings) -> &mut Count,
        key: Key,
        seq: &[u64],
        what: impl FnOnce() -> String,
    ) {
        let example = self.example(Some(key), seq, what());
        kind(self.findings).add(|| example);
    }

    /// One id at two places within one source.
    fn find_doubled(&mut self, histories: [&[Entry]; 2]) {
        let conversation = self.conversation;
        let [first, second] = histories.map(|h| h.iter().map(|entry| (entry.key, entry.seq)));
        self.find_doubled_in("in the history", first);
        self.find_doubled_in("in the history", second);
        let echoes = conversation.acknowledged.iter().map(|echo| (echo.key, echo.seq));
        self.find_doubled_in("by its echoes", echoes);
        for view in &conversation.views {
            let arrivals = view.arrivals.iter().map(|a| (a.key, u64::from(a.seq)));
            self.find_doubled_in(&format!("as {} saw it", view.name), arrivals);
        }
    }

    fn find_doubled_in(&mut self, source: &str, places: impl Iterator<Item = (Key, u64)>) {
        let mut known: HashMap<Key, u64> = HashMap::with_capacity(places.size_hint().0);
        let mut told = HashSet::new();
        for (key, seq) in places {
            let before = *known.entry(key).or_insert(seq);
            if before != seq && told.insert(key) {
                // Both users' histories tell of the same one.
                let again = !self.doubled.insert(key) && source == "in the history";
                if !again {
                    let what = || format!("one id at two places {source}");
                    self.tell(|f| &mut f.doubled, key, &[before, seq], what);
                }
            }
        }
    }

    /// What was acknowledged or delivered, and is not kept.
    fn find_lost(&mut self) {
        let conversation = self.conversation;
        for echo in &conversation.acknowledged {
            let why = |index: &Index| match index.get(&echo.key) {
                None => Some("not in the history"),
                Some((_, content)) if *content != echo.content => Some("kept with another text"),
                Some(_) => None,
            };
            if let Some(why) = self.histories.iter().find_map(why)
                && self.lost.insert(echo.key, echo.seq).is_none()
            {
                let at = f64::from(echo.at) / 1000.0;
                let what = || format!("acknowledged {at:.3} s into the run, and {why}");
                self.tell(|f| &mut f.lost, echo.key, &[echo.seq], what);
            }
        }
        for view in &conversation.views {
            for arrival in &view.arrivals {
                let kept = self.histories.iter().all(|index| index.contains_key(&arrival.key));
                let seq = u64::from(arrival.seq);
                if !kept && self.lost.insert(arrival.key, seq).is_none() {
                    let what = || format!("delivered to {}, and not in the history", view.name);
                    self.tell(|f| &mut f.lost, arrival.key, &[seq], what);
                }
            }
        }
    }

    /// The history is 1, 2, 3 …, and the echoes agree with it.
    fn check_places(&mut self, histories: [&[Entry]; 2]) {
        let lost: HashSet<u64> = self.lost.values().copied().collect();
        let check = |history: &[Entry]| {
            let (mut before, mut wrong, mut first) = (0_u64, 0_u64, None);
            for entry in history {
                // The place of a lost message is empty for that reason.
                let mut gap = entry.seq.saturating_sub(before).saturating_sub(1);
                if gap > 0 {
                    let known = lost.iter().filter(|seq| (before..entry.seq).contains(seq));
                    gap = gap.saturating_sub(known.count() as u64);
                }
                let back = u64::from(entry.seq <= before);
                if gap + back > 0 {
                    first = first.or(Some((entry.key, before, entry.seq)));
                }
                wrong += gap + back;
                before = before.max(entry.seq);
            }
            first.map(|found| (wrong, found))
        };
        // Both users read the same history: what is wrong in both is wrong once.
        let worst = histories.into_iter().filter_map(check).max_by_key(|(wrong, _)| *wrong);
        if let Some((wrong, (key, before, seq))) = worst {
            let what = format!("the history goes from {before} to {seq}");
            let example = self.example(Some(key), &[before, seq], what);
            self.findings.out_of_order.add_many(wrong, || example);
        }
        let mut told = HashSet::new();
        for echo in &self.conversation.acknowledged {
            if let Some(kept) = self.other_place(echo.key, echo.seq)
                && told.insert(echo.key)
            {
                let what = || "the echo and the history differ".to_owned();
                self.tell(|f| &mut f.out_of_order, echo.key, &[echo.seq, kept], what);
            }
        }
    }

    /// Where the history has a message that was said to be at `seq`, if it is elsewhere.
    fn other_place(&self, key: Key, seq: u64) -> Option<u64> {
        let [first, second] = self.histories;
        let (kept, _) = first.get(&key).or_else(|| second.get(&key))?;
        (*kept != seq && !self.doubled.contains(&key)).then_some(*kept)
    }

    /// What one device received, against the order on each session and against the history.
    fn check_view(&mut self, view: &View, history: &[Entry]) {
        let conversation = self.conversation;
        let mut session = None;
        let mut live: HashMap<u32, Key> = HashMap::new();
        // What others sent, and the echoes.
        let (mut last, mut echoed) = (0, 0);
        let mut told = HashSet::new();
        let mut has: HashSet<Key> = HashSet::with_capacity(view.arrivals.len());
        for arrival in &view.arrivals {
            let (key, seq) = (arrival.key, u64::from(arrival.seq));
            if session != Some(arrival.session) {
                (session, last, echoed) = (Some(arrival.session), 0, 0);
                live.clear();
            }
            if matches!(arrival.how, How::Live | How::Echo) {
                let delivered = arrival.how == How::Live;
                let may_be_overtaken = delivered && conversation.several_nodes;
                let before = if may_be_overtaken { last } else { last.max(echoed) };
                if live.insert(arrival.seq, key) == Some(key) {
                    let what = || format!("delivered twice on one session of {}", view.name);
                    self.tell(|f| &mut f.doubled, key, &[seq], what);
                } else if seq <= before && told.insert(key) {
                    let what = || format!("{} received it after {before}", view.name);
                    self.tell(|f| &mut f.out_of_order, key, &[before, seq], what);
                } else if seq < echoed {
                    self.findings.overtaken += 1;
                }
                let furthest = if delivered { &mut last } else { &mut echoed };
                *furthest = seq.max(*furthest);
            }
            if let Some(kept) = self.other_place(key, seq)
                && told.insert(key)
            {
                let what = || format!("{} and the history differ", view.name);
                self.tell(|f| &mut f.out_of_order, key, &[seq, kept], what);
            }
            let [first, _] = self.histories;
            if first.get(&key).is_some_and(|(_, content)| *content == arrival.content) {
                has.insert(key);
            }
        }
        for Entry { key, seq, .. } in history {
            if !self.lost.contains_key(key) && has.insert(*key) {
                let what = || format!("{} never received it", view.name);
                self.tell(|f| &mut f.missed, *key, &[*seq], what);
            }
        }
    }

    /// Both users read one and the same history.
    fn check_readers(&mut self, histories: [&[Entry]; 2]) {
        let both = [(histories[0], &self.histories[1]), (histories[1], &self.histories[0])];
        let mut told = HashSet::new();
        for (history, other) in both {
            for entry in history {
                if self.lost.contains_key(&entry.key) || self.doubled.contains(&entry.key) {
                    continue;
                }
                let same = other.get(&entry.key).filter(|(_, content)| *content == entry.content);
                let place = same.map(|(seq, _)| *seq);
                if place == Some(entry.seq) || !told.insert(entry.key) {
                    continue;
                }
                if let Some(place) = place {
                    let what = || "the two users read it at different places".to_owned();
                    self.tell(|f| &mut f.out_of_order, entry.key, &[entry.seq, place], what);
                } else {
                    let what = || "only one of the two users reads it so".to_owned();
                    self.tell(|f| &mut f.missed, entry.key, &[entry.seq], what);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
