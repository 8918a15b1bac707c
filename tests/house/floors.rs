//! Each floor sees only those below it in the house's numbering, and each library has one room.

use std::collections::BTreeMap;

use crate::{
    paths::{Path, Paths},
    source::{self, files},
};

/// The floor of each module, as the comments of `src/lib.rs` say.
fn floors() -> BTreeMap<String, u32> {
    let mut floors = BTreeMap::new();
    let mut floor = None;
    for line in source::read("src/lib.rs").lines() {
        if let Some(comment) = line.strip_prefix("// Floor ") {
            floor = Some(comment.split(':').next().unwrap().parse().unwrap());
        } else if let Some(module) = line.strip_prefix("pub mod ") {
            let floor = floor.expect("a module stands below the comment of its floor");
            floors.insert(module.trim_end_matches(';').to_owned(), floor);
        }
    }
    floors
}

/// The module that a file of `src` is: `src/hub/mod.rs` is `["hub"]`.
fn module(path: &str) -> Vec<&str> {
    let inner = path.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap();
    let mut module: Vec<_> = inner.split('/').collect();
    if module.last() == Some(&"mod") {
        module.pop();
    }
    module
}

/// The first module of a path that begins at the root of the crate.
fn target<'a>(path: &'a Path, from: &[&str]) -> Option<&'a str> {
    let supers = path.iter().take_while(|segment| *segment == "super").count();
    let below_root = match path.first()?.as_str() {
        "crate" => 1,
        "super" if supers == from.len() => supers,
        _ => return None,
    };
    path.get(below_root).map(String::as_str)
}

/// Where a module names one of a higher floor.
fn climbs(path: &str, text: &str, floors: &BTreeMap<String, u32>) -> Vec<String> {
    let from = module(path);
    let paths = Paths::of(text);
    let targets = paths.all().filter_map(|named| Some((named, target(named, &from)?)));
    let above = targets.filter(|(_, target)| floors.get(*target) > floors.get(from[0]));
    above.map(|(named, _)| format!("{path} names {}", named.join("::"))).collect()
}

#[test]
fn no_floor_names_a_higher_one() {
    let floors = floors();
    assert_eq!(floors.get("config"), Some(&3), "{floors:?}");
    // The load generator measures any server, so it is below all that the daemon is.
    assert!(floors.iter().all(|(module, floor)| (module == "bench") == (*floor == 2)));
    let mut wrong = Vec::new();
    for file in files("src", &[".rs"]) {
        if file.path == "src/lib.rs" || file.path == "src/main.rs" {
            continue;
        }
        assert!(
            floors.contains_key(module(&file.path)[0]),
            "{}: src/lib.rs names no floor",
            file.path
        );
        wrong.extend(climbs(&file.path, &file.text, &floors));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_climb_is_found() {
    let floors = floors();
    let climbs = |path, text| climbs(path, text, &floors).len();
    assert_eq!(climbs("src/store/mod.rs", "use crate::hub::Hub;"), 1);
    assert_eq!(climbs("src/store/mod.rs", "use crate::{code::Code, http, app};"), 2);
    assert_eq!(climbs("src/store/sqlite/mod.rs", "use super::super::http;"), 1);
    assert_eq!(climbs("src/store/sqlite/mod.rs", "use super::http;"), 0);
    assert_eq!(climbs("src/rate.rs", "fn f() { crate::dispatch::report() }"), 1);
    assert_eq!(climbs("src/http/mod.rs", "use crate::{store::Store, hub::Hub, http::State};"), 0);
}

/// Where code outside of `room` names a library that belongs there.
fn strays(path: &str, text: &str, room: &str, libraries: &[&str]) -> Vec<String> {
    if path == format!("{room}.rs") || path.starts_with(&format!("{room}/")) {
        return Vec::new();
    }
    let paths = Paths::of(text);
    let of_ours = |path: &&Path| {
        path.first().is_some_and(|first| ["crate", "self", "super"].contains(&&**first))
    };
    // `use crate::bus::redis` makes `redis` a name of ours.
    let ours: Vec<_> = paths.used.iter().filter(of_ours).filter_map(|path| path.last()).collect();
    let named = paths.all().filter(|path| {
        let first = path.first().map_or("", String::as_str);
        libraries.contains(&first) && !ours.iter().any(|name| *name == first)
    });
    named.map(|named| format!("{path} names {}", named.join("::"))).collect()
}

/// A room, and the libraries that nobody else names.
const ROOMS: [(&str, &[&str]); 3] = [
    ("src/store", &["bson", "mongodb", "rusqlite", "libsqlite3_sys"]),
    ("src/bus", &["bb8", "bb8_redis", "redis"]),
    ("src/http", &["poem", "poem_openapi"]),
];

#[test]
fn each_library_is_named_in_its_room_only() {
    let mut wrong = Vec::new();
    for folder in ["src", "plugins"] {
        for file in files(folder, &[".rs"]) {
            for (room, libraries) in ROOMS {
                wrong.extend(strays(&file.path, &file.text, room, libraries));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_stray_is_found() {
    let strays = |path, text| {
        let found = ROOMS.iter().map(|(room, names)| strays(path, text, room, names).len());
        found.sum::<usize>()
    };
    assert_eq!(strays("src/hub/mod.rs", "use poem::Request; fn f() -> rusqlite::Result<()> {}"), 2);
    assert_eq!(strays("src/app.rs", "use crate::bus::redis; fn f() { redis::RedisBus::new() }"), 0);
    assert_eq!(strays("src/app.rs", "use bb8_redis::redis; fn f() { redis::Client::open() }"), 2);
    assert_eq!(strays("src/http/ws/mod.rs", "use poem::Request;"), 0);
    assert_eq!(strays("src/httpd/mod.rs", "use poem::Request;"), 1);
}
