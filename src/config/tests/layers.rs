//! Which layer wins, and where secrets come from.

use std::time::Duration;

use super::support::Setup;
use crate::config::{Algorithm, Origin};

const KEY: &str = "Zk3vQ8#mW1!pL6$xR9@tN4%bJ7^cH2&dF5";
const OTHER: &str = "aT5&gB8*nU2(jM6)kI9_oL3+pQ7=wE1-rY4";

#[test]
fn later_layers_win() {
    let mut setup = Setup::file("[log]\nlevel = \"warn\"\n[limits]\npage = 1\nunread = 5\n[bus]\nredis = { queue = 2, batch = 2 }\n")
        .and("conf.d/20.toml", "limits.page = 3\n[bus.redis]\nbatch = 3")
        .and("conf.d/10.toml", "limits.page = 2\nlimits.unread = 6")
        .and("conf.d/.hidden.toml", "nonsense")
        .and("conf.d/notes.txt", "nonsense");
    let page = |setup: &Setup| setup.load().unwrap().config.limits.page;
    let level = |setup: &Setup| setup.load().unwrap().config.log.level;
    assert_eq!(page(&setup), 3);
    let loaded = setup.load().unwrap();
    assert_eq!(loaded.config.limits.unread, 6);
    let file = |name: &str, line| Origin::File(setup.path(name), line);
    assert_eq!(loaded.origins.of("limits.page"), &file("conf.d/20.toml", 1));
    assert_eq!(loaded.origins.of("limits.unread"), &file("conf.d/10.toml", 2));
    assert_eq!(loaded.origins.of("log.level"), &file("confab.toml", 2));
    assert_eq!(loaded.origins.of("log.format"), &Origin::Default);
    assert_eq!(loaded.origins.of("bus.redis.batch"), &file("conf.d/20.toml", 3));
    assert_eq!(loaded.origins.of("bus.redis.queue"), &file("confab.toml", 7));
    assert_eq!((loaded.config.bus.redis.batch, loaded.config.bus.redis.queue), (3, 2));
    assert_eq!(loaded.config.bus.redis.pool_size, 4);
    assert_eq!(loaded.files.len(), 3);

    assert_eq!(level(&setup), "warn");
    setup = setup.variable("RUST_LOG", "error");
    assert_eq!(level(&setup), "error");
    setup = setup.variable("CONFAB_LOG__LEVEL", "debug");
    assert_eq!(level(&setup), "debug");
    setup.flags.log_level = Some("trace".into());
    assert_eq!(level(&setup), "trace");
    assert_eq!(setup.load().unwrap().origins.of("log.level"), &Origin::Flag("--log-level"));
}

#[test]
fn variables_of_every_type() {
    let setup = Setup::empty()
        .variable("CONFAB_SERVER__WEB", "false")
        .variable("CONFAB_SERVER__LISTEN", "[::1]:0")
        .variable("CONFAB_SERVER__ALLOWED_ORIGINS", "https://a.example, https://b.example")
        .variable("CONFAB_SERVER__DRAIN_GRACE", "1m 5s")
        .variable("CONFAB_LIMITS__FRAME_RATE", "5")
        .variable("CONFAB_LIMITS__BODY", "2KiB")
        .variable("CONFAB_STORE__PATH", "/data")
        .variable("CONFAB_AUTH__ISSUER", "5")
        .variable("ALGORITHM", "HS512")
        .variable("RUST_LOG", "")
        .variable("MONGO_URI", "")
        .variable("REDIS_URL", "")
        .variable("CONFAB_BUS__REDIS__QUEUE_BYTES", "2MiB")
        .variable("CONFAB_BUS__REDIS__PREFIX", "chat.2")
        .variable("CONFAB_PORT", "tcp://10.0.0.1:8080")
        .variable("HOME", "/root");
    let config = setup.load().unwrap().config;
    assert!(!config.server.web);
    assert_eq!(config.server.listen, "[::1]:0".parse().unwrap());
    assert_eq!(config.server.allowed_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.server.drain_grace.0, Duration::from_secs(65));
    assert_eq!(config.limits.frame_rate, 5);
    assert_eq!(config.limits.body.0, 2048);
    assert_eq!(config.store.path.as_os_str(), "/data");
    assert_eq!(config.auth.issuer, "5");
    assert_eq!(config.bus.redis.queue_bytes.0, 2 * 1024 * 1024);
    assert_eq!((config.bus.redis.prefix.as_str(), config.bus.redis.url), ("chat.2", None));
    assert_eq!(config.auth.algorithm, Algorithm::HS512);
    assert_eq!(config.log.level, "info");
}

#[test]
fn flags_name_files_and_keys() {
    let mut setup = Setup::file("limits.page = 1")
        .and("a.toml", "limits.page = 2")
        .and("b.toml", "limits.page = 3")
        .variable("CONFAB_CONFIG", "placeholder");
    setup.variables[0].1 = setup.path("a.toml").display().to_string();
    assert_eq!(setup.load().unwrap().config.limits.page, 2);
    setup.flags.config = Some(setup.path("b.toml"));
    setup.flags.listen = Some("127.0.0.1:1".into());
    setup.flags.admin_listen = Some("127.0.0.1:2".into());
    setup.flags.data = Some("there".into());
    let loaded = setup.load().unwrap();
    assert_eq!(loaded.config.limits.page, 3);
    assert_eq!(loaded.config.server.listen.port(), 1);
    assert_eq!(loaded.config.server.admin_listen.port(), 2);
    assert_eq!(loaded.config.store.path.as_os_str(), "there");
}

