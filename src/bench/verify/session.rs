//! One session of a device: sends, receives, asks for what is missing.

use std::{
    collections::HashSet,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{
    super::load::count,
    asking::{ANSWER, Asking, Meaning},
    device::{Device, End, Phase},
    frames::{Incoming, Mark, Message, Outgoing, Page, Refusal},
    ledger::{Acknowledged, Arrival, How, Key, fingerprint},
    link::{Cut, Link},
};

/// A hole that the server says is none is asked for this often at the end, and then believed.
const MOST_ASKED: u32 = 3;

/// What holds for one session.
struct Session {
    link: Link,
    asking: Asking,
    /// The newest place that was delivered.
    newest: u64,
    /// Sent again on this session: the answer may show an old place, and the original, which an
    /// earlier session brought on its way, may be delivered here as to any other device.
    resent: HashSet<u32>,
    /// Whether the last question was put.
    last: bool,
}

impl Device {
    /// Runs until the session ends.
    pub(super) async fn run_session(&mut self, link: Link) -> End {
        let asking = Asking::new(Instant::now());
        let mut session = Session { link, asking, newest: 0, resent: HashSet::new(), last: false };
        let end = loop {
            let now = Instant::now();
            let phase = *self.phase.borrow_and_update();
            if phase == Phase::Over {
                break End::Over;
            }
            if let Err(cut) = self.keep_time(&mut session, now) {
                break End::Cut(cut);
            }
            self.write(&mut session, phase, now);
            self.note_settled();
            let wake = self.wake(&session, phase, now);
            tokio::select! {
                text = session.link.next() => match text {
                    Ok(text) => {
                        if self.read(&mut session, &text) {
                            break End::Complete;
                        }
                    }
                    Err(cut) => break End::Cut(cut),
                },
                () = tokio::time::sleep_until(wake.into()) => {}
                _ = self.phase.changed() => {}
            }
        };
        match &end {
            End::Cut(_) => {
                // A gap that began with an earlier cut goes on.
                self.gap_since.get_or_insert(session.link.heard());
            }
            End::Complete | End::Over => session.link.close().await,
        }
        end
    }

    fn keep_time(&self, session: &mut Session, now: Instant) -> Result<(), Cut> {
        session.link.keep_time(now)?;
        if session.asking.is_overdue(now) {
            return Err(Cut::without_a_word("no answer to a sync"));
        }
        if self.window.silent_since().is_some_and(|since| now >= since + ANSWER) {
            return Err(Cut::without_a_word("no answer to a message"));
        }
        Ok(())
    }

    /// When there is something to do, even if no frame comes.
    fn wake(&self, session: &Session, phase: Phase, now: Instant) -> Instant {
        let send = (self.sends && phase == Phase::Sending && self.plan.interval.is_some())
            .then_some(self.next_send);
        let again = if phase < Phase::Final { self.window.due() } else { None };
        let answer = self.window.silent_since().map(|since| since + ANSWER);
        let times = [session.asking.due(), send, again, answer];
        times.into_iter().flatten().fold(session.link.due(), Instant::min).max(now)
    }

    /// Queues what is to be sent now.
    fn write(&mut self, session: &mut Session, phase: Phase, now: Instant) {
        if phase == Phase::Final && !session.last {
            session.asking.want(now);
        }
        if session.asking.is_due(now) {
            let (peer, upto) = (&*self.peer.id, self.have.upto());
            session.link.send(Outgoing::Sync { have: [(peer, upto)].into() }.text());
            session.last = phase == Phase::Final;
            session.asking.ask(now, upto, session.last);
        }
        if !self.sends || phase >= Phase::Final {
            return;
        }
        while let Some(n) = self.window.again(now) {
            self.record.tally.resent += 1;
            session.resent.insert(n);
            self.say(session, n);
        }
        if phase == Phase::Sending {
            self.begin(session, now);
        }
    }

    /// Begins the messages that are due and for which the window has room.
    fn begin(&mut self, session: &mut Session, now: Instant) {
        if let Some(interval) = self.plan.interval {
            // What a cut kept from being sent does not come in one flood.
            self.next_send = self.next_send.max(now.checked_sub(interval).unwrap_or(now));
        }
        while self.window.begun() < self.plan.most {
            if let Some(interval) = self.plan.interval {
                if self.next_send > now {
                    return;
                }
                self.next_send += interval.max(Duration::from_nanos(1));
            }
            let Some(n) = self.window.begin(now) else { return };
            let every = self.plan.seen_every;
            if every > 0 && n % every == every - 1 {
                let seen = Outgoing::Seen { to: &self.peer.id, upto: self.have.upto() };
                session.link.send(seen.text());
            }
            self.say(session, n);
        }
    }

    fn say(&self, session: &mut Session, n: u32) {
        let key = Key { user: self.me.index, n };
        let (id, content) = (self.plan.ids.write(key), self.plan.content(key));
        let frame = Outgoing::Message { to: &self.peer.id, content: &content, id: &id };
        session.link.send(frame.text());
    }

    /// Takes a frame; says whether the device now has everything, for good.
    fn read(&mut self, session: &mut Session, text: &str) -> bool {
        match Incoming::parse(text) {
            Ok(Incoming::Message(message)) => self.delivered(session, &message),
            Ok(Incoming::Sync(page)) => return self.synced(session, &page),
            Ok(Incoming::Seen(mark)) => self.note_mark(&mark),
            Ok(Incoming::Error(refusal)) => self.refused(session, &refusal),
            Ok(Incoming::Other) => {}
            Err(_) => count(&mut self.record.tally.errors, "(a frame that is no frame)"),
        }
        false
    }

    /// Whether it belongs to this conversation.
    fn is_ours(&self, from: &str, to: &str) -> bool {
        let (me, peer) = (&*self.me.id, &*self.peer.id);
        (from, to) == (me, peer) || (from, to) == (peer, me)
    }

    fn delivered(&mut self, session: &mut Session, message: &Message<'_>) {
        if !self.is_ours(&message.from, &message.to) {
            return;
        }
        let key = self.key(message);
        let mut how = How::Live;
        if self.sends && key.user == self.me.index {
            self.acknowledge(key, message);
            how = How::Echo;
            let known = message.seq <= session.newest || self.have.has(message.seq);
            if known && session.resent.contains(&key.n) {
                how = How::Answer;
                self.record.tally.answered_as_duplicate += 1;
            }
        }
        self.note(key, message, how);
        if how != How::Answer {
            session.newest = session.newest.max(message.seq);
        }
        if self.have.has_hole() && !session.asking.is_busy() {
            self.record.tally.holes += 1;
            session.asking.want(Instant::now());
        }
    }

    fn key(&self, message: &Message<'_>) -> Key {
        self.plan.ids.read(message.id.as_deref(), &message.from, &message.content)
    }

    fn acknowledge(&mut self, key: Key, message: &Message<'_>) {
        let now = Instant::now();
        let content = match message.changed {
            true => fingerprint(&*message.content),
            false => fingerprint(&*self.plan.content(key)),
        };
        let at = now.saturating_duration_since(self.plan.started).as_millis();
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        let echo = Acknowledged { key, seq: message.seq, content, at };
        self.record.acknowledged.push(echo);
        if let Some(answered) = self.window.answered(key.n, now) {
            let tally = &mut self.record.tally;
            tally.acknowledged += 1;
            tally.longest_acknowledgement = tally.longest_acknowledgement.max(answered.after);
            self.progress.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn note(&mut self, key: Key, message: &Message<'_>, how: How) {
        self.have.note(message.seq);
        self.record.tally.received += 1;
        self.record.arrivals.push(Arrival {
            key,
            content: fingerprint(&*message.content),
            seq: u32::try_from(message.seq).unwrap_or(u32::MAX),
            session: self.session,
            how,
        });
    }

    fn note_mark(&mut self, mark: &Mark<'_>) {
        if self.is_ours(&mark.from, &mark.to) {
            let whose = usize::from(mark.from != self.me.id);
            if let Some(known) = self.record.marks.get_mut(whose) {
                *known = mark.upto.max(*known);
            }
        }
    }

    fn synced(&mut self, session: &mut Session, page: &Page<'_>) -> bool {
        for message in &page.messages {
            if self.is_ours(&message.from, &message.to) {
                self.note(self.key(message), message, How::Sync);
            }
        }
        for mark in &page.seen {
            self.note_mark(mark);
        }
        self.record.tally.sync_pages += 1;
        let now = Instant::now();
        let state = (self.have.upto(), self.have.has_hole());
        match session.asking.answered(now, page.complete, state, rand::random()) {
            Meaning::More => false,
            Meaning::Hole { times } => session.last && times >= MOST_ASKED,
            Meaning::Complete { last } => {
                self.backoff.reset();
                if let Some(since) = self.gap_since.take() {
                    let gap = now.saturating_duration_since(since);
                    self.record.tally.longest_gap = self.record.tally.longest_gap.max(gap);
                }
                last
            }
        }
    }

    fn refused(&mut self, session: &mut Session, refusal: &Refusal<'_>) {
        count(&mut self.record.tally.errors, &refusal.code);
        let now = Instant::now();
        // So that a crowd which was refused together does not come back together.
        let spread = Duration::from_millis(250).mul_f64(rand::random());
        let key = refusal.id.as_deref().map(|id| self.plan.ids.read(Some(id), "", ""));
        match (key, refusal.wait()) {
            (Some(key), Some(wait)) if key.user == self.me.index => {
                self.window.refused(key.n, now + wait + spread);
            }
            (Some(key), None) if key.user == self.me.index => {
                if self.window.answered(key.n, now).is_some() {
                    self.record.tally.refused += 1;
                }
            }
            // Of the frames without an id, only the question has to be put again.
            (_, wait) => {
                session.asking.refused(now + wait.unwrap_or(Duration::from_secs(1)) + spread);
            }
        }
    }
}
