//! 200 reloads under load, half of them broken on purpose.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;

use crate::{
    support::{Client, Daemon, wait::until},
    world::{configuration, daemon, hang_up, reload},
};

const RELOADS: u64 = 200;
const PAIRS: usize = 3;

/// The way in which a reload of this number is broken.
fn way(number: u64) -> u64 {
    number / 2 % 9
}

/// The way in which a plugin does not start, once others have.
const START: u64 = 4;

/// A configuration that is broken, and where the log must say so: each on a line of its own.
/// Without a text the file is missing.
fn broken(number: u64) -> (Option<String>, String) {
    let good = configuration(&format!("broken-{number}"));
    let lines = good.lines().count() as u64;
    let padding = "\n".repeat(usize::try_from(number).unwrap());
    let line = lines + number + 1;
    let at = |more: u64, column: u64| format!("confab.toml:{}:{column}\"", line + more);
    let (more, place) = match way(number) {
        0 => ("page == 5\n", at(0, 7)),
        1 => ("[server]\nlisten_to = \"x\"\n", at(1, 1)),
        2 => ("[[plugins]]\nuse = \"filter\"\noptions = { deny = [\"(\"] }\n", at(2, 21)),
        3 => ("[[plugins]]\nuse = \"witnes\"\n", at(1, 7)),
        START => (
            "[[plugins]]\nuse = \"witness\"\nname = \"b\"\noptions = { broken = true }\n",
            at(1, 7),
        ),
        5 => ("[server]\ndrain_grace = \"2h\"\n", at(1, 15)),
        6 => ("[[plugins]]\nuse = \"witness\"\nname = \"first\"\n", at(2, 8)),
        7 => ("[log]\nlevel = \"lewd\"\n", at(1, 9)),
        // A file that is not there has no line; the variable named it.
        _ => return (None, "variable CONFAB_CONFIG\"".to_owned()),
    };
    (Some(format!("{good}{padding}{more}")), place)
}

/// Sends messages and typing frames, one after the other, and collects what the echoes say:
/// the chain's mark and generation, and the number that the steady witness gave.
async fn chatter(mut client: Client, peer: String, done: Arc<AtomicBool>) -> Vec<(String, u64)> {
    let mut told = Vec::new();
    for n in 0.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        client.feed(json!({"event":"typing","to":peer,"on": n % 2 == 0})).await;
        let id = format!("m{n}");
        client.send(json!({"event":"message","to":peer,"content":"hi","id":id})).await;
        let echo = loop {
            let frame = client.next().await;
            assert_ne!(frame["event"], "error", "{frame}");
            if frame["event"] == "message" && frame["from"] == client.id() {
                break frame;
            }
        };
        assert_eq!(echo["id"], id, "answered in order: {echo}");
        let content = echo["content"].as_str().unwrap().to_owned();
        let [_, first, steady, last] = content.split('|').collect::<Vec<_>>()[..] else {
            panic!("{content}")
        };
        assert_eq!(first, last, "one chain");
        told.push((first.to_owned(), steady.parse().unwrap()));
    }
    // The session has lived through all of it.
    client.close().await;
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_lose_nothing_and_broken_ones_change_nothing() {
    let mut daemon = daemon("m1");
    let done = Arc::new(AtomicBool::new(false));
    let mut sessions = Vec::new();
    for pair in 0..PAIRS {
        let (a, b) = (format!("ann{pair}"), format!("bob{pair}"));
        for (name, peer) in [(&a, &b), (&b, &a)] {
            let client = daemon.client(name).await;
            sessions.push((client, format!("@{peer}")));
        }
    }
    let sessions: Vec<_> = sessions
        .into_iter()
        .map(|(client, peer)| tokio::spawn(chatter(client, peer, Arc::clone(&done))))
        .collect();

    let (mut generation, mut hash) = (1, None);
    let mut marks = vec!["m1 of 1".to_owned()];
    let mut places = Vec::new();
    for number in 2..=RELOADS + 1 {
        let by_signal = number / 2 % 2 == 0;
        if number % 2 == 0 {
            generation += 1;
            daemon.configure(&configuration(&format!("m{number}")));
            marks.push(format!("m{number} of {generation}"));
            if by_signal {
                assert!(hang_up(&daemon).await, "{}", daemon.log());
            } else {
                let (status, answer) = reload(&daemon);
                assert_eq!((status, &answer["generation"]), (200, &json!(generation)), "{answer}");
                assert_ne!(hash.replace(answer["config"].clone()), Some(answer["config"].clone()));
                assert_eq!(answer["needs_restart"], json!([]));
            }
        } else {
            let (text, place) = broken(number);
            match text {
                Some(text) => daemon.configure(&text),
                None => fs::remove_file(daemon.folder().join("confab.toml")).unwrap(),
            }
            if by_signal {
                assert!(!hang_up(&daemon).await, "{number}");
            } else {
                let (status, answer) = reload(&daemon);
                assert_eq!((status, &answer["code"]), (422, &json!("invalid_config")), "{answer}");
                let told = answer["errors"][0]["place"].as_str().unwrap();
                assert!(format!("{told}\"").ends_with(&place), "{place}: {answer}");
            }
            assert_eq!(daemon.metric("confab_config_last_reload_successful"), 0.0);
            places.push(place);
        }
        assert_eq!(daemon.metric("confab_config_generation"), generation as f64);
    }
    done.store(true, Ordering::Relaxed);
    let mut told = Vec::new();
    for session in sessions {
        told.extend(session.await.expect("no session was lost"));
    }
    every_event_saw_one_chain(&daemon, &told, &marks);
    every_failure_is_logged(&daemon, &places).await;
    nothing_piles_up(&daemon, generation).await;
    assert!(daemon.stop().success());
}

