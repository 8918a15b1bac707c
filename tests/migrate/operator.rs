//! Who runs the program: a folder with a configuration, and a database to migrate to.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use confab::{config::MongoLayout, store::mongo::MongoStore};
use tempfile::TempDir;

use super::{mongo::TestDatabase, world::UNREAD};

pub struct Operator {
    pub folder: TempDir,
    pub target: TestDatabase,
    pub layout: MongoLayout,
}

impl Operator {
    /// `lanes`: conversations that are migrated at the same time.
    pub fn new(layout: MongoLayout, lanes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let operator = Self { folder, target: TestDatabase::new(), layout };
        operator.configure(layout, lanes);
        operator
    }

    pub fn configure(&self, layout: MongoLayout, lanes: usize) {
        let layout = match layout {
            MongoLayout::PerPair => "per_pair",
            MongoLayout::Single => "single",
        };
        let TestDatabase { uri, name } = &self.target;
        let text = format!(
            "[store]\npath = \"data\"\n[store.mongo]\nuri = \"{uri}\"\ndatabase = \"{name}\"\n\
             layout = \"{layout}\"\nlanes = {lanes}\nserver_selection_timeout = \"1m\"\n\
             operation_timeout = \"1m\"\n"
        );
        fs::write(self.folder.path().join("confab.toml"), text).unwrap();
    }

    /// The folder of the embedded store.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confab"));
        command
            .arg("migrate")
            .args(arguments)
            .env_clear()
            .env("CONFAB_CONFIG", "confab.toml")
            .env("SECRET_KEY", "0123456789abcdef0123456789abcdef-for-tests")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs `confab migrate`.
    pub fn migrate(&self, arguments: &[&str]) -> Ended {
        Ended(self.command(arguments).output().unwrap())
    }

    /// Starts it.
    pub fn start(&self) -> Child {
        self.command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The target as a daemon sees it.
    pub async fn open_target(&self) -> MongoStore {
        self.target.open(self.layout, UNREAD).await
    }
}

/// What a run said.
pub struct Ended(pub Output);

impl Ended {
    pub fn stdout(&self) -> &str {
        std::str::from_utf8(&self.0.stdout).unwrap()
    }

    pub fn stderr(&self) -> &str {
        std::str::from_utf8(&self.0.stderr).unwrap()
    }

    /// Ended with this status, and said all of these.
    pub fn expect(&self, status: i32, said: &[&str]) {
        let all = format!("{}{}", self.stdout(), self.stderr());
        assert_eq!(self.0.status.code(), Some(status), "{all}");
        for part in said {
            assert!(all.contains(part), "{part:?} is not in:\n{all}");
        }
    }

    /// A row of the table: source, target, written now.
    pub fn row(&self, what: &str) -> Vec<String> {
        let row = self.stdout().lines().find_map(|line| line.strip_prefix(what));
        let row = row.unwrap_or_else(|| panic!("no {what}:\n{}{}", self.stdout(), self.stderr()));
        row.split_whitespace().map(str::to_owned).collect()
    }

    /// Ended well, with these numbers on both sides.
    pub fn expect_equal(&self, rows: &[(&str, u64)]) {
        self.expect(0, &["equal: the target holds what the source holds"]);
        for (what, number) in rows {
            let row = self.row(what);
            let number = number.to_string();
            assert_eq!(row.first(), Some(&number), "{what}: {}", self.stdout());
            assert_eq!(row.get(1), Some(&number), "{what}: {}", self.stdout());
        }
    }
}
