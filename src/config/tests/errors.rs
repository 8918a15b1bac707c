//! What is said of a configuration that is wrong.

use super::support::Setup;

#[test]
fn everything_wrong_is_told_at_once() {
    let setup = Setup::file(
        "\
[server]
lisen = \"127.0.0.1:8080\"
web = \"yes\"

[limits]
frame = \"5 apples\"
page = 0

[log]
format = \"jsno\"

[[plugins]]
use = \"filter\"
[plugins.options]
dney = [\"x\"]

[[plugins]]
use = \"lgo\"
",
    )
    .variable("CONFAB_LIMITS__FRAME_RATE", "many");
    assert_eq!(
        setup.errors(),
        r#"error: unknown key "lisen" in [server], did you mean "listen"?
 --> confab.toml:2:1
  |
2 | lisen = "127.0.0.1:8080"
  | ^^^^^

error: expected true or false, found "yes"
 --> confab.toml:3:7
  |
3 | web = "yes"
  |       ^^^^^

error: "5 apples" is not a size: write a number and a unit, such as "512B", "64KiB" or "16MB"
 --> confab.toml:6:9
  |
6 | frame = "5 apples"
  |         ^^^^^^^^^^

error: must be from 1 to 1000, and is 0
 --> confab.toml:7:8
  |
7 | page = 0
  |        ^

error: unknown value "jsno", did you mean "json"?
  --> confab.toml:10:10
   |
10 | format = "jsno"
   |          ^^^^^^
   = help: one of text, json, journald, auto

error: unknown key "dney" in [plugins.options], did you mean "deny"?
  --> confab.toml:15:1
   |
15 | dney = ["x"]
   | ^^^^

error: unknown plugin "lgo", did you mean "log"?
  --> confab.toml:18:7
   |
18 | use = "lgo"
   |       ^^^^^
   = help: compiled in are filter, log, metrics

error: expected a whole number, found "many"
 --> variable CONFAB_LIMITS__FRAME_RATE

8 errors in the configuration"#
    );
}

/// What is said first of a file with this text, with its place.
fn first(text: &str) -> String {
    let errors = Setup::file(text).errors();
    let mut lines = errors.lines();
    let message = lines.next().unwrap().strip_prefix("error: ").unwrap().to_owned();
    let place = lines.next().unwrap().trim();
    format!("{message} @ {}", place.strip_prefix("--> confab.toml").unwrap())
}

#[test]
fn each_is_told_at_its_place() {
    for (text, said) in [
        ("[servre]", "unknown key \"servre\" at the top level, did you mean \"server\"? @ :1:2"),
        ("listen = 1", "unknown key \"listen\" at the top level, it belongs in [server] @ :1:1"),
        ("[log]\npage = 1", "unknown key \"page\" in [log], it belongs in [limits] @ :2:1"),
        ("server = 5", "expected a table, found the number 5 @ :1:10"),
        (
            "server.listen = \"x\"",
            "\"x\" is not an address: write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\" @ :1:17",
        ),
        ("limits.page = 1.5", "expected a whole number, found the number 1.5 @ :1:15"),
        ("limits.page = -1", "must be at least 0, and is -1 @ :1:15"),
        ("limits.page = 99999999999999999999", "a number out of range @ :1:15"),
        (
            "log.level = 1979-05-27",
            "no key takes a date or a time: if text is meant, put it in quotes @ :1:13",
        ),
        (
            "log.level = \"inof\"",
            "\"inof\" is not a log level, did you mean \"info\"?; write a level, such as info, or \"info,confab::http=debug\" @ :1:13",
        ),
        ("store.path = ''", "the path is empty @ :1:14"),
        (
            "server = { listen = 5, wbe = true }",
            "expected an address such as \"127.0.0.1:8080\", found the number 5 @ :1:21",
        ),
        (
            "server.allowed_origins = [\"https://a.example\", \"https://b.example/\"]",
            "\"https://b.example/\" is more than an origin: write \"https://b.example\" @ :1:48",
        ),
        ("server.allowed_origins = [\n  5,\n]", "expected a string, found the number 5 @ :2:3"),
        ("a = 1\na = 2", "duplicate key @ :2:1"),
        (
            "[server]\r\n\tlisten = 5",
            "expected an address such as \"127.0.0.1:8080\", found the number 5 @ :2:11",
        ),
        (
            "\u{feff}[server]\nlisten = 'é' # é\nwbe = 1",
            "\"é\" is not an address: write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\" @ :2:10",
        ),
        ("plugins = 5", "expected an array, found the number 5 @ :1:11"),
        ("plugins = [5]", "expected a table, found the number 5 @ :1:12"),
        ("[[plugins]]\nname = \"x\"", "\"use\" is missing in [[plugins]] @ :1:1"),
        (
            "[[plugins]]\nuse = \"log\"\nname = \"No Name\"",
            "\"No Name\" is no name: take 1 to 64 of a-z 0-9 . _ - @ :3:8",
        ),
        (
            "[[plugins]]\nuse = \"log\"\non = []",
            "an entry for no kind of event does nothing: name one, or leave the key out @ :3:6",
        ),
        (
            "[[plugins]]\nuse = \"log\"\non = [\"seen\", \"seen\"]",
            "\"seen\" is named twice @ :3:15",
        ),
        (
            "[[plugins]]\nuse = \"log\"\non = [\"messsage\"]",
            "unknown value \"messsage\", did you mean \"message\"? @ :3:7",
        ),
        (
            "[[plugins]]\nuse = \"log\"\ntimeout = \"2m\"",
            "must be from 1ms to 1m, and is 2m @ :3:11",
        ),
        (
            "[[plugins]]\nuse = \"log\"\n[[plugins]]\nuse = \"log\"",
            "a second entry of the chain is called \"log\" @ :4:7",
        ),
        (
            "[[plugins]]\nuse = \"filter\"\noptions.most = 256",
            "must be at most 255, and is 256 @ :3:16",
        ),
        (
            "[[plugins]]\nuse = \"filter\"\noptions.action = \"hide\"",
            "unknown value \"hide\" @ :3:18",
        ),
        (
            "[[plugins]]\nuse = \"filter\"\noptions.deny = [\"a\", \"(\"]",
            "the parenthesis is not closed @ :3:22",
        ),
        (
            "[[plugins]]\nuse = \"filter\"\noptions.deny = [\"panic\"]",
            "the plugin filter panicked over its options @ :3:1",
        ),
        (
            "[[plugins]]\nuse = \"filter\"\n[plugins.options.part]\ntype = \"head\"\nlength = 1\nlenght = 1",
            "unknown key \"lenght\" in [plugins.options.part], did you mean \"length\"? @ :6:1",
        ),
        ("[[plugins]]\nuse = \"filter\"\ndeny = []", "unknown key \"deny\" in [[plugins]] @ :3:1"),
    ] {
        assert_eq!(first(text), said, "{text}");
    }
}

#[test]
fn rules_between_keys() {
    for (text, said) in [
        ("limits.frame = \"8KiB\"", "content (16KiB) must not be larger than frame (8KiB) @ :1:16"),
        (
            "limits = { content = \"2MiB\", frame = \"1MiB\" }",
            "content (2MiB) must not be larger than frame (1MiB) @ :1:22",
        ),
        (
            "limits.outbox = \"16KiB\"",
            "frame (64KiB) must not be larger than outbox (16KiB) @ :1:17",
        ),
        ("limits.sync = \"4MiB\"", "sync (4MiB) must not be larger than outbox (2MiB) @ :1:15"),
        (
            "limits.idle_timeout = \"25s\"",
            "idle_timeout (25s) must be longer than ping_interval (25s) @ :1:23",
        ),
        (
            "auth.max_token_lifetime = \"1h\"",
            "token_lifetime (1day) must not be longer than max_token_lifetime (1h) @ :1:27",
        ),
        (
            "server.admin_listen = \"0.0.0.0:8080\"",
            "listen (127.0.0.1:8080) and admin_listen (0.0.0.0:8080) need ports of their own @ :1:23",
        ),
        ("auth.algorithm = \"EdDSA\"", "the algorithm EdDSA needs private_key_file @ :1:18"),
        (
            "auth.private_key_file = \"x\"",
            "private_key_file is of no use with the algorithm HS256 @ :1:25",
        ),
    ] {
        assert_eq!(first(text), said, "{text}");
    }
    for good in [
        "server = { listen = \"127.0.0.1:0\", admin_listen = \"127.0.0.1:0\" }",
        "server = { listen = \"127.0.0.1:80\", admin_listen = \"127.0.0.2:80\" }",
        "auth = { algorithm = \"RS256\", private_key_file = \"a\", public_key_file = \"b\" }",
    ] {
        let mut setup = Setup::file(good);
        setup.flags.no_secrets = true;
        setup.load().unwrap();
    }
    // What frame should have been is not known, so content is not held against it.
    let said = Setup::file("limits = { frame = \"x\", content = \"1MiB\" }").messages();
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn a_rule_is_told_of_where_the_latest_layer_broke_it() {
    let setup = Setup::file("limits.content = \"64KiB\"").variable("CONFAB_LIMITS__FRAME", "32KiB");
    assert!(setup.errors().contains(" --> variable CONFAB_LIMITS__FRAME\n"));
}

#[test]
fn all_syntax_errors_of_a_file_and_the_rest_of_the_layers() {
    let setup = Setup::file("[server\nlisten == 1\n[log]\nlevel = info\n")
        .variable("CONFAB_SERVER_LISTEN", "x")
        .variable("MONGO_URI", "mongodb://me:hunter2@localhost")
        .variable("MONGO_DB", "chat")
        .variable("CONFAB_PLUGINS__0", "x")
        .variable("CONFAB_NONSENSE", "x");
    let said = setup.errors();
    for part in [
        "confab.toml:1:8",
        "confab.toml:2:9",
        "confab.toml:4:9",
        "did you mean \"CONFAB_SERVER__LISTEN\"?",
        "the chain is given in a file only",
        "a variable for a key is CONFAB_SECTION__KEY",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(!said.contains("hunter2"));
}

#[test]
fn files_that_cannot_be_read() {
    let mut setup = Setup::empty().and("folder/file", "");
    let mut said = |path: &str| {
        setup.flags.config = Some(setup.path(path));
        setup.errors()
    };
    let missing = said("missing.toml");
    assert!(
        missing.contains("cannot read the configuration file")
            && missing.contains("--> flag --config"),
        "{missing}"
    );
    assert!(said("folder").contains("it is a directory"));
    // Nobody, not even root, can follow a link to itself.
    let setup = Setup::empty();
    std::os::unix::fs::symlink("confab.toml", setup.path("confab.toml")).unwrap();
    assert!(setup.errors().contains("--> confab.toml"));
    let setup = Setup::empty().variable("CONFAB_CONFIG", "/nowhere/confab.toml");
    assert!(setup.errors().contains("--> variable CONFAB_CONFIG"));
    let setup = Setup::empty().variable("CONFAB_CONFIG", "");
    assert!(setup.errors().contains("names no file"));
    let setup = Setup::file(format!("#{}", "x".repeat(1024 * 1024)));
    assert!(setup.errors().contains("it is larger than 1024 KiB"));
    let setup = Setup::file(b"a = 1\nb = \"\xff\"");
    assert!(setup.errors().contains("not UTF-8 here\n --> confab.toml:2:6"));
    let setup = Setup::file("").and("conf.d", "not a folder");
    assert!(setup.errors().contains("cannot read the folder"));
    let setup = Setup::file("").and("conf.d/dir.toml/x", "");
    assert!(setup.errors().contains("it is a directory"));
    Setup::file("").load().unwrap();
    Setup::file("# nothing\r\n").load().unwrap();
}
