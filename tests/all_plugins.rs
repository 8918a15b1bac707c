//! All plugins in one chain of a real daemon: each does its part, and no more than its part.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    Client, Daemon,
    endpoint::{Endpoint, Mood},
    wait::until,
};

/// Messages that one user may send.
const BURST: usize = 14;
/// Messages that ann sends before she comes up against that, besides retries.
const SENT: usize = 9;
/// The bot's cooldown.
const COOLDOWN: Duration = Duration::from_millis(100);

fn all(moderation: &Endpoint, tell: &Endpoint) -> String {
    let (moderation, tell) = (moderation.url(), tell.url());
    format!(
        r#"
[[plugins]]
use = "metrics"

[[plugins]]
use = "ratelimit"
options = {{ rules = [
    {{ per = "user", kinds = ["message"], events = 1, every = "1h", burst = {BURST} }},
    {{ per = "address", kinds = ["register"], events = 1, every = "1h", burst = 2 }} ] }}

[[plugins]]
use = "redact"
on = ["message", "register"]

[[plugins]]
use = "filter"
name = "words"
options = {{ deny = ["forbidden"], mask_words = ["darn"] }}

[[plugins]]
use = "spam"

[[plugins]]
use = "webhook"
name = "moderation"
timeout = "10s"
options = {{ mode = "moderate", url = "{moderation}" }}

[[plugins]]
use = "webhook"
name = "tell"
options = {{ mode = "notify", url = "{tell}", outcomes = ["accepted", "denied"] }}

[[plugins]]
use = "autoreply"
options = {{ bot = "helper", cooldown = "100ms", rules = [
    {{ words = ["open"], reply = "Darn, {{user}}: mail us@example.com" }},
    {{ words = ["closed"], reply = "That is forbidden." }} ] }}

[[plugins]]
use = "audit"
options = {{ content = true, max_size = "4KiB" }}

[[plugins]]
use = "log"
options = {{ content = true, routine = "info" }}
"#
    )
}

/// Sends a message and says what came back.
async fn say(client: &mut Client, to: &str, content: &str, id: &str) -> Value {
    client.send(json!({"event":"message","to":to,"content":content,"id":id})).await;
    let answer = client.next().await;
    assert_eq!(answer["id"], id, "{answer}");
    answer
}

/// The lines of the audit log, which `confab audit verify` finds whole.
fn audited(daemon: &Daemon) -> Vec<Value> {
    let entries = std::fs::read_dir(daemon.folder().join("audit")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ext| ext == "jsonl")).collect();
    files.sort();
    let output = support::daemon::confab().args(["audit", "verify"]).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    let text: String = texts.collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What was said of the message with this id: the decision, and by whom.
fn decisions<'v>(about: &[&'v Value], id: &str) -> Vec<(&'v Value, &'v Value)> {
    let of_id = about.iter().filter(|one| one["id"] == id || one["message"]["client_id"] == id);
    of_id
        .map(|one| {
            let outcome = one.get("outcome").unwrap_or(one);
            (&outcome["decision"], &outcome["by"])
        })
        .collect()
}

