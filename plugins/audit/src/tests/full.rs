//! Lines that have no room: a full queue, a full disk.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use confab_plugin::{
    Host, Job, JobError, JobOrder, QueueFull, Username,
    host::{BotAccount, Queue, Services},
    testkit::message,
};
use serde_json::json;

use super::*;
use crate::{chain::Seal, options::Options, shared::Handle, writer::Medium};

/// A disk that takes a hundred bytes at a time, and is full when there is no room.
#[derive(Default)]
struct Disk {
    room: usize,
    /// Whether it can't take anything away either.
    stuck: bool,
    bytes: Vec<u8>,
}

#[derive(Clone, Default)]
struct Small(Arc<Mutex<Disk>>);

impl Small {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// Puts the disk in the place of the file of an open log, whose lines it has.
    async fn under(place: &Place, room: usize) -> Self {
        let small = Self::default();
        *small.disk() = Disk { room, stuck: false, bytes: fs::read(place.log()).unwrap() };
        let policy = (&Options::default()).into();
        let (log, _) = Handle::open(&place.log(), Seal::Plain, "test", &policy).unwrap();
        log.writer().await.file = Box::new(small.clone());
        small
    }

    /// Puts the bytes into the real file.
    fn save(&self, place: &Place) {
        fs::write(place.log(), &self.disk().bytes).unwrap();
    }
}

impl Medium for Small {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk().bytes.len() as u64)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.disk();
        let count = bytes.len().min(disk.room).min(100);
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.room -= count;
        disk.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.stuck {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.bytes.truncate(usize::try_from(length).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_full_disk_leaves_no_half_line_and_loses_none() {
    for stuck in [false, true] {
        let place = Place::new();
        let kit = place.started(&json!({})).await;
        write(&kit, 1).await;
        let before = fs::read(place.log()).unwrap();
        let small = Small::under(&place, 250).await;
        small.disk().stuck = stuck;
        for _ in 0..2 {
            kit.after(&message("hello"), accepted());
        }
        let failed = kit.run_job(1).await.unwrap();
        assert!(matches!(failed, Err(JobError::Retry(_))), "{failed:?}");
        let kept = small.disk().bytes.len();
        assert_eq!(kept, before.len() + if stuck { 250 } else { 0 });

        let failed = kit.run_job(2).await.unwrap();
        assert!(matches!(failed, Err(JobError::Retry(_))), "{failed:?}");
        small.disk().room = 9999;
        small.disk().stuck = false;
        work(&kit).await;
        small.save(&place);
        assert_eq!(place.kinds(), ["opened", "message", "message", "message"]);
        assert!(place.verify(&[]).is_ok());
    }
}

#[tokio::test]
async fn what_the_queue_had_no_room_for_is_told() {
    let place = Place::new();
    let kit = place.started(&json!({})).await;
    write(&kit, 2).await;
    kit.fill_queue();
    for _ in 0..3 {
        kit.after(&message("lost"), accepted());
    }
    kit.stop().await;
    assert_eq!(place.kinds(), ["opened", "message", "message", "gap"]);
    assert_eq!(place.lines()[3]["dropped"], 3);
    let told = place.verify(&[]).unwrap();
    assert!(told.contains("not logged, as the log itself says: 3 events, in 1 gap\n"), "{told}");
    kit.stop().await;
    assert_eq!(place.lines().len(), 4, "told once");
}

/// A host whose jobs the test takes one by one.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<VecDeque<Box<dyn Job>>>>);

impl Shelf {
    fn take(&self) -> Box<dyn Job> {
        self.0.lock().unwrap().pop_front().unwrap()
    }
}

impl Services for Shelf {
    fn queue(&self, order: JobOrder) -> Arc<dyn Queue> {
        assert_eq!(order, JobOrder::Pushed);
        Arc::new(self.clone())
    }

    fn bot(&self, _: Username, _: Option<&str>) -> Arc<dyn BotAccount> {
        unreachable!("the audit log sends nothing")
    }
}

impl Queue for Shelf {
    fn push(&self, job: Box<dyn Job>) -> Result<(), QueueFull> {
        let mut jobs = self.0.lock().unwrap();
        if jobs.len() >= 4 {
            return Err(QueueFull);
        }
        jobs.push_back(job);
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[tokio::test]
async fn each_gap_stands_where_its_events_would() {
    let (place, shelf) = (Place::new(), Shelf::default());
    let kit = place.kit(&json!({}));
    let host = Host::new("trail".into(), Arc::new(shelf.clone()));
    kit.plugin().start(&host).await.unwrap();
    // Four wait, the fifth and sixth are dropped.
    for _ in 0..6 {
        kit.after(&message("hello"), accepted());
    }
    shelf.take().run(1).await.unwrap();
    // The second is given up.
    drop(shelf.take());
    for _ in 0..2 {
        shelf.take().run(1).await.unwrap();
    }
    kit.after(&message("hello"), accepted());
    shelf.take().run(1).await.unwrap();
    kit.plugin().stop().await;
    let told: Vec<_> = place.lines().iter().map(|line| line["dropped"].as_u64()).collect();
    let expected =
        ["opened", "message", "gap", "message", "message", "gap", "message"].map(String::from);
    assert_eq!(place.kinds(), expected);
    assert_eq!((told[2], told[5]), (Some(1), Some(2)));
}

/// The host may give an attempt up while the disk still writes.
#[tokio::test]
async fn an_attempt_given_up_halfway_writes_the_line_once() {
    let (place, shelf) = (Place::new(), Shelf::default());
    let kit = place.kit(&json!({}));
    let host = Host::new("trail".into(), Arc::new(shelf.clone()));
    kit.plugin().start(&host).await.unwrap();
    kit.after(&message("hello"), accepted());
    let mut job = shelf.take();
    {
        // One poll hands the line to the thread that writes; the rest is given up.
        let attempt = std::pin::pin!(job.run(1));
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = attempt.poll(&mut nobody);
    }
    job.run(2).await.unwrap();
    job.run(3).await.unwrap();
    assert_eq!(place.kinds(), ["opened", "message"]);
}
