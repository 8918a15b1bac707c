//! Adoption of a database that the seed's backend wrote.

use std::sync::Arc;

use confab::{
    auth::{Passwords, Verified},
    config::{Auth, MongoLayout, Secret},
    store::{Account, ChangedBy, Conversation, Message, NewMessage, Store, Timestamp},
};
use confab_plugin::ByteSize;
use futures_util::TryStreamExt;
use mongodb::{
    Database,
    bson::{Bson, DateTime, Document, doc, oid::ObjectId},
};

use super::{
    mongo::TestDatabase,
    operator::Operator,
    world::{all, append_one},
};

/// 2023-11-14T22:13:20Z.
const T: i64 = 1_700_000_000_000;

/// An ObjectId made at second `T` / 1000 + `second`, the `n`th.
fn oid(second: i64, n: u8) -> ObjectId {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&u32::try_from(T / 1000 + second).unwrap().to_be_bytes());
    bytes[11] = n;
    ObjectId::from_bytes(bytes)
}

fn date(millis: i64) -> DateTime {
    DateTime::from_millis(T + millis)
}

async fn passwords() -> (Passwords, String) {
    let auth = Auth { argon2_memory: ByteSize::mib(8), argon2_iterations: 1, ..Auth::default() };
    let passwords = Passwords::new(&auth).unwrap();
    let hash = passwords.hash(Secret::from("correct horse".to_owned())).await.unwrap();
    (passwords, hash)
}

/// A database as the seed's backend may have left it.
struct Old {
    space: TestDatabase,
    database: Database,
}

impl Old {
    async fn new(hash: &str) -> Self {
        let space = TestDatabase::new();
        let database = space.database().await;
        let old = Self { space, database };
        let bcrypt = "$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";
        old.insert(
            "users",
            vec![
                doc! { "_id": oid(0, 1), "username": "ann", "hashed_password": hash },
                doc! { "_id": oid(0, 2), "username": "Bob", "password": bcrypt,
                "created_at": "2023-01-01T00:00:00" },
                doc! { "_id": oid(0, 3), "username": "bOB", "password": hash },
                doc! { "_id": oid(0, 4), "username": "no good", "password": hash },
                doc! { "_id": oid(0, 5), "email": "x@example.org" },
                doc! { "_id": oid(0, 6), "username": { "$ne": 1 }, "password": 7 },
                doc! { "_id": "cid-1", "username": "cid", "password": "plain text" },
                doc! { "_id": "xx", "username": "xx1", "password": hash },
                doc! { "_id": "xx_yy", "username": "xy1", "password": hash },
                doc! { "_id": "zz", "username": "zz1", "password": hash },
                doc! { "_id": "yy_zz", "username": "yz1", "password": hash },
                doc! { "_id": 17, "username": "number", "password": hash },
            ],
        )
        .await;
        old
    }

    async fn insert(&self, collection: &str, documents: Vec<Document>) {
        self.database.collection::<Document>(collection).insert_many(documents).await.unwrap();
    }

    /// All that is in it.
    async fn dump(&self) -> Vec<(String, Vec<Document>)> {
        let mut names = self.database.list_collection_names().await.unwrap();
        names.sort();
        let mut all = Vec::new();
        for name in names {
            let collection = self.database.collection::<Document>(&name);
            let find = collection.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
            all.push((name, find.try_collect().await.unwrap()));
        }
        all
    }

