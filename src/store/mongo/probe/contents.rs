//! What is in the database: collections, indexes, rules, and in which layout.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use mongodb::{
    IndexModel,
    bson::{Bson, Document, doc},
};

use super::{Probe, Trouble, rights::Rights};
use crate::store::mongo::{
    documents,
    layout::MESSAGES,
    schema::{Planned, client_id_index, planned},
};

const COLLECTIONS: &str = "collections";
const LAYOUT: &str = "layout";
const INDEXES: &str = "indexes";
const RULES: &str = "rules";

/// The most collections of pairs that are counted.
const MOST_PAIRS: usize = 1000;

/// The most collections of pairs whose index is looked at.
const SAMPLE: usize = 8;

/// The names of collections of pairs: two ids in lower-case Crockford base 32.
const PAIR: &str = "^[0-9a-hjkmnp-tv-z]{26}_[0-9a-hjkmnp-tv-z]{26}$";

impl Probe {
    /// Whether what is in the database goes with the configuration. It may be empty: the store
    /// makes what is missing.
    pub(super) async fn contents(&mut self, rights: &Rights) {
        let found = self.found().await;
        let pairs = self.pairs().await;
        let (found, pairs) = match (found, pairs) {
            (Ok(found), Ok(pairs)) => (found, pairs),
            (Err(trouble), _) | (_, Err(trouble)) => {
                let text = format!("could not be looked at: {}", trouble.text());
                self.report.fail(COLLECTIONS, text, "the store asks the same at its start");
                return;
            }
        };
        let planned = planned(self.space.layout);
        self.collections(&planned, &found, pairs.len());
        self.layout(&found, &pairs).await;
        self.indexes(&planned, &found, &pairs).await;
        self.rules(&planned, &found, rights);
    }

    /// The collections with fixed names that exist, each with its rules.
    async fn found(&self) -> Result<HashMap<String, Option<Document>>, Trouble> {
        let names: Vec<&str> = planned(self.space.layout)
            .iter()
            .map(|planned| planned.name)
            .chain([MESSAGES])
            .collect();
        let list = self.space.database.list_collections();
        let list = list.filter(doc! { "name": { "$in": names }, "type": "collection" });
        self.within(async {
            let found: Vec<_> = list.await?.try_collect().await?;
            Ok(found.into_iter().map(|one| (one.name, one.options.validator)).collect())
        })
        .await
    }

    /// The collections of pairs, up to a bound.
    async fn pairs(&self) -> Result<Vec<String>, Trouble> {
        // Only names, so that nothing is locked and tens of thousands are told fast.
        let list = doc! {
            "listCollections": 1, "nameOnly": true,
            "filter": { "name": { "$regex": PAIR } },
            "cursor": { "batchSize": i32::try_from(MOST_PAIRS).unwrap_or(i32::MAX) },
        };
        let answer = self.ask(list).await?;
        let batch = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        let names = batch.into_iter().flatten().filter_map(Bson::as_document);
        let names = names.filter_map(|one| one.get_str("name").ok());
        Ok(names
            .filter(|name| documents::conversation(name).is_some())
            .map(str::to_owned)
            .collect())
    }

    fn collections(
        &mut self,
        planned: &[Planned],
        found: &HashMap<String, Option<Document>>,
        pairs: usize,
    ) {
        let missing: Vec<&str> = planned
            .iter()
            .map(|planned| planned.name)
            .filter(|name| !found.contains_key(*name))
            .collect();
        let more = if pairs >= MOST_PAIRS { " or more" } else { "" };
        let pairs = match pairs {
            0 => String::new(),
            1 => ", and one of a pair".to_owned(),
            count => format!(", and {count}{more} of pairs"),
        };
        if missing.len() == planned.len() {
            self.report.ok(COLLECTIONS, format!("none yet: made at the first start{pairs}"));
        } else if missing.is_empty() {
            self.report.ok(COLLECTIONS, format!("all there{pairs}"));
        } else {
            let missing = missing.join(", ");
            self.report.ok(COLLECTIONS, format!("made at the next start: {missing}{pairs}"));
        }
    }

