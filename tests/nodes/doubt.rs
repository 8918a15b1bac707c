//! A message that MongoDB has stored, and said that it had not: its sender is told `unavailable`,
//! and when they send it again, everybody gets it.

use mongodb::bson::doc;
use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::{
    mongo::TestDatabase,
    mongod::Mongod,
    redis_server,
    support::{Client, wait::until},
};

/// How many messages everybody was told of, and how many were known already, on the first node.
fn counted(cluster: &Cluster) -> [f64; 2] {
    ["accepted", "duplicate"]
        .map(|what| cluster.one.metric(&format!("confab_messages_{what}_total")))
}

async fn sent(client: &mut Client, message: &Value) -> Value {
    client.send(message.clone()).await;
    client.next().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_in_doubt_is_delivered_when_it_is_sent_again() {
    is_delivered_when_it_is_sent_again("").await;
}

/// A chain that may refuse looks a message up before it asks its hooks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_behind_a_chain_that_judges() {
    is_delivered_when_it_is_sent_again("[[plugins]]\nuse = \"spam\"\n").await;
}

async fn is_delivered_when_it_is_sent_again(chain: &str) {
    let mongod = Mongod::standalone(&["--setParameter", "enableTestCommands=1"]).await;
    let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    std::fs::write(file.path(), chain).unwrap();
    let more = [("CONFAB_CONFIG", file.path().to_str().unwrap())];
    let database = TestDatabase::on(mongod.uri());
    let cluster = Cluster::with(database, &redis_server::shared_url(), &more);
    cluster.ready().await;
    let (mut ann, mut bob) = (cluster.one.client("ann").await, cluster.two.client("bob").await);
    let mut device = Client::connect(cluster.two.address(), &ann.account).await;
    let message = |id: &str| json!({"event":"message","to":"@bob","content":id,"id":id});
    let first = sent(&mut ann, &message("first")).await;
    assert_eq!((&bob.next().await, &device.next().await), (&first, &first));

    // The write is done, and its acknowledgement fails.
    let mut pair = [ann.id(), bob.id()];
    pair.sort_unstable();
    let collection = format!("{}.{}", cluster.database.name, pair.join("_"));
    let trouble = doc! { "code": 64, "errmsg": "waiting for replication timed out" };
    let insert = doc! {
        "failCommands": ["insert"], "namespace": collection, "writeConcernError": trouble,
    };
    let fail = doc! { "configureFailPoint": "failCommand", "mode": { "times": 2 }, "data": insert };
    mongod.admin(fail).await;
    for id in ["second", "third"] {
        let answer = sent(&mut ann, &message(id)).await;
        assert_eq!((&answer["code"], &answer["id"]), (&json!("unavailable"), &json!(id)));
    }
    let path = format!("/conversations/{}/messages", bob.id());
    let history = cluster.one.http().get_json(&path, &ann.account.token);
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(3), "all are stored: {history}");
    assert!(bob.is_quiet().await && device.is_quiet().await, "nobody was told");
    assert_eq!(counted(&cluster), [1.0, 0.0]);

    let third = sent(&mut ann, &message("third")).await;
    assert_eq!((&third["seq"], &third["content"]), (&json!(3), &json!("third")));
    // The hole before it is filled from the store, for her own session as well.
    let second = ann.next().await;
    assert_eq!((&second["seq"], &second["content"]), (&json!(2), &json!("second")));
    for got in [&mut bob, &mut device] {
        assert_eq!((&got.next().await, &got.next().await), (&second, &third));
    }
    assert_eq!(sent(&mut ann, &message("second")).await, second);
    assert_eq!(sent(&mut ann, &message("third")).await, third);
    let after = sent(&mut ann, &message("after")).await;
    assert_eq!((&bob.next().await, &device.next().await), (&after, &after), "and no copy");
    until("the messages are counted", async || (counted(&cluster) == [4.0, 1.0]).then_some(()))
        .await;
}
