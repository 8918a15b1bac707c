//! Read marks.

use confab::store::{Mark, Marked, NewMark};

use super::{Backend, at, fresh, see, send_many, user};

pub async fn a_mark_only_moves_forward<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (reader, peer) = (user(2), user(1));
    send_many(&*store, peer, reader, 9).await;
    let new = |upto, millis| NewMark { reader, peer, upto: Some(upto), at: at(millis) };
    let batch = vec![new(0, 1), new(3, 2), new(3, 3), new(2, 4), new(0, 5), new(7, 6)];
    let told: Vec<_> =
        store.mark_seen(batch).await.into_iter().map(|marked| marked.unwrap()).collect();
    let marked =
        |upto, millis, moved| Marked { mark: Mark { reader, peer, upto, at: at(millis) }, moved };
    let wanted = [
        marked(0, 1, false),
        marked(3, 2, true),
        marked(3, 2, false),
        marked(3, 2, false),
        marked(3, 2, false),
        marked(7, 6, true),
    ];
    assert_eq!(told, wanted);
    assert_eq!(see(&*store, reader, peer, Some(5)).await, marked(7, 6, false));
}

pub async fn a_mark_stops_at_the_newest_message<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    send_many(&*store, ann, bob, 4).await;
    let newest = see(&*store, bob, ann, None).await;
    assert_eq!((newest.mark.upto, newest.moved), (4, true));
    let again = see(&*store, bob, ann, Some(5)).await;
    assert_eq!((again.mark.upto, again.moved), (4, false));
    send_many(&*store, ann, bob, 2).await;
    let absurd = see(&*store, bob, ann, Some(u64::MAX)).await;
    assert_eq!((absurd.mark.upto, absurd.moved), (6, true));
    // The newest message may be one's own.
    let own = see(&*store, ann, bob, None).await;
    assert_eq!((own.mark.upto, own.moved), (6, true));
}

pub async fn without_messages_there_is_no_mark<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    for upto in [None, Some(0), Some(1), Some(u64::MAX)] {
        let marked = see(&*store, ann, bob, upto).await;
        let mark = Mark { reader: ann, peer: bob, upto: 0, at: at(77) };
        assert_eq!(marked, Marked { mark, moved: false });
    }
    assert_eq!(store.conversations(ann, None, 10).await.unwrap().conversations, []);
    send_many(&*store, bob, ann, 2).await;
    let listed = store.conversations(ann, None, 10).await.unwrap().conversations;
    assert_eq!(listed[0].unread, 2);
}

pub async fn each_side_has_its_own_mark<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    send_many(&*store, ann, bob, 5).await;
    assert_eq!(see(&*store, ann, bob, Some(2)).await.mark.upto, 2);
    assert_eq!(see(&*store, bob, ann, Some(4)).await.mark.upto, 4);
    assert_eq!(see(&*store, ann, bob, Some(1)).await.mark.upto, 2);
    assert_eq!(see(&*store, bob, ann, Some(1)).await.mark.upto, 4);
}

pub async fn one_marks_notes_to_oneself<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let ann = user(1);
    send_many(&*store, ann, ann, 3).await;
    assert_eq!(see(&*store, ann, ann, Some(2)).await.mark.upto, 2);
    let marked = see(&*store, ann, ann, None).await;
    assert_eq!((marked.mark.upto, marked.moved), (3, true));
}

pub async fn concurrent_marks_end_at_the_furthest<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    send_many(&*store, ann, bob, 60).await;
    let tasks: Vec<_> = (1..=50)
        .map(|upto| {
            let store = store.clone();
            tokio::spawn(async move { see(&*store, bob, ann, Some(upto)).await })
        })
        .collect();
    for (upto, task) in (1..).zip(tasks) {
        let marked = task.await.unwrap();
        assert!(if marked.moved { marked.mark.upto == upto } else { marked.mark.upto >= upto });
    }
    assert_eq!(see(&*store, bob, ann, Some(1)).await.mark.upto, 50);
}