    /// Messages in the other layout would not be seen.
    async fn layout(&mut self, found: &HashMap<String, Option<Document>>, pairs: &[String]) {
        let in_single = found.contains_key(MESSAGES) && self.has_documents(MESSAGES).await;
        let is_per_pair = self.space.layout.is_per_pair();
        let (here, other, name) = if is_per_pair {
            (!pairs.is_empty(), in_single, "single")
        } else {
            (in_single, !pairs.is_empty(), "per_pair")
        };
        let text = format!("the database holds messages in the layout {name}");
        match (here, other) {
            (_, false) => self.report.ok(LAYOUT, "the one that is configured, or no messages yet"),
            (false, true) => self.report.fail(
                LAYOUT,
                format!("{text}, and none in the one that is configured"),
                format!("set store.mongo.layout to \"{name}\", or use another database"),
            ),
            (true, true) => self.report.warn(
                LAYOUT,
                format!("{text} too: nobody is shown those"),
                "if they are left over, drop them",
            ),
        }
    }

    async fn has_documents(&self, name: &str) -> bool {
        let collection = self.space.database.collection::<Document>(name);
        let first = self.within(async { collection.find_one(doc! {}).await }).await;
        matches!(first, Ok(Some(_)))
    }

    /// An index that is there in another form makes the start fail, or a retry a copy.
    async fn indexes(
        &mut self,
        planned: &[Planned],
        found: &HashMap<String, Option<Document>>,
        pairs: &[String],
    ) {
        let fixed = planned.iter().filter(|planned| found.contains_key(planned.name));
        let mut wanted: Vec<(String, IndexModel)> = fixed
            .flat_map(|Planned { name, indexes, .. }| {
                indexes.iter().map(|index| ((*name).to_owned(), index.clone()))
            })
            .collect();
        if self.space.layout.is_per_pair() {
            let index = client_id_index(self.space.layout);
            wanted.extend(pairs.iter().take(SAMPLE).map(|name| (name.clone(), index.clone())));
        }
        let (mut made, mut wrong, mut unknown) = (Vec::new(), Vec::new(), None);
        let count = wanted.len();
        for (collection, wanted) in wanted {
            match self.index_state(&collection, &wanted).await {
                Ok(State::There) => {}
                Ok(State::Missing) => made.push(format!("{collection}.{}", name(&wanted))),
                Ok(State::Different(other)) => wrong.push((collection, other)),
                Err(trouble) => unknown = Some(trouble.text().to_owned()),
            }
        }
        for (collection, other) in &wrong {
            self.report.fail(
                INDEXES,
                format!("{collection} has an index {other} that stands in the way of ours"),
                format!("in mongosh: db.getCollection({collection:?}).dropIndex({other:?})"),
            );
        }
        if let Some(why) = unknown {
            let advice = "grant listIndexes, which the role readWrite has";
            self.report.warn(INDEXES, format!("could not be looked at: {why}"), advice);
        } else if !made.is_empty() {
            let text = format!("made at the next start or message: {}", made.join(", "));
            self.report.ok(INDEXES, text);
        } else if count == 0 {
            self.report.ok(INDEXES, "made with their collections");
        } else if wrong.is_empty() {
            self.report.ok(INDEXES, "as they should be");
        }
    }

    async fn index_state(&self, collection: &str, wanted: &IndexModel) -> Result<State, Trouble> {
        let collection = self.space.database.collection::<Document>(collection);
        let list = async { collection.list_indexes().await?.try_collect::<Vec<_>>().await };
        let found = self.within(list).await?;
        Ok(state(&found, wanted))
    }

