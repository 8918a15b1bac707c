//! MongoDB in the configuration.

use super::support::Setup;
use crate::config::{MongoLayout, Origin, effective};

const KEY: &str = "Zk3vQ8#mW1!pL6$xR9@tN4%bJ7^cH2&dF5";

fn with_key() -> Setup {
    Setup::empty().variable("SECRET_KEY", KEY)
}

#[test]
fn the_variables_of_a_deployment() {
    let setup = with_key()
        .variable("MONGO_URI", "mongodb://me:hunter2@a.example,b.example/?replicaSet=rs0")
        .variable("MONGO_DB", "chat")
        .variable("CONFAB_STORE__MONGO__LAYOUT", "single")
        .variable("CONFAB_STORE__MONGO__POOL_SIZE", "7");
    let loaded = setup.load().unwrap();
    let mongo = &loaded.config.store.mongo;
    assert!(mongo.uri.as_ref().unwrap().expose().starts_with("mongodb://me:hunter2@"));
    assert_eq!((mongo.database.as_str(), mongo.pool_size), ("chat", 7));
    assert_eq!(mongo.layout, MongoLayout::Single);
    let origin = |key| loaded.origins.of(key).clone();
    assert_eq!(origin("store.mongo.uri"), Origin::Variable("MONGO_URI".into()));
    assert_eq!(origin("store.mongo.lanes"), Origin::Default);
    let shown = effective::render(&loaded, &super::support::manifests());
    for line in [
        "[store.mongo]",
        "uri = \"[redacted]\"  # variable MONGO_URI",
        "database = \"chat\"  # variable MONGO_DB",
        "connect_timeout = \"5s\"  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    }
    assert!(!shown.contains("hunter2"));
}

#[test]
fn a_uri_from_a_file_or_a_credential() {
    let setup = with_key().and("uri", "mongodb://localhost\n");
    let path = setup.path("uri").display().to_string();
    let setup = setup.variable("MONGO_URI_FILE", &path);
    let uri = |setup: &Setup| setup.load().unwrap().config.store.mongo.uri;
    assert_eq!(uri(&setup).unwrap().expose(), "mongodb://localhost");
    let both = setup.variable("MONGO_URI", "mongodb://localhost").errors();
    assert!(both.contains("both store.mongo.uri and store.mongo.uri_file"), "{both}");

    let mut setup = with_key().and("mongo_uri", "mongodb://localhost");
    let folder = setup.folder.path().display().to_string();
    setup = setup.variable("CREDENTIALS_DIRECTORY", &folder);
    assert!(uri(&setup).is_some());
    setup.flags.no_secrets = true;
    assert!(uri(&setup).is_none());

    let mut setup = with_key().variable("MONGO_URI_FILE", "/nowhere/uri");
    let errors = setup.errors();
    assert!(errors.contains("cannot read the URI from /nowhere/uri"), "{errors}");
    assert!(errors.contains("--> variable MONGO_URI_FILE"), "{errors}");
    setup.flags.no_secrets = true;
    setup.load().unwrap();
}

#[test]
fn what_is_no_uri_and_no_database() {
    for uri in
        ["localhost", "http://me:hunter2@x", "mongodb://me:hunter2@", "mongodb://a:hunter2@b@c/"]
    {
        let errors = with_key().variable("MONGO_URI", uri).errors();
        assert!(errors.contains("this is not a URI of MongoDB"), "{uri}: {errors}");
        assert!(errors.contains("--> variable MONGO_URI"), "{uri}: {errors}");
        assert!(!errors.contains("hunter2"), "{uri}: {errors}");
    }
    let long = "x".repeat(64);
    for name in ["a.b", "a b", "a/b", "$x", "admin", "a\u{0}b", "\"", long.as_str()] {
        let errors = with_key().variable("MONGO_DB", name).errors();
        assert!(errors.contains("the name of a database must"), "{name}: {errors}");
        assert!(errors.contains("--> variable MONGO_DB"), "{errors}");
    }
    let errors = Setup::file("[store.mongo]\ndatabase = ''\nlanes = 0\nlayuot = 'single'").errors();
    for part in
        ["confab.toml:2:12", "confab.toml:3:9", "confab.toml:4:1", "did you mean \"layout\"?"]
    {
        assert!(errors.contains(part), "{part} in\n{errors}");
    }
    let errors = Setup::file("store.mongo.layout = 'both'").errors();
    assert!(errors.contains("one of per_pair, single"), "{errors}");
}

#[test]
fn no_key_is_made_beside_a_shared_store() {
    let setup = Setup::file("[store.mongo]\nuri = 'mongodb://localhost'");
    let errors = setup.errors();
    assert!(errors.contains("with MongoDB the secret key must be given"), "{errors}");
    assert!(errors.contains("openssl rand -base64 48"), "{errors}");
    assert!(errors.contains("confab.toml:2:7"), "{errors}");
    setup.variable("SECRET_KEY", KEY).load().unwrap();
    let mut setup = Setup::file("[store.mongo]\nuri_file = '/nowhere'");
    setup.flags.no_secrets = true;
    setup.load().unwrap();
}

#[test]
fn a_uri_is_not_shown() {
    for text in [
        "[store.mongo]\nuri = 'mongodb://me:hunter2@x'\nlanes = 0",
        "[store.mongo]\nuir = 'mongodb://me:hunter2@x'",
        "[store]\nmongo = { uri = 'mongodb://me:hunter2@x', lanes = 0 }",
        "[store]\nuri = 'mongodb://me:hunter2@x'",
        "[store.mongo]\nuri = 'mongodb://me:hunter2@x",
        "[store.mongo]\nuri = ['mongodb://me:hunter2@x']",
        "store.mongo = 'mongodb://me:hunter2@x'",
    ] {
        let errors = Setup::file(text).load().expect_err(text);
        for shown in [errors.to_string(), errors.render(true), format!("{errors:?}")] {
            assert!(!shown.contains("hunter2"), "{text}:\n{shown}");
        }
    }
}
