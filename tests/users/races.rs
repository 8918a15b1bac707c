//! Sessions that open while the user's sessions are ended.

use serde_json::json;
use tokio::task::JoinSet;

use super::{
    support::{Client, client::End},
    world::nodes,
};

const ROUNDS: usize = 20;
const AT_THE_SAME_TIME: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_session_slips_through() {
    let nodes = nodes();
    nodes[0].http().register("ann");
    let (mut refused, mut ended) = (0, 0);
    for _ in 0..ROUNDS {
        let ann = nodes[0].http().login("ann");
        let mut opening = JoinSet::new();
        for number in 0..AT_THE_SAME_TIME {
            let (ann, node) = (ann.clone(), nodes[number % nodes.len()].address().to_owned());
            opening.spawn(async move {
                let url = format!("ws://{node}/ws/{}?token={}", ann.id, ann.token);
                match tokio_tungstenite::connect_async(url).await {
                    Ok((socket, _)) => Some(Client::of(ann, socket)),
                    Err(_) => None,
                }
            });
        }
        let (http, token) = (nodes[0].http(), ann.token.clone());
        let logged_out =
            tokio::task::spawn_blocking(move || http.post_as("/logout-all", &token, &json!({})).0);
        while let Some(session) = opening.join_next().await {
            match session.unwrap() {
                Some(mut session) => {
                    let end = session.end().await;
                    assert!(matches!(end, End::Closed(4403, _)), "{end:?}");
                    ended += 1;
                }
                None => refused += 1,
            }
        }
        assert_eq!(logged_out.await.unwrap(), 204);
    }
    println!("{ended} sessions were ended, {refused} refused");
    assert_eq!(ended + refused, ROUNDS * AT_THE_SAME_TIME);
}
