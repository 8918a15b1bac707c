//! The loop of one session: one task that reads, writes and keeps time.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt, poll};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Bytes, Message, Utf8Bytes},
};

use super::{
    super::meters::FRAMES_REFUSED,
    admission::Admission,
    farewell::{CLOSE_WAIT, farewell},
    metered::Metered,
};
use crate::{
    code::{Code, Refusal},
    config,
    dispatch::{Dispatch, Received},
    hub::{CloseReason, Outbound, Session, time_written},
    rate::{SharedRate, whole_seconds},
    wire::{Frame, client_id_of},
};

/// How many frames a session may send in a row before others get their turn: one that has always
/// more would otherwise keep its thread from them.
const IN_A_ROW: u32 = 16;

/// What a session's loop needs of the limits.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    ping_interval: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    backlog_timeout: Duration,
    refused_frames: u32,
}

impl From<&config::Limits> for Bounds {
    fn from(limits: &config::Limits) -> Self {
        Self {
            ping_interval: limits.ping_interval.0,
            idle_timeout: limits.idle_timeout.0,
            write_timeout: limits.write_timeout.0,
            backlog_timeout: limits.backlog_timeout.0,
            refused_frames: limits.refused_frames,
        }
    }
}

/// Serves one session until it ends; says why it ended.
///
/// Invariant: only this task touches the socket, so frames never interleave, and one flush
/// carries all that had been queued.
pub struct SessionLoop<S> {
    socket: WebSocketStream<Metered<S>>,
    session: Arc<Session>,
    dispatch: Arc<Dispatch>,
    bounds: Bounds,
    admission: Admission,
    /// Of the user: a flood over many sessions, or over one after the other, is one flood.
    rate: SharedRate,
    refused: u32,
    heard: Instant,
    expires: Instant,
    next_ping: Instant,
    timer: Pin<Box<Sleep>>,
    read_first: bool,
    /// Whether frames that were taken from the outbox were not written.
    cut: bool,
}

/// What there is to do next.
enum Turn {
    Write(Outbound),
    Read(Option<Result<Message, tungstenite::Error>>),
    Admitted(Received),
    Time,
}

impl<S: AsyncRead + AsyncWrite + Unpin> SessionLoop<S> {
    /// A loop over a socket whose handshake is done; the token is good until `expires`.
    pub fn new(
        socket: WebSocketStream<Metered<S>>,
        session: Arc<Session>,
        dispatch: Arc<Dispatch>,
        bounds: Bounds,
        rate: SharedRate,
        expires: Instant,
    ) -> Self {
        let now = Instant::now();
        let next_ping = now + bounds.ping_interval;
        Self {
            socket,
            session,
            dispatch,
            bounds,
            admission: Admission::default(),
            rate,
            refused: 0,
            heard: now,
            expires,
            next_ping,
            timer: Box::pin(tokio::time::sleep_until(next_ping.min(expires))),
            read_first: false,
            cut: false,
        }
    }

    /// Runs until the session ends; not to be called again. By reference, because a future has
    /// room for what is moved into it twice.
    pub async fn run(&mut self) -> CloseReason {
        let mut in_a_row = 0;
        let reason = loop {
            let result = match poll_fn(|cx| self.poll_turn(cx)).await {
                Turn::Write(outbound) => self.write(outbound).await,
                Turn::Read(message) => {
                    in_a_row += 1;
                    if in_a_row >= IN_A_ROW {
                        in_a_row = 0;
                        tokio::task::yield_now().await;
                    }
                    self.read(message)
                }
                Turn::Admitted(received) => self.admitted(received),
                Turn::Time => self.keep_time().await,
            };
            if let Err(reason) = result {
                break reason;
            }
        };
        // On the heap, because every idle session would carry the space for its end.
        Box::pin(self.close(reason)).await;
        reason
    }