    /// The messages of ann and Bob, by ids, in every form that is understood, and some odd ones.
    async fn fill(&self) -> String {
        let (ann, bob) = (oid(0, 1), oid(0, 2));
        let pair = format!("{ann}_{bob}");
        self.insert(
            &pair,
            vec![
                // In the order of time: 3rd, 1st, 2nd …
                doc! { "_id": oid(9, 1), "sender": ann.to_hex(), "receiver": bob.to_hex(),
                "content": "third", "timestamp": date(3000), "seen": true },
                doc! { "_id": oid(9, 2), "sender": ann, "receiver": bob, "content": "first",
                "timestamp": "2023-11-14T22:13:21", "seen": true },
                doc! { "_id": oid(9, 3), "from": "Bob", "to": "ann", "message": "second",
                "at": 1_700_000_002, "seen": false },
                // Of one time: by _id.
                doc! { "_id": oid(9, 5), "sender": "Bob", "text": "fifth {\"$ne\": null} 😀\n",
                "created_at": date(4000), "seen": true },
                doc! { "_id": oid(9, 4), "sender": "ann", "text": "fourth",
                "timestamp": 1_700_000_004.0 },
                // Without a time: that of its id.
                doc! { "_id": oid(9, 6), "sender": "ann", "receiver": "Bob", "content": "sixth" },
                // Odd ones.
                doc! { "_id": oid(9, 7), "sender": "ann", "content": 7, "timestamp": date(1) },
                doc! { "_id": oid(9, 8), "sender": "ann", "timestamp": date(1) },
                doc! { "_id": oid(9, 9), "sender": "nobody", "content": "x",
                "timestamp": date(1) },
                doc! { "_id": oid(9, 10), "sender": "ann", "receiver": "cid", "content": "x",
                "timestamp": date(1) },
                doc! { "_id": oid(9, 11), "content": "x", "timestamp": date(1) },
                doc! { "_id": "no time", "sender": "ann", "content": "x", "timestamp": "soon" },
                doc! { "_id": 5, "sender": [1], "content": "x", "timestamp": date(1) },
            ],
        )
        .await;
        // The same two once more, by names: one conversation.
        let late =
            doc! { "sender": "ann", "content": "seventh", "timestamp": date(60_000), "seen": true };
        self.insert("Bob_ann", vec![late]).await;
        // Two pairs whose names are the same when joined.
        let of = |from: &str, to: &str, text: &str, at: i64| {
            doc! { "sender": from, "receiver": to, "content": text, "timestamp": date(at) }
        };
        self.insert(
            "xx_yy_zz",
            vec![
                of("xx", "yy_zz", "a", 1),
                of("xx_yy", "zz", "b", 2),
                of("zz1", "xy1", "c", 3),
                of("yy_zz", "xx", "d", 4),
                doc! { "sender": "zz", "content": "e", "timestamp": date(5) },
            ],
        )
        .await;
        // Notes to oneself.
        self.insert("cid-1_cid-1", vec![of("cid", "cid", "note", 1)]).await;
        // With somebody who is left out, of nobody, and empty.
        self.insert("ann_no good", vec![of("ann", "no good", "lost", 1)]).await;
        self.insert("chat_settings", vec![doc! { "theme": "dark" }]).await;
        self.insert("sessions", vec![doc! { "token": "x" }]).await;
        self.database.create_collection("17_ann").await.unwrap();
        pair
    }
}

async fn account(store: &dyn Store, name: &str) -> Account {
    store.account_by_name(&name.parse().unwrap()).await.unwrap().unwrap()
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| &*message.content).collect()
}

