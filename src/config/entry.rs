//! One entry of the chain, as `[[plugins]]` gives it.

use confab_plugin::{Duration, EventKind};
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
    /// enforce, or shadow: it decides, is counted, and changes nothing.
    #[serde(default)]
    pub mode: Mode,
    /// What a panic, an error or a timeout of this entry means for the event: deny or pass.
    #[serde(default)]
    pub on_error: OnError,
    /// How long it may take over one event. From 1ms to 1m.
    #[serde(default = "PluginEntry::default_timeout")]
    pub timeout: Duration,
    /// The plugin's own options: see its manual page.
    #[serde(default)]
    pub options: serde_json::Map<String, serde_json::Value>,
}

impl PluginEntry {
    /// An entry for this plugin with nothing else said.
    pub fn of(plugin: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            name: None,
            on: None,
            mode: Mode::default(),
            on_error: OnError::default(),
            timeout: Self::default_timeout(),
            options: serde_json::Map::new(),
        }
    }

    fn default_timeout() -> Duration {
        Duration::from_millis(50)
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
