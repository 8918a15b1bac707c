//! Reloads at bad times and by the wrong people, and those that never come to an end.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    support::{Daemon, Http, client::End, wait::DEADLINE},
    world::{configuration, daemon, entries, hang_up, logged, program, reload},
};

#[tokio::test]
async fn a_browser_may_not_reload() {
    let daemon = Daemon::start("");
    let url = format!("http://{}/reload", daemon.admin_address());
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    for origin in ["https://evil.example", "null", &format!("http://{}", daemon.admin_address())] {
        let mut answer = agent.post(&url).header("Origin", origin).send_empty().unwrap();
        assert_eq!(answer.status(), 403, "{origin}");
        let body: Value = answer.body_mut().read_json().unwrap();
        assert_eq!(body["code"], "origin_not_allowed");
    }
    assert_eq!(daemon.admin().get("/reload", None).0, 405);
    assert_eq!(daemon.http().post_json("/reload", &json!({})).0, 404, "not on the public one");
    assert_eq!(daemon.metric("confab_config_generation"), 1.0);
}

#[tokio::test]
async fn a_text_in_the_file_forges_no_line_of_the_log() {
    let daemon = Daemon::start("");
    daemon.configure("[server]\n\"a\\nERROR forged\\u001b[2J\" = 1\n");
    assert_eq!(reload(&daemon).0, 422);
    logged(&daemon, "not reloaded").await;
    let log = daemon.log();
    assert!(log.contains("confab.toml:2:1\""), "{log}");
    assert!(!log.contains('\u{1b}') && log.lines().all(|line| !line.starts_with("ERROR")), "{log}");
}

#[tokio::test]
async fn a_draining_daemon_reloads_nothing_and_ends_well() {
    let mut daemon = Daemon::start("[server]\ndrain_grace = \"30s\"\n");
    let mut mute = daemon.client("ann").await;
    daemon.signal("TERM");
    logged(&daemon, "draining").await;
    let (status, answer) = reload(&daemon);
    assert_eq!((status, &answer["code"]), (503, &json!("unavailable")));
    daemon.signal("HUP");
    logged(&daemon, "nothing is reloaded: the daemon is stopping by=\"SIGHUP\"").await;
    assert!(matches!(mute.end().await, End::Closed(1001, _)));
    assert!(daemon.ended().success());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_plugin_that_never_starts() {
    let mut daemon = daemon("one");
    let gate = daemon.folder().join("gate");
    let late = format!(
        "[[plugins]]\nuse = \"witness\"\nname = \"late\"\noptions = {{ gate = {gate:?} }}\n"
    );
    daemon.configure(&format!("{}{late}", configuration("two")));
    let admin = daemon.admin_address().to_owned();
    let call = thread::spawn(move || Http::new(&admin).post_json("/reload", &json!({})));
    logged(&daemon, "at the gate").await;
    let started = Instant::now();
    assert!(daemon.stop().success());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let (status, answer) = call.join().unwrap();
    assert_eq!((status, &answer["code"]), (503, &json!("unavailable")), "{answer}");
    let log = daemon.log();
    assert!(log.contains("the reload is given up"), "{log}");
    assert_eq!(log.matches("the witness stops").count(), 5, "three old ones, two new ones: {log}");
    assert!(!log.contains("panic"), "{log}");
}

#[tokio::test]
async fn a_plugin_that_takes_too_long_to_start_fails_the_reload() {
    let impatient = |more: &str| {
        format!("[server]\nreload_timeout = \"3s\"\n{}{more}", entries("one").concat())
    };
    let daemon = Daemon::start_program(&program(), &impatient(""));
    let gate = daemon.folder().join("gate");
    let late = format!(
        "[[plugins]]\nuse = \"witness\"\nname = \"late\"\noptions = {{ gate = {gate:?} }}\n"
    );
    daemon.configure(&impatient(&late));
    let (status, answer) = reload(&daemon);
    assert_eq!(status, 422);
    let message = "plugin entry \"late\" did not start: it took longer than 3s";
    assert_eq!(answer["errors"][0]["message"], message);
    fs::write(&gate, "").unwrap();
    let (status, answer) = reload(&daemon);
    assert_eq!((status, &answer["generation"]), (200, &json!(2)), "{answer}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_holds_up_nothing() {
    let impatient = "[server]\nreload_timeout = \"3s\"\n";
    let mut daemon = Daemon::start(impatient);
    let folder = daemon.folder().join("conf.d");
    fs::create_dir(&folder).unwrap();
    let pipe = folder.join("pipe.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (status, answer) = reload(&daemon);
    let told = answer["message"].as_str().unwrap();
    assert!(status == 503 && told.contains("longer than 3s"), "{answer}");
    let (status, answer) = reload(&daemon);
    assert!(status == 503 && answer["message"].as_str().unwrap().contains("still waits"));
    let mut ann = daemon.client("ann").await;
    ann.say("@ann", "the chat goes on").await;
    assert_eq!(ann.next().await["seq"], 1);

    // Somebody writes to it at last, so the first reload reads to its end; nobody wants it.
    fs::write(&pipe, "").unwrap();
    fs::remove_file(&pipe).unwrap();
    while !hang_up(&daemon).await {
        assert!(daemon.log().contains("still waits"), "{}", daemon.log());
    }
    assert_eq!(daemon.metric("confab_config_generation"), 2.0, "the old one was not put in force");

    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(reload(&daemon).0, 503);
    let started = Instant::now();
    assert!(daemon.stop().success(), "nor does it hold up the end");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_hangup_while_it_starts_is_a_reload_once_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let entry =
        format!("[[plugins]]\nuse = \"witness\"\noptions = {{ gate = {:?} }}\n", path("gate"));
    fs::write(path("confab.toml"), entry).unwrap();
    let mut child = Command::new(program())
        .env_clear()
        .env("CONFAB_CONFIG", path("confab.toml"))
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"])
        .arg(path("data"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(path("log")).unwrap())
        .spawn()
        .unwrap();
    let signal = |name: &str| {
        let sent = Command::new("kill").arg(name).arg(child.id().to_string()).status();
        assert!(sent.unwrap().success());
    };
    let wait_for = |text: &str| {
        let started = Instant::now();
        let log = || fs::read_to_string(path("log")).unwrap();
        while !log().contains(text) {
            assert!(started.elapsed() < DEADLINE, "{text} in\n{}", log());
            thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for("at the gate");
    signal("-HUP");
    fs::write(path("gate"), "").unwrap();
    wait_for("reloaded by=\"SIGHUP\" generation=2");
    signal("-TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn calls_at_the_same_time_are_all_answered() {
    let daemon = Daemon::start("");
    let answers: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..12).map(|_| scope.spawn(|| reload(&daemon))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let last = answers.iter().filter_map(|(_, answer)| answer["generation"].as_u64()).max();
    assert_eq!(daemon.metric("confab_config_generation"), last.unwrap() as f64);
    let reloads = daemon.metric("confab_config_reloads_total{result=\"success\"}");
    assert_eq!(last.unwrap() as f64, reloads + 1.0);
    assert!((1.0..=12.0).contains(&reloads), "those that wait may be one: {reloads}");
}