async fn adopts(layout: MongoLayout) {
    let (passwords, hash) = passwords().await;
    let old = Old::new(&hash).await;
    let pair = old.fill().await;
    let before = old.dump().await;
    let operator = Operator::new(layout, 4);
    let arguments = ["--adopt", "--adopt-db", &old.space.name];

    let would = operator.migrate(&["--adopt", "--adopt-db", &old.space.name, "--dry-run"]);
    would.expect(0, &["would add 8 accounts and 13 messages in 4 conversations"]);
    let target = operator.target.database().await;
    assert_eq!(target.list_collection_names().await.unwrap(), Vec::<String>::new());

    let adopted = operator.migrate(&arguments);
    adopted.expect_equal(&[
        ("accounts", 8),
        ("conversations", 4),
        ("messages", 13),
        ("read marks", 2),
    ]);
    adopted.expect(
        0,
        &[
            "user \"bOB\": its username is that of \"Bob\" but for capitals",
            "user \"no good\": a username is 2 to 32 characters",
            "user \"6553f1000000000000000005\": it has no username",
            "user \"6553f1000000000000000006\": it has no username",
            "collection ann_no good: the user \"no good\" is skipped",
            "collection chat_settings: its name is not that of two users",
            "collection sessions: its name is not that of two users",
            &format!("collection {pair}: 2 messages without a text"),
            &format!("collection {pair}: 2 messages whose sender and recipient are not this pair"),
            &format!("collection {pair}: 1 message without a sender"),
            &format!("collection {pair}: 1 message without a time, the first: _id \"no time\""),
            &format!("collection {pair}: 1 message with an odd sender"),
            "need a new password (2):\n  cid bob\n",
        ],
    );
    assert_eq!(old.dump().await, before);

    let store = operator.open_target().await;
    let (ann, bob) = (account(&store, "ann").await, account(&store, "bob").await);
    assert_eq!((ann.display_name.as_deref(), bob.display_name.as_deref()), (None, Some("Bob")));
    assert_eq!(ann.created_at, Timestamp(T));
    assert_eq!(bob.created_at, Timestamp(1_672_531_200_000));
    let check = |password: &str, account: &Account| {
        passwords.verify(Secret::from(password.to_owned()), Some(account.password_hash.clone()))
    };
    assert_eq!(check("correct horse", &ann).await, Ok(Verified::Yes));
    assert_eq!(check("wrong horse", &ann).await, Ok(Verified::No));
    let cid = account(&store, "cid").await;
    for stored in [&bob, &cid] {
        for password in ["correct horse", "", "plain text", &*stored.password_hash] {
            assert_eq!(check(password, stored).await, Ok(Verified::No));
        }
    }

    let conversation = Conversation::between(ann.id, bob.id);
    let messages = all(&store, conversation).await;
    assert_eq!(
        texts(&messages),
        ["first", "second", "third", "fourth", "fifth {\"$ne\": null} 😀\n", "sixth", "seventh"]
    );
    let times: Vec<i64> = messages.iter().map(|message| message.at.0 - T).collect();
    assert_eq!(times, [1000, 2000, 3000, 4000, 4000, 9000, 60_000]);
    for (message, seq) in messages.iter().zip(1..) {
        assert_eq!((message.seq, &message.client_id), (seq, &None));
        let by_bob = [2, 5].contains(&seq);
        let (from, to) = if by_bob { (&bob, &ann) } else { (&ann, &bob) };
        assert_eq!((message.from, message.to), (from.id, to.id));
    }
    // What was seen: of Bob's messages the fifth, of ann's the seventh.
    let list = store.conversations(ann.id, None, 10).await.unwrap().conversations;
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].peer, list[0].seen, list[0].seen_by_peer), (bob.id, 5, 7));
    assert_eq!(list[0].unread, 0);

    let (xx, xy) = (account(&store, "xx1").await, account(&store, "xy1").await);
    let (zz, yz) = (account(&store, "zz1").await, account(&store, "yz1").await);
    let one = all(&store, Conversation::between(xx.id, yz.id)).await;
    assert_eq!(texts(&one), ["a", "d"]);
    let other = all(&store, Conversation::between(xy.id, zz.id)).await;
    assert_eq!(texts(&other), ["b", "c", "e"]);
    assert_eq!(texts(&all(&store, Conversation::between(cid.id, cid.id)).await), ["note"]);
    assert_eq!(account(&store, "number").await.created_at, Timestamp(0));

    // Once more: nothing to do, and the same is told.
    let again = operator.migrate(&arguments);
    again.expect(0, &["equal", "need a new password (2)"]);
    assert_eq!(again.row("messages"), ["13", "13", "0"]);
    assert_eq!(again.row("checksum"), adopted.row("checksum"));

    // What the old backend stored meanwhile is added; what was changed there is told.
    let late = doc! { "sender": "Bob", "content": "eighth", "timestamp": date(90_000) };
    old.insert("Bob_ann", vec![late]).await;
    let later = operator.migrate(&arguments);
    assert_eq!(later.row("messages"), ["14", "14", "1"]);
    later.expect(0, &["equal"]);
    let forged = doc! { "sender": "Bob", "content": "zeroth", "timestamp": date(0) };
    old.insert("Bob_ann", vec![forged]).await;
    let changed = operator.migrate(&arguments);
    changed.expect(
        1,
        &[&format!("conversation {conversation}, seq 1: differs in sender, text, time")],
    );
    assert_eq!(all(&store, conversation).await.len(), 8);

    let new = NewMessage {
        from: ann.id,
        to: bob.id,
        content: Arc::from("ninth"),
        client_id: None,
        at: Timestamp(T + 100_000),
        changed_by: ChangedBy::default(),
    };
    assert_eq!(append_one(&store, new).await.unwrap().message.seq, 9);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_seed_is_adopted_per_pair() {
    adopts(MongoLayout::PerPair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_seed_is_adopted_single() {
    adopts(MongoLayout::Single).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_keep_their_order() {
    let (_, hash) = passwords().await;
    let old = Old::new(&hash).await;
    let documents = (0..2345_i64).map(|n| {
        let id: Bson = if n % 2 == 0 { oid(n, 1).into() } else { (n).into() };
        let at = date((2345 - n) / 3 * 10);
        doc! { "_id": id, "sender": "ann", "receiver": "number", "content": n.to_string(),
        "timestamp": at, "seen": n > 1000 }
    });
    old.insert("ann_number", documents.collect()).await;
    let operator = Operator::new(MongoLayout::PerPair, 4);
    operator.migrate(&["--adopt", "--adopt-db", &old.space.name]).expect_equal(&[
        ("accounts", 8),
        ("messages", 2345),
        ("read marks", 1),
    ]);
    let store = operator.open_target().await;
    let (ann, number) = (account(&store, "ann").await, account(&store, "number").await);
    let messages = all(&store, Conversation::between(ann.id, number.id)).await;
    // By time; of one time numbers before ObjectIds, each ascending: the order of `_id`.
    let mut wanted: Vec<i64> = (0..2345).collect();
    wanted.sort_by_key(|n| ((2345 - n) / 3, n % 2 == 0, *n));
    let found: Vec<i64> = messages.iter().map(|one| one.content.parse().unwrap()).collect();
    assert_eq!(found, wanted);
    assert!(messages.is_sorted_by_key(|message| (message.at, message.seq)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_adopted_is_refused() {
    let operator = Operator::new(MongoLayout::PerPair, 4);
    let itself = operator.target.name.clone();
    let ended = operator.migrate(&["--adopt", "--adopt-db", &itself]);
    ended.expect(1, &["is both the old database and store.mongo.database"]);
    let empty = TestDatabase::new();
    let ended = operator.migrate(&["--adopt", "--adopt-db", &empty.name]);
    ended.expect(1, &["has no documents in a collection \"users\""]);
    operator.migrate(&["--adopt"]).expect(2, &["--adopt-db"]);
    operator.migrate(&["--adopt-db", "x"]).expect(2, &["--adopt"]);
    operator
        .migrate(&["--adopt", "--adopt-db", "x", "--from", "data"])
        .expect(2, &["cannot be used with"]);
    operator
        .migrate(&["--adopt", "--adopt-db", "a.b"])
        .expect(1, &["the old database's name must not have the character '.'"]);
    let uri = ["--adopt", "--adopt-db", "x", "--adopt-uri", "mongodb://u:hunter2@pass@h/"];
    let ended = operator.migrate(&uri);
    ended.expect(1, &["the old database's URI"]);
    assert!(!ended.stderr().contains("hunter2"), "{}", ended.stderr());
    let target = operator.target.database().await;
    assert_eq!(target.list_collection_names().await.unwrap(), Vec::<String>::new());
}
