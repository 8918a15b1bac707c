//! One session under load: reads all that has arrived, then writes all that is due.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{self, Message};

use super::{
    super::{
        frame::{Incoming, Stamp, Template},
        socket::Socket,
    },
    shift::{Pace, Shift},
    tally,
};

/// Frames that are read before other sessions get their turn.
const READS: usize = 128;

/// A session that sends and receives until the shift is over. What it counts goes to the shift's
/// tally.
///
/// Invariant: messages due are written in one flush, and reading goes on while writing is held
/// up, so that a server which writes before it reads cannot lock both up.
#[derive(Debug)]
pub struct SessionLoad {
    socket: Socket,
    shift: Rc<Shift>,
    /// Its place among the senders of the shift.
    place: usize,
    /// Its user.
    me: String,
    template: Template,
    /// What has no answer yet, in the order in which it was sent.
    awaited: VecDeque<Stamp>,
    next: u32,
    /// In a closed loop nothing is sent before: the server asked for a pause.
    paused_until: u64,
    unflushed: bool,
    /// The server does not read: the socket takes no more.
    blocked: bool,
    /// When it took more again.
    unblocked_at: u64,
    /// In an open loop: it has sent all it had to.
    finished: bool,
}

impl SessionLoad {
    /// A session of user `me`, the sender `place` of the shift, over an open socket.
    pub fn new(
        socket: Socket,
        shift: Rc<Shift>,
        place: usize,
        me: String,
        template: Template,
    ) -> Self {
        Self {
            socket,
            shift,
            place,
            me,
            template,
            awaited: VecDeque::new(),
            next: 0,
            paused_until: 0,
            unflushed: false,
            blocked: false,
            unblocked_at: 0,
            finished: false,
        }
    }

    /// Reads what has arrived; says why the session ended, if it did.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        for _ in 0..READS {
            match self.socket.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(Message::Text(text)))) => self.take(&text),
                Poll::Ready(Some(Ok(Message::Close(Some(close))))) => {
                    let code = u16::from(close.code);
                    return Err(format!("closed with {code} {}", close.reason).trim_end().into());
                }
                Poll::Ready(Some(Ok(Message::Close(None))) | None) => {
                    return Err("closed".to_owned());
                }
                Poll::Ready(Some(Ok(Message::Binary(_)))) => {
                    self.shift.tally.borrow_mut().not_understood += 1;
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Err(ended(&error)),
                Poll::Pending => return Ok(()),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn take(&mut self, text: &str) {
        let now = self.shift.now();
        let frame = Incoming::read(text);
        let tally = &mut *self.shift.tally.borrow_mut();
        let Some(frame) = frame else {
            tally.not_understood += 1;
            return;
        };
        match &*frame.event.0 {
            "message" => {}
            "error" => {
                // One that belongs to no message of this run refuses the oldest.
                let stamp = frame.id.as_ref().and_then(|id| Stamp::read(&id.0));
                if forget(&mut self.awaited, stamp).is_some() {
                    self.shift.live.refused.increment();
                }
                tally::count(&mut tally.refused, frame.code.as_ref().map_or("", |code| &code.0));
                if matches!(self.shift.pace, Pace::Window(_)) {
                    let wait = frame.retry_after.map_or(0, |seconds| u64::from(seconds) * NANOS);
                    self.paused_until = self.paused_until.max(now + wait);
                    self.shift.pausing.set(true);
                }
                return;
            }
            _ => return,
        }
        let stamp = frame.stamp();
        if stamp.is_some_and(|stamp| stamp.run != self.shift.run) {
            return; // of an earlier run
        }
        let echoed = frame.from.is_some_and(|from| from.0 == self.me);
        if echoed {
            let Some(stamp) = forget(&mut self.awaited, stamp) else { return };
            self.shift.live.acknowledged.increment();
            tally.acknowledged_measured += u64::from(self.shift.is_measured(now));
            if self.shift.is_measured(stamp.due) {
                tally.echo.record(now.saturating_sub(stamp.due));
            }
        } else {
            self.shift.live.delivered.increment();
            tally.delivered_measured += u64::from(self.shift.is_measured(now));
            if let Some(stamp) = stamp.filter(|stamp| self.shift.is_measured(stamp.due)) {
                tally.delivery.record(now.saturating_sub(stamp.due));
            }
        }
    }

    /// Writes what is due, and flushes; says why the session ended, if it did.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        while let Some(due) = self.due() {
            match self.socket.poll_ready_unpin(cx) {
                Poll::Ready(ready) => ready.map_err(|error| ended(&error))?,
                Poll::Pending => {
                    self.blocked = true;
                    return Ok(());
                }
            }
            let now = self.shift.now();
            if self.blocked {
                (self.blocked, self.unblocked_at) = (false, now);
            }
            // In a closed loop a message is due when it can be sent.
            let due = due.unwrap_or(now);
            let stamp = Stamp { run: self.shift.run, number: self.next, due };
            self.socket
                .start_send_unpin(Message::Text(self.template.message(stamp)))
                .map_err(|error| ended(&error))?;
            self.unflushed = true;
            self.next = self.next.wrapping_add(1);
            self.awaited.push_back(stamp);
            self.shift.live.sent.increment();
            if matches!(self.shift.pace, Pace::Rate(_)) {
                let tally = &mut *self.shift.tally.borrow_mut();
                if due < self.unblocked_at {
                    tally.held_back += 1;
                } else if self.shift.is_measured(due) {
                    tally.lag.record(now.saturating_sub(due));
                }
            }
        }
        if let Pace::Rate(schedule) = &self.shift.pace
            && schedule.of_sender(self.place, self.next.into()).is_none()
        {
            self.finish();
        }
        if self.unflushed {
            match self.socket.poll_flush_unpin(cx) {
                Poll::Ready(flushed) => {
                    flushed.map_err(|error| ended(&error))?;
                    self.unflushed = false;
                }
                Poll::Pending => self.blocked = true,
            }
        }
        Ok(())
    }

    /// When the next message is due, if one is: `Some(None)` for at once.
    fn due(&self) -> Option<Option<u64>> {
        let now = self.shift.now();
        match &self.shift.pace {
            Pace::Window(window) => {
                let may = self.awaited.len() < *window
                    && now < self.shift.until
                    && now >= self.paused_until;
                may.then_some(None)
            }
            Pace::Rate(schedule) => {
                let due = schedule.of_sender(self.place, self.next.into())?;
                (due <= now).then_some(Some(due))
            }
        }
    }

    fn finish(&mut self) {
        if !self.finished {
            self.finished = true;
            self.shift.live.finished.increment();
        }
    }

    /// What has no answer now will have none. It counts with the time that it has waited, or the
    /// worst would be missing from the latencies.
    fn give_up(&mut self) {
        let now = self.shift.now();
        let tally = &mut *self.shift.tally.borrow_mut();
        for stamp in self.awaited.drain(..) {
            tally.unanswered += 1;
            self.shift.live.given_up.increment();
            if self.shift.is_measured(stamp.due) {
                tally.echo.record(now.saturating_sub(stamp.due));
            }
        }
    }
}

