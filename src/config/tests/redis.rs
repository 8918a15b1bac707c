//! The URL of Redis: where it may come from, what is refused, and that it is not shown.

use super::support::Setup;

const URL: &str = "redis://confab:hunter2@redis.example.org";

/// All is well with Redis, but there is no MongoDB.
const NEEDS_MONGO: &str = "Redis needs MongoDB: the embedded store belongs to one node";

#[test]
fn redis_needs_mongodb() {
    let setups = [
        Setup::file(format!("[bus.redis]\nurl = \"{URL}\"")),
        Setup::empty().variable("REDIS_URL", URL),
        Setup::empty().variable("CONFAB_BUS__REDIS__URL", URL),
        Setup::empty().and("url", format!("{URL}\n")),
    ];
    let places = [
        "confab.toml:2:7",
        "variable REDIS_URL",
        "variable CONFAB_BUS__REDIS__URL",
        "variable REDIS_URL_FILE",
    ];
    for (mut setup, place) in setups.into_iter().zip(places) {
        if place == "variable REDIS_URL_FILE" {
            let path = setup.path("url").display().to_string();
            setup = setup.variable("REDIS_URL_FILE", &path);
        }
        assert_eq!(setup.messages(), [NEEDS_MONGO], "{place}");
        let errors = setup.errors();
        assert!(errors.contains(&format!(" --> {place}\n")), "{place} in\n{errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
        assert!(errors.contains("store.mongo.uri"), "{errors}");
    }
    let setup = Setup::empty().and("cred/redis_url", URL);
    let folder = setup.path("cred").display().to_string();
    let setup = setup.variable("CREDENTIALS_DIRECTORY", &folder);
    assert_eq!(setup.messages(), [NEEDS_MONGO]);
    assert!(setup.errors().contains(" --> cred/redis_url"), "{}", setup.errors());
    Setup::file("[bus.redis]\nprefix = \"other\"").load().unwrap();
    let both = Setup::empty()
        .variable("MONGO_URI", "mongodb://localhost")
        .variable("REDIS_URL", URL)
        .variable("SECRET_KEY", "Zk3vQ8#mW1!pL6$xR9@tN4%bJ7^cH2&dF5");
    assert!(both.load().unwrap().config.bus.redis.url.is_some());
}

#[test]
fn what_is_not_a_url_is_told_of_without_showing_it() {
    for (url, part) in [
        ("http://:hunter2@localhost", "not the URL of a Redis"),
        ("redis://:hunter2@localhost/x", "database number"),
        ("rediss://:hunter2@localhost#insecure", "SSL_CERT_FILE"),
        ("hunter2", "not the URL of a Redis"),
    ] {
        let setup = Setup::empty().variable("REDIS_URL", url);
        let file = Setup::file(format!("bus = {{ redis = {{ url = \"{url}\" }} }}"));
        for setup in [setup, file] {
            let errors = setup.errors();
            assert!(errors.contains(part) && !errors.contains("hunter2"), "{errors}");
        }
    }
    let both = Setup::file(format!("[bus.redis]\nurl = \"{URL}\"\nurl_file = \"x\"")).errors();
    assert!(both.contains("both bus.redis.url and bus.redis.url_file"), "{both}");
    let missing = Setup::empty().variable("REDIS_URL_FILE", "/nowhere/url").errors();
    assert!(missing.contains("cannot read the URL of Redis from /nowhere/url"), "{missing}");
}

#[test]
fn keys_have_bounds_and_places() {
    for (text, part) in [
        ("prefix = \"\"", "\"\" is not 1 to 64 of"),
        ("prefix = \"a:b\"", "\"a:b\" is not 1 to 64 of"),
        ("prefix = \"é\"", "is not 1 to 64 of"),
        ("pool_size = 0", "must be from 1 to 64"),
        ("queue_bytes = \"1KiB\"", "must be from 1MiB to 16GiB"),
        ("response_timeout = \"1ms\"", "must be from 100ms to 1m"),
        ("max_backof = \"1s\"", "did you mean \"max_backoff\"?"),
        ("page = 1", "it belongs in [limits]"),
        ("url_file = \"\"", "the path is empty"),
    ] {
        let errors = Setup::file(format!("[bus.redis]\n{text}")).errors();
        assert!(errors.contains(part) && errors.contains("confab.toml:2:"), "{text}:\n{errors}");
    }
    let elsewhere = Setup::file("[bus]\nqueue_bytes = \"2MiB\"").errors();
    assert!(elsewhere.contains("it belongs in [bus.redis]"), "{elsewhere}");
    let variable = Setup::empty().variable("CONFAB_REDIS__PREFIX", "x").errors();
    assert!(variable.contains("did you mean \"CONFAB_BUS__REDIS__PREFIX\"?"), "{variable}");
}

#[test]
fn misspelt_it_is_not_shown_either() {
    for text in [
        format!("[bus.redis]\nulr = \"{URL}\""),
        format!("[bus.redis]\naddress = \"{URL}\""),
        format!("[bus]\nredis = \"{URL}\""),
        format!("[bus]\nredis_url = \"{URL}\""),
        format!("redis_url = \"{URL}\""),
        format!("[bus.redis]\nurl = [\"{URL}\"]"),
        format!("[bus.redis]\nurl = \"{URL}"),
        format!("[bus.redis]\nurl = {URL}"),
    ] {
        let errors = Setup::file(&text).errors();
        assert!(!errors.contains("hunter2"), "{text}:\n{errors}");
    }
}
