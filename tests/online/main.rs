//! `confab check --online` as an operator meets it: the real program against real servers that
//! are good, wrong, locked, frozen or not there. What it says, how it ends, how long it takes, and
//! that it changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod embedded;
mod mongo;
mod redis;

#[path = "../support/mongo.rs"]
mod database;
#[path = "../support/mongod.rs"]
mod mongod;
#[path = "../support/nowhere.rs"]
mod nowhere;
#[allow(dead_code)]
#[path = "../support/redis_server.rs"]
mod redis_server;
#[allow(dead_code)]
#[path = "../support/wait.rs"]
mod wait;

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

/// No server is waited for longer than this, in the checks of these tests.
const LIMIT: &str = "2s";

/// All limits of one check one after the other, and a slow machine.
const LONGEST: Duration = Duration::from_secs(25);

/// Every password in these tests has it; no output may.
const PASSWORD: &str = "hunter2";

const KEY: &str = "Zk3vQ8#mW1!pL6$xR9@tN4%bJ7^cH2&dF5";

/// What one check said.
struct Check {
    output: Output,
    text: String,
}

impl Check {
    /// Runs a check with these variables alone.
    fn run(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_confab"))
            .args(["check", "--online"])
            .env_clear()
            .env("SECRET_KEY", KEY)
            .env("CONFAB_STORE__MONGO__CONNECT_TIMEOUT", LIMIT)
            .env("CONFAB_STORE__MONGO__SERVER_SELECTION_TIMEOUT", LIMIT)
            .env("CONFAB_STORE__MONGO__OPERATION_TIMEOUT", LIMIT)
            .env("CONFAB_BUS__REDIS__CONNECT_TIMEOUT", LIMIT)
            .env("CONFAB_BUS__REDIS__RESPONSE_TIMEOUT", LIMIT)
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let took = started.elapsed();
        let mut text = String::from_utf8(output.stdout.clone()).unwrap();
        text += std::str::from_utf8(&output.stderr).unwrap();
        assert!(took < LONGEST, "it took {took:?}:\n{text}");
        assert!(!text.contains(PASSWORD), "a password is shown:\n{text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it left something");
        Self { output, text }
    }

    /// A check that finds all usable.
    #[track_caller]
    fn good(self) -> Self {
        assert_eq!(self.output.status.code(), Some(0), "{}", self.text);
        assert!(!self.text.contains("FAIL"), "{}", self.text);
        self
    }

    /// A check that finds something that is not, and names it.
    #[track_caller]
    fn bad(self) -> Self {
        assert_eq!(self.output.status.code(), Some(1), "{}", self.text);
        assert!(self.text.contains("\nnot usable: "), "{}", self.text);
        self
    }

    /// It said this of that: `FAIL sign-in`, and a part of the line.
    #[track_caller]
    fn says(self, level: &str, what: &str, part: &str) -> Self {
        let line = |line: &&str| {
            let rest = line.trim_start().strip_prefix(level).map(str::trim_start);
            let rest = rest.and_then(|rest| rest.strip_prefix(what));
            rest.is_some_and(|rest| rest.starts_with(' ') && rest.contains(part))
        };
        let found = self.text.lines().any(|one| line(&one));
        assert!(found, "no line \"{level} {what} …{part}…\" in:\n{}", self.text);
        self
    }

    /// And what to do.
    #[track_caller]
    fn advises(self, part: &str) -> Self {
        let found = self.text.lines().any(|line| line.contains("-> ") && line.contains(part));
        assert!(found, "no advice \"{part}\" in:\n{}", self.text);
        self
    }

    #[track_caller]
    fn never_says(self, part: &str) -> Self {
        assert!(!self.text.contains(part), "{}", self.text);
        self
    }
}
