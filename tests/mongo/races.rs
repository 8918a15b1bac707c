//! Nodes that write to the same conversation.

use std::{collections::HashSet, sync::Arc};

use confab::{
    config::MongoLayout,
    store::{NewMark, Store, Timestamp, mongo::MongoStore},
};

use crate::{all, assert_no_gap, database::TestDatabase, message, send, user};

async fn nodes(database: &TestDatabase, layout: MongoLayout) -> [Arc<MongoStore>; 2] {
    let (one, two) = tokio::join!(database.open(layout, 5), database.open(layout, 5));
    [Arc::new(one), Arc::new(two)]
}

async fn both_write(layout: MongoLayout) {
    const EACH: usize = 1000;
    let database = TestDatabase::new();
    let nodes = nodes(&database, layout).await;
    let (ann, bob) = (user(1), user(2));
    let mut writers = Vec::new();
    for (node, (from, to)) in nodes.iter().zip([(ann, bob), (bob, ann)]) {
        let node = Arc::clone(node);
        writers.push(tokio::spawn(async move {
            let mut told = Vec::new();
            for number in 0..EACH {
                let new = message(from, to, &format!("{number}"), &format!("{number}"));
                let answer = send(&*node, new).await.unwrap();
                assert!(answer.new);
                told.push(answer.message);
            }
            told
        }));
    }
    let mut told = Vec::new();
    for writer in writers {
        let own = writer.await.unwrap();
        assert!(own.is_sorted_by_key(|message| message.seq), "one writer's order is kept");
        told.extend(own);
    }
    told.sort_by_key(|message| message.seq);
    assert_no_gap(&told);
    assert_eq!(told.len(), 2 * EACH);
    assert!(told.is_sorted_by_key(|message| message.at), "time never runs backwards");
    for node in &nodes {
        assert_eq!(all(&**node, ann, bob).await, told);
    }
    let list = nodes[0].conversations(ann, None, 10).await.unwrap().conversations;
    assert_eq!(list[0].last_message, told[2 * EACH - 1]);
    assert_eq!(list[0].unread, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_write_one_conversation_per_pair() {
    both_write(MongoLayout::PerPair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_write_one_conversation_single() {
    both_write(MongoLayout::Single).await;
}

/// A client that sends to one node, hears nothing, and sends to the other, many times at once.
async fn one_id_on_two_nodes(layout: MongoLayout) {
    let database = TestDatabase::new();
    let nodes = nodes(&database, layout).await;
    let (ann, bob) = (user(1), user(2));
    let mut tasks = Vec::new();
    for round in 0..40 {
        for node in nodes.iter().cycle().take(6) {
            let (node, id) = (Arc::clone(node), format!("{round}"));
            tasks.push(tokio::spawn(async move {
                let new = message(ann, bob, &id, &id);
                (id, send(&*node, new).await.unwrap())
            }));
        }
    }
    let (mut new, mut told) = (0, HashSet::new());
    for task in tasks {
        let (id, answer) = task.await.unwrap();
        assert_eq!(&*answer.message.content, id);
        new += usize::from(answer.new);
        told.insert((id, answer.message.seq));
    }
    assert_eq!((new, told.len()), (40, 40));
    let stored = all(&*nodes[1], ann, bob).await;
    assert_no_gap(&stored);
    assert_eq!(stored.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_id_sent_to_both_nodes_is_one_message_per_pair() {
    one_id_on_two_nodes(MongoLayout::PerPair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_id_sent_to_both_nodes_is_one_message_single() {
    one_id_on_two_nodes(MongoLayout::Single).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn marks_on_two_nodes_end_at_the_furthest() {
    let database = TestDatabase::new();
    let nodes = nodes(&database, MongoLayout::PerPair).await;
    let (ann, bob) = (user(1), user(2));
    let batch = (0..60).map(|number| message(ann, bob, "hi", &format!("{number}"))).collect();
    nodes[0].append(batch).await;
    let mut tasks = Vec::new();
    for upto in 1..=60 {
        let node = Arc::clone(&nodes[upto % 2]);
        let upto = u64::try_from(upto).unwrap();
        let new = NewMark { reader: bob, peer: ann, upto: Some(upto), at: Timestamp(1) };
        tasks.push(tokio::spawn(async move { (upto, node.mark_seen(vec![new]).await.remove(0)) }));
    }
    for task in tasks {
        let (upto, marked) = task.await.unwrap();
        let marked = marked.unwrap();
        assert!(if marked.moved { marked.mark.upto == upto } else { marked.mark.upto >= upto });
    }
    let list = nodes[1].conversations(bob, None, 10).await.unwrap().conversations;
    assert_eq!((list[0].seen, list[0].unread), (60, 0));
}

/// What the bus brings spares a lost race, and never makes a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_another_node_published_is_built_upon() {
    let database = TestDatabase::new();
    let nodes = nodes(&database, MongoLayout::PerPair).await;
    let (ann, bob) = (user(1), user(2));
    for round in 0..20 {
        let (here, there) = (&nodes[round % 2], &nodes[1 - round % 2]);
        let stored = send(&**here, message(ann, bob, "hi", "")).await.unwrap().message;
        there.saw(stored.conversation, stored.from, stored.seq, stored.at);
        // Old, repeated and far news do no harm.
        there.saw(stored.conversation, stored.from, 1, stored.at);
        there.saw(stored.conversation, stored.from, stored.seq + 7, stored.at);
    }
    let stored = all(&*nodes[0], ann, bob).await;
    assert_no_gap(&stored);
    assert_eq!(stored.len(), 20);
    let list = nodes[0].conversations(bob, None, 10).await.unwrap().conversations;
    assert_eq!(list[0].unread, 5);
}
