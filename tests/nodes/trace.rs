//! What is logged of one event on two nodes is found by its trace id.

use crate::{
    cluster::Cluster,
    mongo::TestDatabase,
    redis_server,
    support::{Client, wait::until},
};

/// The trace ids of the lines of a log that say this.
fn traces(log: &str, what: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains(what));
    let traces = lines.filter_map(|line| line.split("trace=").nth(1)?.split(' ').next());
    traces.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_has_one_trace_on_every_node() {
    let redis = redis_server::shared_url();
    let verbose = [("CONFAB_LOG__LEVEL", "info,confab=debug")];
    let cluster = Cluster::with(TestDatabase::new(), &redis, &verbose);
    cluster.ready().await;
    let (ann, bob) = (cluster.one.http().register("ann"), cluster.two.http().register("bob"));
    let mut sender = Client::connect(cluster.one.address(), &ann).await;
    let mut reader = Client::connect(cluster.two.address(), &bob).await;
    let told = until("they hear each other", async || {
        sender.say(&bob.id, "hello").await;
        sender.next_event("message").await;
        let mut told = traces(&cluster.two.log(), "delivered");
        // A message that was fetched from the store belongs to no event.
        told.retain(|trace| trace.bytes().any(|digit| digit != b'0'));
        (!told.is_empty()).then_some(told)
    })
    .await;
    reader.next_event("message").await;
    assert!(told.iter().all(|trace| trace.len() == 32), "{told:?}");
    until("the sender's node has told of the same", async || {
        let here = traces(&cluster.one.log(), "event=message");
        told.iter().all(|trace| here.contains(trace)).then_some(())
    })
    .await;
}
