//! One thread's share of the load: its sessions, its pace, its tally.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
    time::{Duration, Instant},
};

use tokio::task::{LocalSet, spawn_local};

use super::{
    super::{
        frame::Template,
        latency::nanos,
        schedule::{Schedule, Timer},
        socket::Socket,
    },
    session::SessionLoad,
    tally::{Live, Tally},
};

/// How often a thread looks whether it is to stop, and whether a pause has passed.
const TICK: Duration = Duration::from_millis(10);

/// When messages are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as a session has fewer than so many without an answer: a closed loop.
    Window(usize),
    /// At these times, whatever the server does: an open loop.
    Rate(Schedule),
}

/// What the sessions of a thread share.
#[derive(Debug)]
pub struct Shift {
    /// The beginning of the run, from which all times are counted, in nanoseconds.
    pub start: Instant,
    /// The run's number, in each stamp.
    pub run: u32,
    /// When to send.
    pub pace: Pace,
    /// The beginning of the measured time.
    pub from: u64,
    /// Its end, when sending ends too.
    pub until: u64,
    /// What was counted.
    pub tally: RefCell<Tally>,
    /// What the other threads see.
    pub live: Arc<Live>,
    wakers: Vec<RefCell<Option<Waker>>>,
    over: Cell<bool>,
    /// Whether a session waits for some time to pass before it sends more.
    pub pausing: Cell<bool>,
}

/// A session to be: its socket, its user, and the user it writes to.
#[derive(Debug)]
pub struct Seat {
    /// The socket.
    pub socket: Socket,
    /// Its user's id.
    pub me: String,
    /// The recipient's id.
    pub to: String,
}

impl Shift {
    /// The share of one thread with so many sessions.
    pub fn new(
        start: Instant,
        run: u32,
        pace: Pace,
        measured: (u64, u64),
        live: Arc<Live>,
        sessions: usize,
    ) -> Self {
        Self {
            start,
            run,
            pace,
            from: measured.0,
            until: measured.1,
            tally: RefCell::default(),
            live,
            wakers: (0..sessions).map(|_| RefCell::default()).collect(),
            over: Cell::new(false),
            pausing: Cell::new(false),
        }
    }

    /// The time since the beginning of the run.
    pub fn now(&self) -> u64 {
        nanos(self.start.elapsed())
    }

    /// Whether a time belongs to what is measured.
    pub fn is_measured(&self, time: u64) -> bool {
        (self.from..self.until).contains(&time)
    }

    /// Whether all is over.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Keeps the waker of a session.
    pub fn wait_with(&self, place: usize, waker: &Waker) {
        if let Some(kept) = self.wakers.get(place) {
            let kept = &mut *kept.borrow_mut();
            match kept {
                Some(kept) => kept.clone_from(waker),
                None => *kept = Some(waker.clone()),
            }
        }
    }

    fn wake(&self, place: usize) {
        if let Some(waker) = self.wakers.get(place).and_then(|waker| waker.borrow().clone()) {
            waker.wake();
        }
    }

    fn wake_all(&self) {
        (0..self.wakers.len()).for_each(|place| self.wake(place));
    }
}

/// Runs the sessions of one thread from the start until it is told that all is over.
///
/// # Errors
/// When there is no timer.
pub async fn work(shift: Rc<Shift>, seats: Vec<Seat>, size: usize) -> std::io::Result<Tally> {
    let local = LocalSet::new();
    let mut timer = Timer::new()?;
    local
        .run_until(async {
            timer.sleep(shift.start.saturating_duration_since(Instant::now())).await;
            let mut sessions = Vec::with_capacity(seats.len());
            for (place, Seat { socket, me, to }) in seats.into_iter().enumerate() {
                let template = Template::new(&to, size);
                let load = SessionLoad::new(socket, Rc::clone(&shift), place, me, template);
                sessions.push(spawn_local(load));
            }
            if let Pace::Rate(schedule) = shift.pace {
                spawn_local(keep_pace(Rc::clone(&shift), schedule, timer));
            }
            while !shift.live.over.load(Relaxed) {
                tokio::time::sleep(TICK).await;
                if shift.pausing.get() {
                    shift.wake_all();
                }
            }
            shift.over.set(true);
            shift.wake_all();
            for session in sessions {
                // A session does not panic, and nobody aborts it.
                let _ = session.await;
            }
        })
        .await;
    drop(local);
    Ok(shift.tally.take())
}

/// Wakes each session when a message of it is due.
async fn keep_pace(shift: Rc<Shift>, schedule: Schedule, mut timer: Timer) {
    let mut next = 0;
    while next < schedule.len() && !shift.is_over() {
        let due = schedule.due_by(shift.now());
        // More than one a session is due only when this thread is late.
        let senders = shift.wakers.len() as u64;
        for k in next.max(due.saturating_sub(senders))..due {
            shift.wake(schedule.sender(k));
        }
        next = next.max(due);
        let wait = schedule.due(next).saturating_sub(shift.now());
        timer.sleep(Duration::from_nanos(wait)).await;
    }
}
