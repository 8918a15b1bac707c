//! The audit log from the outside: what is in the files, after what happened.

mod crash;
mod full;
mod lines;
mod manual;
mod rotation;
mod sharing;
mod tampering;

use std::{
    fs,
    path::{Path, PathBuf},
};

use confab_plugin::{
    Decision,
    testkit::{Kit, decisions, message},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Audit, verify};

/// A folder with a log in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn log(&self) -> PathBuf {
        self.path("audit.jsonl")
    }

    /// An entry that writes the log, with these further options.
    fn kit(&self, options: &Value) -> Kit<Audit> {
        let mut all = json!({"path": self.log()});
        for (key, value) in options.as_object().unwrap() {
            all[key] = value.clone();
        }
        Kit::new(all).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    async fn started(&self, options: &Value) -> Kit<Audit> {
        let kit = self.kit(options);
        kit.start().await.unwrap();
        kit
    }

    /// The lines of the current file.
    fn lines(&self) -> Vec<Value> {
        lines(&self.log())
    }

    fn kinds(&self) -> Vec<String> {
        kinds(&self.lines())
    }

    /// All files of the log, the newest last.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
            .collect();
        files.sort();
        files
    }

    fn verify(&self, options: &[&str]) -> Result<String, String> {
        let options = options.iter().map(Into::into);
        let arguments: Vec<_> = options.chain(self.files().into_iter().map(Into::into)).collect();
        verify::run(&arguments)
    }

    /// The head that verify tells, as `n:hash`.
    fn head(&self) -> String {
        let told = self.verify(&[]).unwrap();
        told.lines().find_map(|line| line.strip_prefix("head ")).unwrap().to_owned()
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(lines: &[Value]) -> Vec<String> {
    lines.iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect()
}

/// Does all that waits.
async fn work(kit: &Kit<Audit>) {
    while let Some(done) = kit.run_job(1).await {
        done.unwrap_or_else(|error| panic!("{error:?}"));
    }
}

/// Has `count` messages written.
async fn write(kit: &Kit<Audit>, count: usize) {
    for _ in 0..count {
        kit.after(&message("hello"), accepted());
    }
    work(kit).await;
}

fn accepted() -> Decision {
    decisions()[0].clone()
}
