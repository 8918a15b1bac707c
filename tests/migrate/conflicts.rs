//! What a migration refuses, and what it finds in its way: told, and left as it is.

use confab::config::MongoLayout;
use mongodb::bson::{Bson, Document, doc};

use super::{
    operator::Operator,
    world::{World, embedded},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_daemon_is_in_the_way() {
    let operator = Operator::new(MongoLayout::PerPair, 8);
    let running = embedded(&operator.data());
    operator.migrate(&[]).expect(1, &["a confab is running on", "stop it first"]);
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_store_stays_so() {
    let operator = Operator::new(MongoLayout::PerPair, 8);
    operator.migrate(&[]).expect(1, &["there is no embedded store in data"]);
    operator.migrate(&["--from", "elsewhere"]).expect(1, &["no embedded store in elsewhere"]);
    assert!(!operator.data().exists());
    assert!(!operator.folder.path().join("elsewhere").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_must_be_named_and_be_there() {
    let operator = Operator::new(MongoLayout::PerPair, 8);
    World::fill(&operator.data(), 1, 3).await;
    let file = operator.folder.path().join("confab.toml");
    std::fs::write(&file, "[store]\npath = \"data\"\n").unwrap();
    operator.migrate(&[]).expect(78, &["store.mongo.uri is not set", "MONGO_URI"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!(
        "[store]\npath = \"data\"\n[store.mongo]\nuri = \"mongodb://u:hunter2@127.0.0.1:{port}\"\n\
         server_selection_timeout = \"300ms\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let ended = operator.migrate(&[]);
    ended.expect(1, &["error: ", "the same command goes on from here"]);
    assert!(!ended.stderr().contains("hunter2"), "{}", ended.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_layout_is_not_mixed_in() {
    let operator = Operator::new(MongoLayout::PerPair, 8);
    let world = World::fill(&operator.data(), 3, 30).await;
    operator.migrate(&[]).expect_equal(&world.rows());
    operator.configure(MongoLayout::Single, 8);
    operator.migrate(&[]).expect(78, &["in the layout \"per_pair\"", "store.mongo.layout"]);

    let operator = Operator::new(MongoLayout::Single, 8);
    let world = World::fill(&operator.data(), 3, 30).await;
    operator.migrate(&[]).expect_equal(&world.rows());
    operator.configure(MongoLayout::PerPair, 8);
    operator.migrate(&[]).expect(78, &["in the layout \"single\""]);
}

/// Where a message is in a layout: collection and `_id`.
fn place(world: &World, operator: &Operator, conversation: usize, seq: i64) -> (String, Bson) {
    let name = world.conversations[conversation].to_string();
    match operator.layout {
        MongoLayout::PerPair => (name, seq.into()),
        MongoLayout::Single => ("messages".into(), doc! { "c": name, "s": seq }.into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_told_and_left() {
    for layout in [MongoLayout::PerPair, MongoLayout::Single] {
        let operator = Operator::new(layout, 8);
        let world = World::fill(&operator.data(), 6, 600).await;
        operator.migrate(&[]).expect_equal(&world.rows());
        let database = operator.target.database().await;
        let messages = |place: &str| database.collection::<Document>(place);

        // Another text; another one's name; changed by another entry; a message too many; a mark further on.
        let (name, id) = place(&world, &operator, 0, 7);
        let text = doc! { "$set": { "content": "forged" } };
        messages(&name).update_one(doc! { "_id": id.clone() }, text).await.unwrap();
        let accounts = database.collection::<Document>("accounts");
        let ann = world.accounts[3].id.to_string();
        let hash = doc! { "$set": { "password_hash": "another" } };
        accounts.update_one(doc! { "_id": &ann }, hash).await.unwrap();
        let bob = world.accounts[4].id.to_string();
        let mut taken = accounts.find_one(doc! { "_id": &bob }).await.unwrap().unwrap();
        accounts.delete_one(doc! { "_id": &bob }).await.unwrap();
        taken.insert("_id", "0198zzzzzzzzzzzzzzzzzzzzzz");
        accounts.insert_one(taken).await.unwrap();
        let (other, last) = place(&world, &operator, 3, 50);
        let mut extra = messages(&other).find_one(doc! { "_id": last }).await.unwrap().unwrap();
        extra.remove("id");
        extra.insert("_id", place(&world, &operator, 3, 51).1);
        messages(&other).insert_one(extra).await.unwrap();
        let third = world.conversations[2].to_string();
        let seen = doc! { "$set": { "first_seen": 40_i64 } };
        let conversations = database.collection::<Document>("conversations");
        conversations.update_one(doc! { "_id": &third }, seen).await.unwrap();

        let (marked, id_of_marked) = place(&world, &operator, 4, 3);
        let changed_by = doc! { "$set": { "changed_by": ["another"] } };
        messages(&marked).update_one(doc! { "_id": id_of_marked }, changed_by).await.unwrap();

        let ended = operator.migrate(&[]);
        let (zero, one) = (world.conversations[0], world.conversations[3]);
        ended.expect(
            1,
            &[
                "NOT equal",
                &format!("account {}: differs in password", world.accounts[3].username),
                &format!("account {}: its username belongs to", world.accounts[4].username),
                &format!("conversation {zero}, seq 7: differs in text"),
                &format!("conversation {one}, seq 51: only in the target"),
                &format!(
                    "conversation {}, seq 3: differs in what changed it",
                    world.conversations[4]
                ),
                &format!("conversation {third}, what {}", world.conversations[2].first()),
                "up to 40 in the target",
            ],
        );
        assert_ne!(ended.row("checksum")[0], ended.row("checksum")[1]);
        let left = messages(&name).find_one(doc! { "_id": id }).await.unwrap().unwrap();
        assert_eq!(left.get_str("content").unwrap(), "forged");
        let left = accounts.find_one(doc! { "_id": &ann }).await.unwrap().unwrap();
        assert_eq!(left.get_str("password_hash").unwrap(), "another");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_began_otherwise_is_not_gone_on_with() {
    for layout in [MongoLayout::PerPair, MongoLayout::Single] {
        let operator = Operator::new(layout, 8);
        let world = World::fill(&operator.data(), 2, 100).await;
        operator.migrate(&[]).expect_equal(&world.rows());
        let database = operator.target.database().await;
        let (name, id) = place(&world, &operator, 0, 4);
        let (_, end) = place(&world, &operator, 0, 1000);
        let messages = database.collection::<Document>(&name);
        let tail = doc! { "_id": { "$gt": id.clone(), "$lt": end } };
        assert_eq!(messages.delete_many(tail.clone()).await.unwrap().deleted_count, 21);

        // A beginning that is the same is gone on with.
        let ended = operator.migrate(&[]);
        ended.expect_equal(&world.rows());
        assert_eq!(ended.row("messages")[2], "21");

        messages.delete_many(tail.clone()).await.unwrap();
        let text = doc! { "$set": { "content": "forged" } };
        messages.update_one(doc! { "_id": id }, text).await.unwrap();
        let where_to = format!("conversation {}, seq 4: differs in text", world.conversations[0]);
        operator.migrate(&[]).expect(1, &[&where_to, "in the way", "NOT equal"]);
        assert_eq!(messages.count_documents(tail).await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_nobody_can_read_are_noticed() {
    for layout in [MongoLayout::PerPair, MongoLayout::Single] {
        let operator = Operator::new(layout, 8);
        let world = World::fill(&operator.data(), 3, 30).await;
        operator.migrate(&[]).expect_equal(&world.rows());
        let database = operator.target.database().await;
        let (name, id) = place(&world, &operator, 0, 900);
        let odd = doc! { "_id": id, "content": "without a sender" };
        let messages = database.collection::<Document>(&name);
        messages.insert_one(odd).bypass_document_validation(true).await.unwrap();
        let ended = operator.migrate(&[]);
        ended.expect(1, &["NOT equal", "the target has 31 documents, of which 30 belong"]);
    }
}
