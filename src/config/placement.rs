//! Whether the entries of the chain stand where their plugins belong.

use confab_plugin::{EventKind, Manifest, Place};

use super::entry::{Mode, PluginEntry};

/// An entry that stands where its plugin does less good.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    /// Its place in the chain, from 0.
    pub entry: usize,
    pub message: String,
    pub help: String,
}

/// The entries that their plugins would rather see elsewhere; of each plugin's wishes, the first
/// entry in the way is told.
pub(super) fn misplaced(entries: &[PluginEntry], manifests: &[Manifest]) -> Vec<Misplaced> {
    let mut found = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let manifest = manifests.iter().find(|manifest| manifest.name == entry.plugin);
        for wish in manifest.map_or(&[][..], |manifest| manifest.place) {
            let (plugin, why, word, wrong_side) = match *wish {
                Place::Before { plugin, why } => (plugin, why, "before", &entries[..place]),
                Place::After { plugin, why } => (plugin, why, "after", &entries[place + 1..]),
            };
            let in_the_way =
                |other: &&PluginEntry| other.plugin == plugin && meet(entry, other, manifests);
            if let Some(other) = wrong_side.iter().find(in_the_way) {
                let (label, other) = (entry.label(), other.label());
                found.push(Misplaced {
                    entry: place,
                    message: format!("\"{label}\" belongs {word} \"{other}\": {why}"),
                    help: format!("move the entry \"{label}\" {word} \"{other}\""),
                });
            }
        }
    }
    found
}

/// Whether both entries can see the same event.
fn meet(one: &PluginEntry, other: &PluginEntry, manifests: &[Manifest]) -> bool {
    let there = |entry: &PluginEntry| entry.mode != Mode::Off;
    let share = match (kinds(one, manifests), kinds(other, manifests)) {
        (Some(one), Some(other)) => one.iter().any(|kind| other.contains(kind)),
        _ => true,
    };
    there(one) && there(other) && share
}

/// What the entry handles; `None` if nobody knows the plugin.
fn kinds<'e>(entry: &'e PluginEntry, manifests: &'e [Manifest]) -> Option<&'e [EventKind]> {
    let manifest = || manifests.iter().find(|manifest| manifest.name == entry.plugin);
    entry.on.as_deref().or_else(|| manifest().map(|manifest| manifest.on))
}

#[cfg(test)]
mod tests {
    use confab_plugin::{Definition, Plugin, Problem};

    use super::*;

    struct Gate;

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct NoOptions {}

    impl Plugin for Gate {}

    impl Definition for Gate {
        const NAME: &'static str = "gate";
        const SUMMARY: &'static str = "";
        const MANUAL: &'static str = "";
        const ON: &'static [EventKind] = &[EventKind::Message];
        const PLACE: &'static [Place] = &[
            Place::Before { plugin: "filter", why: "it is cheaper" },
            Place::After { plugin: "redact", why: "it would see numbers" },
        ];
        type Options = NoOptions;

        fn new(_: &str, _: NoOptions) -> Result<Self, Vec<Problem>> {
            Ok(Gate)
        }
    }

    fn told(entries: &[PluginEntry]) -> Vec<(usize, String)> {
        let misplaced = misplaced(entries, &[Manifest::of::<Gate>()]);
        misplaced.into_iter().map(|misplaced| (misplaced.entry, misplaced.message)).collect()
    }

    #[test]
    fn an_entry_on_the_wrong_side_is_told_once_a_wish() {
        let [gate, filter, redact] = ["gate", "filter", "redact"].map(PluginEntry::of);
        assert_eq!(told(&[redact.clone(), gate.clone(), filter.clone()]), []);
        let wrong = told(&[filter.clone(), filter.clone(), gate.clone(), redact.clone()]);
        let before = "\"gate\" belongs before \"filter\": it is cheaper".to_owned();
        let after = "\"gate\" belongs after \"redact\": it would see numbers".to_owned();
        assert_eq!(wrong, [(2, before), (2, after)]);
    }

    #[test]
    fn entries_that_never_meet_may_stand_anywhere() {
        let (mut gate, mut filter) = (PluginEntry::of("gate"), PluginEntry::of("filter"));
        gate.on = Some(vec![EventKind::Typing]);
        filter.on = Some(vec![EventKind::Message]);
        assert_eq!(told(&[filter.clone(), gate.clone()]), []);
        gate.on = None;
        filter.on = Some(vec![EventKind::Typing]);
        assert_eq!(told(&[filter.clone(), gate.clone()]), [], "a gate is for messages");
        filter.mode = Mode::Off;
        filter.on = None;
        assert_eq!(told(&[filter, gate]), []);
    }
}