fn every_event_saw_one_chain(daemon: &Daemon, told: &[(String, u64)], marks: &[String]) {
    let metrics = daemon.metrics();
    let broken: Vec<_> = metrics.lines().filter(|line| line.starts_with("witness_bro")).collect();
    assert!(broken.is_empty(), "{broken:?}");
    for (mark, _) in told {
        assert!(marks.contains(mark), "\"{mark}\" is no chain that was ever in force");
    }
    let mut seen: Vec<_> = told.iter().map(|(mark, _)| mark).collect();
    seen.sort();
    seen.dedup();
    assert!(seen.len() > marks.len() / 4, "{} of {} were seen", seen.len(), marks.len());
    // One instance of the steady witness counted them all.
    let mut numbers: Vec<_> = told.iter().map(|(_, number)| *number).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..told.len() as u64), "{numbers:?}");
    for kind in ["message", "typing"] {
        let events = daemon.metric(&format!("witness_events_total{{kind=\"{kind}\"}}"));
        assert_eq!(events, told.len() as f64, "{kind}");
    }
    println!("{} messages, {} chains seen", told.len(), seen.len());
}

async fn every_failure_is_logged(daemon: &Daemon, places: &[String]) {
    let log = until("every failure is logged", async || {
        let log = daemon.log();
        (log.matches("not reloaded").count() == places.len()).then_some(log)
    });
    let log = log.await;
    for place in places {
        assert!(log.contains(place), "{place} in\n{log}");
    }
}

/// Old chains and their plugins are gone: what lives is the chain in force.
async fn nothing_piles_up(daemon: &Daemon, generation: u64) {
    until("old plugins are gone", async || {
        (daemon.metric("witness_instances") == 3.0).then_some(())
    })
    .await;
    let (starts, stops) =
        (daemon.metric("witness_starts_total"), daemon.metric("witness_stops_total"));
    // The marked ones of each generation, and of each reload where a third one did not start.
    let started = (3..=RELOADS + 1).filter(|n| n % 2 == 1 && way(*n) == START).count();
    assert!(started > 0);
    assert_eq!(stops, 2.0 * (generation - 1) as f64 + 2.0 * started as f64);
    assert_eq!(starts - stops, 3.0);
    assert_eq!(daemon.metric("witness_events_under_way"), 0.0);
}