#[test]
fn chains_of_files_follow_each_other_and_replace_the_default() {
    let labels = |setup: &Setup| -> Vec<String> {
        let entries = setup.load().unwrap().config.plugins;
        entries.iter().map(|entry| entry.label().to_owned()).collect()
    };
    assert_eq!(labels(&Setup::empty()), ["metrics", "log"]);
    let setup = Setup::file("[[plugins]]\nuse = \"log\"")
        .and("conf.d/b.toml", "[[plugins]]\nuse = \"filter\"\nname = \"b\"\noptions.deny = [\"x\"]")
        .and("conf.d/a.toml", "\n[[plugins]]\nuse = \"filter\"\nname = \"a\"");
    assert_eq!(labels(&setup), ["log", "a", "b"]);
    let loaded = setup.load().unwrap();
    let origin = |path: &str| loaded.origins.of(path).clone();
    assert_eq!(origin("plugins[1].use"), Origin::File(setup.path("conf.d/a.toml"), 3));
    assert_eq!(origin("plugins[2].options.deny"), Origin::File(setup.path("conf.d/b.toml"), 4));
    assert_eq!(origin("plugins[2].mode"), Origin::Default);
    assert_eq!(labels(&Setup::file("plugins = []")), [""; 0]);
}

#[test]
fn the_secret_key_is_the_last_one_given() {
    let key = |setup: &Setup| {
        let loaded = setup.load().unwrap();
        let key = loaded.config.auth.secret_key.as_ref().map(|key| key.expose().to_owned());
        (key, loaded.origins.of("auth.secret_key").clone())
    };
    assert_eq!(key(&Setup::empty()), (None, Origin::Default));

    let setup = Setup::empty().and("cred/secret_key", format!("{KEY}\n"));
    let folder = setup.path("cred").display().to_string();
    let setup = setup.variable("CREDENTIALS_DIRECTORY", &folder);
    assert_eq!(key(&setup), (Some(KEY.into()), Origin::Credential("secret_key")));
    let mut unread = Setup::empty().variable("CREDENTIALS_DIRECTORY", &folder);
    unread.flags.no_secrets = true;
    assert_eq!(key(&unread).0, None);

    let setup = setup.and("confab.toml", format!("auth.secret_key = '{OTHER}'"));
    assert_eq!(key(&setup).0, Some(OTHER.into()));

    let setup = setup.and("key", format!("{KEY}\r\n"));
    let file = setup.path("key");
    let setup = setup.variable("SECRET_KEY_FILE", &file.display().to_string());
    assert_eq!(key(&setup), (Some(KEY.into()), Origin::Contents(file.clone())));
    assert_eq!(setup.load().unwrap().config.auth.secret_key_file, Some(file));

    let setup = setup.variable("CONFAB_AUTH__SECRET_KEY", OTHER);
    let loaded = setup.load().unwrap();
    assert_eq!(key(&setup).0, Some(OTHER.into()));
    assert_eq!(loaded.config.auth.secret_key_file, None);
    assert!(!format!("{:?}", loaded.config).contains(OTHER));
    assert!(!format!("{:?}", setup.environment()).contains(OTHER));
}

#[test]
fn key_files_are_left_alone_without_secrets() {
    let mut setup = Setup::file("auth.secret_key_file = \"/nowhere/key\"");
    assert!(setup.load().is_err());
    setup.flags.no_secrets = true;
    let auth = setup.load().unwrap().config.auth;
    assert_eq!(auth.secret_key, None);
    assert_eq!(auth.secret_key_file, Some("/nowhere/key".into()));
}

#[test]
fn what_is_odd_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;

    let warnings = |setup: &Setup| -> Vec<String> {
        let warnings = setup.load().unwrap().warnings;
        warnings.iter().map(|warning| warning.message().to_owned()).collect()
    };
    let orphan = Setup::empty().and("conf.d/a.toml", "limits.page = 1");
    assert!(warnings(&orphan)[0].contains("are not read"));
    assert_eq!(orphan.load().unwrap().config.limits.page, 100);

    let setup = Setup::file(format!("auth.secret_key = '{KEY}'"));
    let mode = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(setup.path("confab.toml"), permissions).unwrap();
    };
    mode(0o644);
    assert!(warnings(&setup)[0].contains("everybody on this machine"));
    let shown = setup.load().unwrap().warnings[0].render(false);
    assert!(shown.contains("auth.secret_key = [redacted]"), "{shown}");
    mode(0o600);
    assert_eq!(warnings(&setup), [""; 0]);

    let origins = Setup::file("server.allowed_origins = ['*', 'https://a.example']");
    assert!(warnings(&origins)[0].contains("allows all origins"));
    let mut unused = Setup::file(
        "auth = { algorithm = 'EdDSA', private_key_file = 'a', public_key_file = 'b', secret_key = 'x' }",
    );
    unused.flags.no_secrets = true;
    assert_eq!(warnings(&unused), ["secret_key is of no use with the algorithm EdDSA"]);
}