const NANOS: u64 = 1_000_000_000;

impl Future for SessionLoad {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.shift.wait_with(this.place, cx.waker());
        let mut result = this.poll_read(cx);
        if result.is_ok() && !this.shift.is_over() {
            result = this.poll_write(cx);
            if result.is_ok() {
                return Poll::Pending;
            }
        } else if result.is_ok() {
            // The server is told, if the socket takes it.
            let _ = this.socket.start_send_unpin(Message::Close(None));
            let _ = this.socket.poll_flush_unpin(cx);
        }
        this.give_up();
        if let Err(reason) = result {
            this.finish();
            this.shift.live.ended.increment();
            tally::count(&mut this.shift.tally.borrow_mut().ended, &reason);
        }
        Poll::Ready(())
    }
}

/// Takes the message out that an answer belongs to: by its number, or the oldest where the
/// server tells no ids.
fn forget(awaited: &mut VecDeque<Stamp>, answered: Option<Stamp>) -> Option<Stamp> {
    let at = match answered {
        None => 0,
        Some(answered) => awaited.iter().position(|stamp| stamp.number == answered.number)?,
    };
    awaited.remove(at)
}

/// A few words that many ends have in common.
fn ended(error: &tungstenite::Error) -> String {
    match error {
        tungstenite::Error::Io(error) => error.kind().to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_belong_to_messages_by_number_or_by_order() {
        let stamp = |number| Stamp { run: 1, number, due: 0 };
        let mut awaited: VecDeque<_> = (0..4).map(stamp).collect();
        assert_eq!(forget(&mut awaited, Some(stamp(2))), Some(stamp(2)));
        assert_eq!(forget(&mut awaited, Some(stamp(2))), None);
        assert_eq!(forget(&mut awaited, None), Some(stamp(0)));
        assert_eq!(awaited, [stamp(1), stamp(3)]);
    }
}