    fn rules(
        &mut self,
        planned: &[Planned],
        found: &HashMap<String, Option<Document>>,
        rights: &Rights,
    ) {
        let other: Vec<&str> = planned
            .iter()
            .filter(|planned| {
                found.get(planned.name).is_some_and(|rules| rules.as_ref() != Some(&planned.rules))
            })
            .map(|planned| planned.name)
            .collect();
        let can_change = matches!(rights, Rights::Some { may_change_rules: true });
        match (other.is_empty(), can_change) {
            (true, _) if found.is_empty() => self.report.ok(RULES, "made with their collections"),
            (true, _) => self.report.ok(RULES, "as they should be"),
            (false, true) => {
                self.report.ok(RULES, format!("set at the next start: {}", other.join(", ")));
            }
            (false, false) => self.report.ok(
                RULES,
                format!(
                    "stay as they are, for this user may not change them: {} (they only keep \
                     others from writing what confab would skip)",
                    other.join(", ")
                ),
            ),
        }
    }
}

/// How an index is that should be there.
#[derive(Debug, PartialEq, Eq)]
enum State {
    There,
    Missing,
    /// One of this name has the place, and is not the same.
    Different(String),
}

/// MongoDB takes no index that has the name of another one, or is the same with another name.
fn state(found: &[IndexModel], wanted: &IndexModel) -> State {
    let same = |index: &&IndexModel| shape(index) == shape(wanted);
    let named = |index: &&IndexModel| name(index) == name(wanted);
    match (found.iter().find(named), found.iter().find(same)) {
        (Some(index), _) if same(&index) => State::There,
        (Some(index), _) | (None, Some(index)) => State::Different(name(index).to_owned()),
        (None, None) => State::Missing,
    }
}

fn name(index: &IndexModel) -> &str {
    index.options.as_ref().and_then(|options| options.name.as_deref()).unwrap_or_default()
}

/// What of an index decides what it does.
#[derive(PartialEq)]
struct Shape<'a> {
    /// Each field, and its direction; `None` for a kind of index that is not ours.
    keys: Vec<(&'a str, Option<i64>)>,
    unique: bool,
    filter: Option<&'a Document>,
}

fn shape(index: &IndexModel) -> Shape<'_> {
    // A shell writes directions as floating-point numbers.
    let direction = |value: &Bson| match value {
        Bson::Int32(direction) => Some(i64::from(direction.signum())),
        Bson::Int64(direction) => Some(direction.signum()),
        Bson::Double(direction) if *direction > 0.0 => Some(1),
        Bson::Double(_) => Some(-1),
        _ => None,
    };
    let options = index.options.as_ref();
    Shape {
        keys: index.keys.iter().map(|(key, value)| (key.as_str(), direction(value))).collect(),
        unique: options.and_then(|options| options.unique).unwrap_or(false),
        filter: options.and_then(|options| options.partial_filter_expression.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::options::IndexOptions;

    use super::*;
    use crate::{config::MongoLayout, store::mongo::layout::Layout};

    fn index(name: &str, keys: Document, unique: bool) -> IndexModel {
        let options = IndexOptions::builder().name(name.to_owned()).unique(unique).build();
        IndexModel::builder().keys(keys).options(options).build()
    }

    #[test]
    fn indexes_that_stand_in_the_way_are_told() {
        let wanted = index("username", doc! { "username": 1 }, true);
        let id = index("_id_", doc! { "_id": 1 }, false);
        for (found, expected) in [
            (vec![], State::Missing),
            (vec![id.clone()], State::Missing),
            (vec![id, wanted.clone()], State::There),
            // As a shell makes it.
            (vec![index("username", doc! { "username": 1.0 }, true)], State::There),
            (
                vec![index("username", doc! { "username": 1 }, false)],
                State::Different("username".into()),
            ),
            (
                vec![index("username_1", doc! { "username": 1 }, true)],
                State::Different("username_1".into()),
            ),
            (vec![index("username_1", doc! { "username": -1 }, true)], State::Missing),
        ] {
            assert_eq!(state(&found, &wanted), expected, "{found:?}");
        }
    }

    #[test]
    fn a_partial_index_is_not_a_whole_one() {
        let layout = Layout(MongoLayout::PerPair);
        let wanted = client_id_index(layout);
        let whole = index("client_id", layout.client_id_keys(), true);
        assert_eq!(state(&[whole], &wanted), State::Different("client_id".into()));
        assert_eq!(state(std::slice::from_ref(&wanted), &wanted), State::There);
    }
}