#[tokio::test]
async fn each_plugin_does_its_part() {
    let (moderation, tell) = (Endpoint::start(Mood::Well).await, Endpoint::start(Mood::Well).await);
    let mut daemon = Daemon::start(&all(&moderation, &tell));
    until("the bot is ready", async || daemon.log().contains("a bot is ready").then_some(())).await;
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);

    // The limiter refuses what comes too often, also over HTTP.
    let body = json!({"username": "carol", "password": "long enough"}).to_string();
    let (status, headers, answer) = daemon.http().post("/register", "application/json", body);
    assert_eq!((status, &answer["code"]), (429, &json!("rate_limited")));
    assert_eq!(answer["plugin"], "ratelimit");
    let wait: u64 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3000..=3600).contains(&wait), "{wait}");

    // What is masked, nobody sees: neither the recipient nor the service.
    let card = "card 4111 1111 1111 1111, darn";
    let masked = "card •••• 1111, ****";
    let echo = say(&mut ann, "@bob", card, "card").await;
    assert_eq!((&echo["content"], &echo["seq"]), (&json!(masked), &json!(1)), "{echo}");
    assert_eq!(echo["changed_by"], json!(["redact", "words"]));
    assert_eq!(bob.next().await["content"], masked);
    let asked: Value = serde_json::from_str(&moderation.bodies()[0]).unwrap();
    assert_eq!(asked["message"]["content"], masked);

    // A retry is answered as before, and nothing else happens; nobody is asked about it.
    let again = say(&mut ann, "@bob", card, "card").await;
    assert_eq!((&again["content"], &again["seq"]), (&json!(masked), &json!(1)));
    assert!(bob.is_quiet().await);
    assert_eq!(moderation.asked(), 1);

    // What one refuses, those after it are not asked about.
    let asked = moderation.asked();
    let refused = say(&mut ann, "@bob", "forbidden", "filter").await;
    assert_eq!((&refused["code"], &refused["plugin"]), (&json!("content_denied"), &json!("words")));
    for n in 0..3 {
        let id = format!("watches{n}");
        assert_eq!(say(&mut ann, "@bob", "Buy watches now!", &id).await["event"], "message");
        bob.next().await;
    }
    let refused = say(&mut ann, "@bob", "BUY watches, now", "spam").await;
    assert_eq!((&refused["code"], &refused["plugin"]), (&json!("spam"), &json!("spam")));
    assert_eq!(moderation.asked(), asked + 3);
    let refused = say(&mut ann, "@bob", "refuse me: ann@example.com", "service").await;
    assert_eq!((&refused["code"], &refused["plugin"]), (&json!("not_nice"), &json!("moderation")));

    // The bot's answers pass the chain: what they hold is masked, or they are refused.
    assert_eq!(say(&mut ann, "@helper", "are you closed?", "closed").await["seq"], 1);
    let failed = "confab_plugin_jobs_total{plugin=\"autoreply\",result=\"failed\"}";
    until("its answer is refused", async || (daemon.metric(failed) == 1.0).then_some(())).await;
    tokio::time::sleep(COOLDOWN).await;
    assert_eq!(say(&mut ann, "@helper", "do you open?", "open").await["seq"], 2);
    let reply = ann.next().await;
    assert_eq!(reply["content"], "****, ann: mail ••••");
    assert_eq!((&reply["changed_by"], &reply["seq"]), (&json!(["redact", "words"]), &json!(3)));
    tokio::time::sleep(COOLDOWN).await;
    assert_eq!(say(&mut ann, "@helper", "do you open?", "open").await["seq"], 2);
    let sent = "confab_autoreply_replies_total{plugin=\"autoreply\",result=\"sent\"}";
    assert_eq!(daemon.metric(sent), 2.0, "a retry is not answered again");

    // The limiter comes first: so many messages, whatever became of them.
    let asked = moderation.asked();
    for n in SENT..BURST {
        assert_eq!(say(&mut ann, "@bob", "bye", &format!("more{n}")).await["event"], "message");
    }
    let limited = say(&mut ann, "@bob", "bye", "limited").await;
    assert_eq!(
        (&limited["code"], &limited["plugin"]),
        (&json!("rate_limited"), &json!("ratelimit"))
    );
    assert!(limited["retry_after"].as_u64().is_some_and(|wait| (3000..=3600).contains(&wait)));
    assert_eq!(moderation.asked(), asked + BURST - SENT);

    // What was told and what was written down agree, and each line is counted.
    for entry in ["tell", "audit"] {
        let held = format!("confab_plugin_jobs_held{{plugin=\"{entry}\"}}");
        until("nothing waits", async || (daemon.metric(&held) == 0.0).then_some(())).await;
    }
    let lines = audited(&daemon);
    assert_eq!(daemon.metric("confab_audit_lines_total{plugin=\"audit\"}"), lines.len() as f64);
    assert!(daemon.stop().success());

    let lines = audited(&daemon);
    let lines: Vec<_> = lines.iter().collect();
    let told: Vec<Value> =
        tell.bodies().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let told: Vec<_> = told.iter().collect();
    for (id, by) in
        [("filter", "words"), ("spam", "spam"), ("service", "moderation"), ("limited", "ratelimit")]
    {
        let denied = [(&json!("denied"), &json!(by))];
        assert_eq!(decisions(&lines, id), denied, "{id}");
        assert_eq!(decisions(&told, id), denied, "{id}");
    }
    let accepted = (&json!("accepted"), &Value::Null);
    assert_eq!(decisions(&told, "card"), [accepted], "a retry is not told of");
    assert_eq!(decisions(&lines, "card"), [accepted, accepted], "a retry is written down, as one");
    let card: Vec<_> = lines.iter().filter(|line| line["id"] == "card").collect();
    assert_eq!((&card[0]["duplicate"], &card[1]["duplicate"]), (&Value::Null, &json!(true)));
    assert_eq!(card[0]["content"], masked);
    assert_eq!(card[0]["changed_by"], json!(["redact", "words"]));
    let bots: Vec<_> = lines.iter().filter(|line| line["sent_by"] == "autoreply").collect();
    assert_eq!(bots.len(), 2);
    assert_eq!((&bots[0]["decision"], &bots[0]["by"]), (&json!("denied"), &json!("words")));

    // What was masked is nowhere.
    let everywhere = [daemon.log(), moderation.bodies().concat(), tell.bodies().concat()].concat();
    for secret in ["4111 1111 1111", "ann@example.com", "us@example.com"] {
        assert!(!everywhere.contains(secret), "{secret}");
        assert!(lines.iter().all(|line| !line.to_string().contains(secret)), "{secret}");
    }
}
