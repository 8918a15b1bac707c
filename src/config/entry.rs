//! One entry of the chain, as `[[plugins]]` gives it.

use confab_plugin::{Duration, EventKind, Manifest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One entry of `[[plugins]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginEntry {
    /// The compiled-in plugin.
    #[serde(rename = "use")]
    pub plugin: String,
    /// The entry's label in metrics, logs and refusals: 1 to 64 of a-z 0-9 . _ -, unique in the
    /// chain. The plugin's name unless given.
    #[serde(default)]
    #[schemars(example = "my-entry")]
    pub name: Option<String>,
    /// The kinds of events it handles. The plugin's own choice unless given.
    #[serde(default)]
    #[schemars(example = ["message", "typing"])]
    pub on: Option<Vec<EventKind>>,
    /// enforce; shadow: it decides, is counted, and changes nothing; off: it is not there.
    #[serde(default)]
    pub mode: Mode,
    /// The share of the users for whom the mode holds, always the same ones of them. For the
    /// others an entry that enforces is in shadow, and one in shadow does not run. So a new rule
    /// can go from a few users in shadow to all enforced. From 1 to 100.
    #[serde(default = "PluginEntry::default_percent")]
    pub percent: u8,
    /// What a panic, an error or a timeout of this entry means for the event: deny or pass.
    #[serde(default)]
    pub on_error: OnError,
    /// How long it may take over one event. From 1ms to 1m.
    #[serde(default = "PluginEntry::default_timeout")]
    pub timeout: Duration,
    /// Failures in a row, not all over one user's events, that take the entry out: its events
    /// get what on_error says at once. 0 means never. At most 10000.
    #[serde(default = "PluginEntry::default_breaker_failures")]
    pub breaker_failures: u32,
    /// How long it is out; then one event tries it again. From 100ms to 1h.
    #[serde(default = "PluginEntry::default_breaker_pause")]
    pub breaker_pause: Duration,
    /// What a plugin does in the background: jobs that may wait; further ones are dropped and
    /// counted. From 1 to 1000000.
    #[serde(default = "PluginEntry::default_job_queue")]
    pub job_queue: usize,
    /// Jobs done at the same time, where their order does not matter. From 1 to 256.
    #[serde(default = "PluginEntry::default_job_concurrency")]
    pub job_concurrency: usize,
    /// How often a job is tried before it is given up. From 1 to 1000.
    #[serde(default = "PluginEntry::default_job_attempts")]
    pub job_attempts: u32,
    /// How long one attempt may take. From 10ms to 10m.
    #[serde(default = "PluginEntry::default_job_timeout")]
    pub job_timeout: Duration,
    /// The pause after a failed attempt; it doubles with each. From 10ms to 10m.
    #[serde(default = "PluginEntry::default_job_backoff")]
    pub job_backoff: Duration,
    /// The longest pause between two attempts. From 10ms to 1h.
    #[serde(default = "PluginEntry::default_job_max_backoff")]
    pub job_max_backoff: Duration,
    /// The plugin's own options: see its manual page.
    #[serde(default)]
    pub options: serde_json::Map<String, serde_json::Value>,
}

impl PluginEntry {
    /// The plugins of the chain where no file says otherwise.
    pub const DEFAULT_CHAIN: [&str; 2] = ["metrics", "log"];

    /// The chain where no file says otherwise, without what is not compiled in.
    pub fn default_chain(manifests: &[Manifest]) -> Vec<Self> {
        let built_in = |name: &&str| manifests.iter().any(|manifest| manifest.name == *name);
        Self::DEFAULT_CHAIN.into_iter().filter(built_in).map(Self::of).collect()
    }

    /// An entry for this plugin with nothing else said.
    pub fn of(plugin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            name: None,
            on: None,
            mode: Mode::default(),
            on_error: OnError::default(),
            percent: Self::default_percent(),
            timeout: Self::default_timeout(),
            breaker_failures: Self::default_breaker_failures(),
            breaker_pause: Self::default_breaker_pause(),
            job_queue: Self::default_job_queue(),
            job_concurrency: Self::default_job_concurrency(),
            job_attempts: Self::default_job_attempts(),
            job_timeout: Self::default_job_timeout(),
            job_backoff: Self::default_job_backoff(),
            job_max_backoff: Self::default_job_max_backoff(),
            options: serde_json::Map::new(),
        }
    }

    fn default_timeout() -> Duration {
        Duration::from_millis(50)
    }

    fn default_percent() -> u8 {
        100
    }

    fn default_breaker_failures() -> u32 {
        5
    }

    fn default_breaker_pause() -> Duration {
        Duration::from_secs(5)
    }

    fn default_job_queue() -> usize {
        1000
    }

    fn default_job_concurrency() -> usize {
        4
    }

    fn default_job_attempts() -> u32 {
        5
    }

    fn default_job_timeout() -> Duration {
        Duration::from_secs(10)
    }

    fn default_job_backoff() -> Duration {
        Duration::from_millis(500)
    }

    fn default_job_max_backoff() -> Duration {
        Duration::from_secs(30)
    }

    /// The entry's label: its name, or the plugin's.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.plugin)
    }
}

/// Whether an entry's decisions take effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// They are counted, and change nothing.
    Shadow,
    /// The entry is checked and built, but not there.
    Off,
}

impl OnError {
    /// The word in the configuration and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            OnError::Deny => "deny",
            OnError::Pass => "pass",
        }
    }
}

/// What a failing hook means for the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The event is refused with the code `plugin_failed`.
    #[default]
    Deny,
    /// The event goes on as if the hook were not there.
    Pass,
}