    /// Reading and writing take turns, so that neither starves under load. Whether there is
    /// room for another message is asked anew at every wake.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        self.read_first = !self.read_first;
        for reading in [self.read_first, !self.read_first] {
            let turn = if reading { self.poll_read(cx) } else { self.poll_write(cx) };
            if turn.is_ready() {
                return turn;
            }
        }
        if let Some(due) = self.session.outbox().typing_due()
            && Instant::from_std(due) < self.timer.deadline()
        {
            self.timer.as_mut().reset(due.into());
        }
        self.timer.as_mut().poll(cx).map(|()| Turn::Time)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        self.session.outbox().poll_take(cx).map(Turn::Write)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        if self.admission.is_busy() {
            return self.admission.poll(cx).map(Turn::Admitted);
        }
        if self.session.outbox().has_room() {
            return self.socket.poll_next_unpin(cx).map(Turn::Read);
        }
        Poll::Pending
    }

    fn read(
        &mut self,
        message: Option<Result<Message, tungstenite::Error>>,
    ) -> Result<(), CloseReason> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(_)) if self.socket.get_ref().is_exceeded() => return Err(CloseReason::TooBig),
            Some(Err(error)) => return Err(broken(&error)),
            None => return Err(CloseReason::Client),
        };
        self.socket.get_mut().finished();
        self.heard = Instant::now();
        if matches!(message, Message::Close(_)) {
            return Err(CloseReason::Client);
        }
        if let Err(wait) = self.rate.take(self.heard.into_std()) {
            let mut refusal = Refusal::new(Code::RateLimited, "Too many frames: wait a little.");
            refusal.retry_after = Some(whole_seconds(wait));
            return self.refuse(&refusal, message.to_text().ok());
        }
        match message {
            Message::Text(text) => self.admit(text),
            Message::Binary(_) => {
                let refusal = Refusal::new(Code::BinaryFrame, "Frames are JSON text, not binary.");
                return self.refuse(&refusal, None);
            }
            // Pings are answered by the socket itself.
            _ => {}
        }
        Ok(())
    }

    fn admit(&mut self, text: Utf8Bytes) {
        let (dispatch, session) = (Arc::clone(&self.dispatch), Arc::clone(&self.session));
        self.admission.begin(async move { dispatch.receive(&session, &text).await });
    }

    fn admitted(&mut self, received: Received) -> Result<(), CloseReason> {
        match received {
            Received::Understood => {
                self.refused = self.refused.saturating_sub(1);
                Ok(())
            }
            Received::Refused => self.count_refused(),
        }
    }

    fn refuse(&mut self, refusal: &Refusal, text: Option<&str>) -> Result<(), CloseReason> {
        let id = text.and_then(client_id_of);
        self.session.outbox().push(Frame::error(refusal, id.as_deref()));
        self.count_refused()
    }

    fn count_refused(&mut self) -> Result<(), CloseReason> {
        self.refused += 1;
        FRAMES_REFUSED.increment(1);
        if self.refused >= self.bounds.refused_frames {
            return Err(CloseReason::Policy);
        }
        Ok(())
    }

    async fn keep_time(&mut self) -> Result<(), CloseReason> {
        let now = Instant::now();
        if now >= self.expires {
            return Err(CloseReason::TokenExpired);
        }
        if now >= self.heard + self.bounds.idle_timeout {
            return Err(CloseReason::Idle);
        }
        if now >= self.next_ping {
            self.next_ping = now + self.bounds.ping_interval;
            self.admission.give_back();
            if now >= self.heard + self.bounds.ping_interval {
                self.send(Message::Ping(Bytes::new()), self.expires).await?;
                self.flush(self.expires).await?;
            }
        }
        let idle = self.heard + self.bounds.idle_timeout;
        self.timer.as_mut().reset(self.next_ping.min(self.expires).min(idle));
        Ok(())
    }

    async fn write(&mut self, outbound: Outbound) -> Result<(), CloseReason> {
        self.write_frames(outbound.frames).await?;
        outbound.closing.map_or(Ok(()), Err)
    }

    async fn write_frames(&mut self, frames: VecDeque<Frame>) -> Result<(), CloseReason> {
        if frames.is_empty() {
            return Ok(());
        }
        // Frames that come meanwhile wait for the next time: so none waits longer than twice this.
        let until = self.expires.min(Instant::now() + self.bounds.backlog_timeout);
        time_written(&frames, self.session.user().id);
        self.cut = true;
        for frame in frames {
            self.send(Message::Text(frame.text), until).await?;
        }
        self.flush(until).await?;
        self.cut = false;
        Ok(())
    }

    async fn send(&mut self, message: Message, until: Instant) -> Result<(), CloseReason> {
        let feed = self.socket.feed(message);
        let limit = self.bounds.write_timeout;
        let written = unless_stalled(feed, &self.session, &mut self.admission, limit, until).await;
        written.map_err(|reason| self.late_for(reason))
    }

    async fn flush(&mut self, until: Instant) -> Result<(), CloseReason> {
        let flush = SinkExt::<Message>::flush(&mut self.socket);
        let limit = self.bounds.write_timeout;
        let written = unless_stalled(flush, &self.session, &mut self.admission, limit, until).await;
        written.map_err(|reason| self.late_for(reason))
    }

    /// A session that reads slowly must not outlive its token.
    fn late_for(&self, reason: CloseReason) -> CloseReason {
        match reason {
            CloseReason::SlowClient if Instant::now() >= self.expires => CloseReason::TokenExpired,
            _ => reason,
        }
    }

    /// Sends what is owed, and says why the session ends.
    async fn close(&mut self, reason: CloseReason) {
        if reason == CloseReason::Client {
            // The answer to the client's close frame may still be queued.
            let flush = SinkExt::<Message>::flush(&mut self.socket);
            let _ = tokio::time::timeout(CLOSE_WAIT, flush).await;
            return;
        }
        self.session.outbox().close(reason);
        // After a hole, nothing more.
        if !reason.is_abrupt() && !self.cut {
            self.expires = Instant::now() + self.bounds.write_timeout;
            let rest = tokio::time::timeout(self.bounds.write_timeout, self.write_rest());
            if !matches!(rest.await, Ok(Ok(()))) {
                return;
            }
        }
        self.admission = Admission::default();
        farewell(&mut self.socket, reason).await;
    }

    async fn write_rest(&mut self) -> Result<(), CloseReason> {
        if self.admission.is_busy() {
            poll_fn(|cx| self.admission.poll(cx)).await;
        }
        loop {
            let session = Arc::clone(&self.session);
            let outbound = poll_fn(|cx| session.outbox().poll_rest(cx)).await;
            let done = outbound.in_flight == 0;
            self.write_frames(outbound.frames).await?;
            if done {
                return Ok(());
            }
        }
    }
}

