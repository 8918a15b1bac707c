//! A real Prometheus that scrapes the daemons of a test every second, with the rules that confab
//! comes with.

use std::{
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{chat::Chat, support::wait::DEADLINE};

/// The rules, from the root of the repository.
pub const RULES: [&str; 2] = ["config/prometheus/recording.yml", "config/prometheus/alerts.yml"];

/// A running Prometheus; killed when dropped.
pub struct Prometheus {
    child: Child,
    address: String,
    agent: ureq::Agent,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts it on a free port of the loopback.
    pub fn start(chat: &Chat) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("prometheus.yml");
        fs::write(&path, config(chat)).expect("written");
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus is installed: tests/run does it");
        let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
        let mut said = String::new();
        let address = loop {
            let Some(line) = log.next() else { panic!("prometheus ended:\n{said}") };
            let line = line.expect("text");
            if let Some((_, address)) = line.split_once("msg=\"Listening on\" address=") {
                break address.trim().to_owned();
            }
            said += &format!("{line}\n");
        };
        // Read to its end, so that it never waits for whom it tells.
        std::thread::spawn(move || log.for_each(drop));
        let agent = ureq::Agent::config_builder().timeout_global(Some(DEADLINE)).build();
        let prometheus = Self { child, address, agent: agent.into(), _folder: folder };
        let started = Instant::now();
        while prometheus.ask("query", &[("query", "vector(1)")]).is_err() {
            assert!(started.elapsed() < DEADLINE, "prometheus is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        prometheus
    }

    /// Asks its API; the `data` of the answer, or the error.
    pub fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let config = self.agent.get(url).config().http_status_as_error(false).build();
        let mut response = config.query_pairs(parameters.iter().copied()).call().unwrap();
        let text = response.body_mut().read_to_string().expect("text");
        // While it starts, it says so in words.
        let mut answer: Value = serde_json::from_str(&text).map_err(|_| text.clone())?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].take()),
            _ => Err(text),
        }
    }

    /// How many series a query has now whose value is a number.
    pub fn series(&self, query: &str) -> Result<usize, String> {
        let data = self.ask("query", &[("query", query)])?;
        let series = data["result"].as_array().ok_or("no list")?;
        let number = |series: &&Value| series["value"][1].as_str().is_some_and(|v| v != "NaN");
        Ok(series.iter().filter(number).count())
    }

    /// The names of all metrics it knows, recorded ones too.
    pub fn names(&self) -> Vec<String> {
        let names = self.ask("label/__name__/values", &[]).unwrap();
        serde_json::from_value(names).expect("a list of names")
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(chat: &Chat) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text =
        "global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files:\n".to_owned();
    for rules in RULES {
        writeln!(text, "  - {}", root.join(rules).display()).unwrap();
    }
    text += "scrape_configs:\n  - job_name: confab\n    static_configs:\n";
    for (name, daemon) in chat.daemons() {
        let address = daemon.admin_address();
        writeln!(text, "      - {{ targets: [\"{address}\"], labels: {{ instance: {name} }} }}")
            .unwrap();
    }
    text
}

/// The words of a query that name a metric of ours, or one that a rule records.
pub fn metrics_in(query: &str) -> Vec<&str> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words
        .filter(|word| {
            let own = ["confab_", "process_"].iter().any(|begin| word.starts_with(begin));
            own || word.contains(':') && word.contains("confab_")
        })
        .collect()
}
