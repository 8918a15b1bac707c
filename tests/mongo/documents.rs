//! What is in the database, and what others wrote there.

use std::{collections::HashMap, sync::LazyLock};

use confab::{
    config::MongoLayout,
    store::{
        Account, ChangeLimit, ChangeQuery, Conversation, Mark, NewMark, Standing, Store, Timestamp,
        mongo::MongoStore,
    },
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use mongodb::{
    Collection, Database,
    bson::{Bson, DateTime, Document, doc, oid::ObjectId},
};

use crate::{all, database::TestDatabase, message, send, user};

const ALL: ChangeLimit = ChangeLimit { messages: 1000, bytes: usize::MAX };

static METRICS: LazyLock<PrometheusHandle> =
    LazyLock::new(|| PrometheusBuilder::new().install_recorder().unwrap());

/// How many odd documents were counted of a kind.
fn odd(kind: &str) -> u64 {
    let start = format!("confab_store_odd_documents_total{{kind=\"{kind}\"}} ");
    let text = METRICS.render();
    let count = text.lines().find_map(|line| line.strip_prefix(&start));
    count.map_or(0, |count| count.parse().unwrap())
}

async fn write(collection: &Collection<Document>, document: Document) {
    // As a program would that does not know the rules, in a collection that has none.
    collection.insert_one(document).bypass_document_validation(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_s_collection_is_as_documented() {
    let database = TestDatabase::new();
    let store = database.open(MongoLayout::PerPair, 5).await;
    let (ann, bob) = (user(2), user(1));
    let at = Timestamp(1_750_000_000_123);
    let new = confab::store::NewMessage { at, ..message(ann, bob, "hi", "x") };
    send(&store, new).await.unwrap();
    send(&store, message(bob, ann, "ho", "")).await.unwrap();
    let found = database.database().await;
    let pair = found.collection::<Document>(&format!("{bob}_{ann}"));
    let first = pair.find_one(doc! { "_id": 1_i64 }).await.unwrap().unwrap();
    let wanted = doc! {
        "_id": 1_i64, "from": ann.to_string(), "to": bob.to_string(), "content": "hi",
        "at": DateTime::from_millis(at.0), "id": "x", "by_first": 0_i64,
    };
    assert_eq!(first, wanted);
    let second = pair.find_one(doc! { "_id": 2_i64 }).await.unwrap().unwrap();
    assert_eq!((second.get_i64("by_first").unwrap(), second.contains_key("id")), (1, false));
    let mut names = found.list_collection_names().await.unwrap();
    names.sort_unstable();
    assert_eq!(names, [format!("{bob}_{ann}").as_str(), "accounts", "client_ids", "conversations"]);
    let conversation = found.collection::<Document>("conversations").find_one(doc! {}).await;
    let conversation = conversation.unwrap().unwrap();
    assert_eq!(conversation.get_i64("last_seq").unwrap(), 2);
    let users = Bson::Array(vec![bob.to_string().into(), ann.to_string().into()]);
    assert_eq!(conversation.get("users"), Some(&users));
    // Who writes nonsense is told.
    assert!(pair.insert_one(doc! { "_id": 3_i64, "hello": "world" }).await.is_err());
    store.close().await;
}

/// What other programs may have put among a conversation's messages, given an id each.
fn nonsense(ids: impl Iterator<Item = Bson>) -> Vec<Document> {
    let (ann, bob) = (user(1).to_string(), user(2).to_string());
    let whole = doc! { "from": &ann, "to": &bob, "content": "hi", "at": DateTime::now() };
    let mut odd = vec![Document::new()];
    for field in ["from", "to", "content", "at"] {
        let mut missing = whole.clone();
        missing.remove(field);
        odd.push(missing);
        for value in [Bson::Null, 5.into(), doc! { "$ne": Bson::Null }.into()] {
            let mut wrong = whole.clone();
            wrong.insert(field, value);
            odd.push(wrong);
        }
    }
    for (field, value) in [("from", "nobody"), ("to", &user(3).to_string()), ("from", "")] {
        let mut wrong = whole.clone();
        wrong.insert(field, value);
        odd.push(wrong);
    }
    let mut wrong = whole.clone();
    wrong.insert("id", 5);
    odd.push(wrong);
    for (document, id) in odd.iter_mut().zip(ids) {
        document.insert("_id", id);
    }
    odd
}

async fn odd_messages(layout: MongoLayout) {
    LazyLock::force(&METRICS);
    let database = TestDatabase::new();
    let store = database.open(layout, 5).await;
    let (ann, bob) = (user(1), user(2));
    let pair = Conversation::between(ann, bob);
    for number in 0..3 {
        send(&store, message(ann, bob, "good", &format!("{number}"))).await.unwrap();
    }
    let messages: Database = database.database().await;
    let messages: Collection<Document> = match layout {
        MongoLayout::PerPair => messages.collection(&pair.to_string()),
        MongoLayout::Single => messages.collection("messages"),
    };
    let id = |seq: i64| match layout {
        MongoLayout::PerPair => Bson::Int64(seq),
        MongoLayout::Single => doc! { "c": pair.to_string(), "s": seq }.into(),
    };
    let documents = nonsense((4..).map(id));
    let count = i64::try_from(documents.len()).unwrap();
    for document in documents {
        write(&messages, document).await;
    }
    for odd_id in [Bson::ObjectId(ObjectId::new()), "x".into(), (-1).into(), 4.5.into()] {
        let odd_id = match layout {
            MongoLayout::PerPair => odd_id,
            MongoLayout::Single => doc! { "c": pair.to_string(), "s": odd_id }.into(),
        };
        write(&messages, doc! { "_id": odd_id, "content": "who" }).await;
    }
    let before = odd("messages");
    assert_eq!(all(&store, ann, bob).await.len(), 3);
    assert!(odd("messages") >= before + u64::try_from(count).unwrap());
    let list = store.conversations(bob, None, 10).await.unwrap().conversations;
    assert_eq!((list[0].last_message.seq, list[0].unread), (3, 3));
    let changes = store.changes_since(bob, ChangeQuery::all(HashMap::new(), ALL)).await.unwrap();
    assert_eq!((changes.messages.len(), changes.complete), (3, true));

    // A node that remembers nothing goes on after them; it never takes a place twice.
    let fresh = database.open(layout, 5).await;
    for store in [&fresh, &store] {
        send(store, message(bob, ann, "after", "")).await.unwrap();
    }
    let stored = all(&store, ann, bob).await;
    let seqs: Vec<_> = stored.iter().map(|message| message.seq).collect();
    let next = 4 + u64::try_from(count).unwrap();
    assert_eq!(seqs, [1, 2, 3, next, next + 1]);
    let list = fresh.conversations(ann, None, 10).await.unwrap().conversations;
    assert_eq!(list[0].last_message, stored[4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_messages_are_skipped_per_pair() {
    odd_messages(MongoLayout::PerPair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_messages_are_skipped_single() {
    odd_messages(MongoLayout::Single).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_accounts_and_conversations_are_skipped() {
    LazyLock::force(&METRICS);
    let database = TestDatabase::new();
    let store = database.open(MongoLayout::PerPair, 5).await;
    let (ann, bob) = (user(1), user(2));
    send(&store, message(ann, bob, "hi", "")).await.unwrap();
    let found = database.database().await;
    let accounts = found.collection::<Document>("accounts");
    write(&accounts, doc! { "_id": ann.to_string(), "username": "ann" }).await;
    write(&accounts, doc! { "_id": 7, "username": ["bob"] }).await;
    let before = odd("accounts");
    assert_eq!(store.account_by_id(ann).await, Ok(None));
    assert_eq!(store.account_by_name(&"ann".parse().unwrap()).await, Ok(None));
    assert_eq!(store.account_by_name(&"bob".parse().unwrap()).await, Ok(None));
    assert!(odd("accounts") >= before + 2);

    let conversations = found.collection::<Document>("conversations");
    let users = [ann.to_string(), user(3).to_string()];
    for (id, seq) in [
        (Bson::from("x"), Bson::from(5_i64)),
        (7.into(), 5_i64.into()),
        (format!("{}_{}", user(4), user(5)).into(), 5_i64.into()),
        (format!("{}_{}", user(3), user(1)).into(), 5_i64.into()),
        (format!("{}_{}", user(1), user(6)).into(), "many".into()),
        (format!("{}_{}", user(1), user(7)).into(), f64::NAN.into()),
    ] {
        let at = DateTime::now();
        let document = doc! { "_id": id, "users": users.to_vec(), "last_seq": seq, "last_at": at };
        write(&conversations, document).await;
    }
    write(&conversations, doc! { "_id": 8, "users": users.to_vec() }).await;
    let before = odd("conversations");
    let list = store.conversations(ann, None, 10).await.unwrap();
    assert_eq!(list.conversations.iter().map(|one| one.peer).collect::<Vec<_>>(), [bob]);
    assert!(odd("conversations") > before);
    let changes = store.changes_since(ann, ChangeQuery::all(HashMap::new(), ALL)).await.unwrap();
    assert_eq!((changes.messages.len(), changes.complete), (1, true));

    // A mark that is none is moved all the same.
    let id = doc! { "_id": Conversation::between(ann, bob).to_string() };
    let wrong = doc! { "$set": { "second_seen": "much", "second_seen_at": 5 } };
    let update = conversations.update_one(id, wrong).bypass_document_validation(true);
    update.await.unwrap();
    let new = NewMark { reader: bob, peer: ann, upto: None, at: Timestamp(77) };
    let marked = store.mark_seen(vec![new]).await.remove(0).unwrap();
    let mark = Mark { reader: bob, peer: ann, upto: 1, at: Timestamp(77) };
    assert_eq!((marked.mark, marked.moved), (mark, true));
}

/// What a crash can leave: a conversation that was promised more than there is, or has no
/// document of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_messages_decide() {
    let database = TestDatabase::new();
    let store = database.open(MongoLayout::PerPair, 5).await;
    let (ann, bob, cid) = (user(1), user(2), user(3));
    send(&store, message(ann, bob, "hi", "")).await.unwrap();
    let conversations = database.database().await.collection::<Document>("conversations");
    let more = doc! { "$set": { "last_seq": 9_i64 } };
    conversations.update_many(doc! {}, more).await.unwrap();
    let users = vec![ann.to_string(), cid.to_string()];
    let promised = doc! {
        "_id": Conversation::between(ann, cid).to_string(), "users": users,
        "last_seq": 1_i64, "last_at": DateTime::now(),
    };
    conversations.insert_one(promised).await.unwrap();

    let page = store.conversations(ann, None, 1).await.unwrap();
    assert_eq!(page.conversations.iter().map(|one| one.peer).collect::<Vec<_>>(), [bob]);
    assert_eq!(page.conversations[0].last_message.seq, 1);
    assert_eq!(page.next, None);
    let have = HashMap::from([(bob, 1)]);
    let changes = store.changes_since(ann, ChangeQuery::all(have.clone(), ALL)).await.unwrap();
    assert_eq!((changes.messages.len(), changes.complete), (0, true));
    let sent = send(&store, message(ann, cid, "first", "")).await.unwrap();
    assert_eq!(sent.message.seq, 1);

    conversations.delete_many(doc! {}).await.unwrap();
    let new = NewMark { reader: bob, peer: ann, upto: None, at: Timestamp(1) };
    assert!(store.mark_seen(vec![new]).await.remove(0).unwrap().moved);
    send(&store, message(ann, cid, "second", "")).await.unwrap();
    let list = store.conversations(ann, None, 10).await.unwrap().conversations;
    assert_eq!(list.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_is_an_operator() {
    let database = TestDatabase::new();
    let store: MongoStore = database.open(MongoLayout::Single, 5).await;
    let (ann, bob) = (user(1), user(2));
    let account = Account {
        id: ann,
        username: "ann".parse().unwrap(),
        display_name: Some("{\"$gt\":\"\"}".into()),
        password_hash: "hash".into(),
        created_at: Timestamp(0),
        standing: Standing::default(),
    };
    store.create_account(account.clone()).await.unwrap();
    for text in ["{\"$ne\": null}", "{ $gt: \"\" }", "$password_hash", "$$ROOT", "", ".", "a.b"] {
        assert_eq!(store.update_password(ann, text, "stolen").await, Ok(false), "{text}");
        let new = message(ann, bob, text, &format!("{text} "));
        let sent = send(&store, new.clone()).await.unwrap();
        assert_eq!(&*sent.message.content, text);
        assert!(!send(&store, new).await.unwrap().new);
    }
    assert_eq!(store.account_by_id(ann).await, Ok(Some(account)));
    assert_eq!(all(&store, ann, bob).await.len(), 7);
}