/// Writes, but not to a client that takes nothing for `limit`, nor after `until`, nor to one that
/// has been given up. Meanwhile the chain goes on with the client's own frame: its hooks may hold
/// what others wait for, and their time runs.
async fn unless_stalled<T>(
    write: impl Future<Output = Result<T, tungstenite::Error>>,
    session: &Session,
    admission: &mut Admission,
    limit: Duration,
    until: Instant,
) -> Result<T, CloseReason> {
    let mut write = std::pin::pin!(write);
    let result = match poll!(write.as_mut()) {
        Poll::Ready(result) => result,
        // On the heap, because it is rare, and every idle session would carry the space for it.
        Poll::Pending => {
            let until = until.min(Instant::now() + limit);
            let stalled = async {
                tokio::select! {
                    biased;
                    result = write => Ok(result),
                    reason = poll_fn(|cx| session.outbox().poll_given_up(cx)) => Err(reason),
                    () = tokio::time::sleep_until(until) => Err(CloseReason::SlowClient),
                    never = poll_fn(|cx| admission.poll_ahead(cx)) => match never {},
                }
            };
            Box::pin(stalled).await?
        }
    };
    result.map_err(|_| CloseReason::Client)
}

/// What a broken stream means for the session.
fn broken(error: &tungstenite::Error) -> CloseReason {
    use tungstenite::{Error, error::ProtocolError};
    match error {
        Error::Capacity(_) => CloseReason::TooBig,
        Error::Utf8(_) => CloseReason::InvalidText,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => CloseReason::Client,
        Error::Protocol(_) => CloseReason::Protocol,
        _ => CloseReason::Client,
    }
}
