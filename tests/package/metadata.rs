//! The list of the package's files in Cargo.toml, and those that only the package has.

use std::{collections::BTreeSet, fs, process::Command};

use toml::{Table, Value};

use crate::{confab, path, read, run};

fn manifest() -> Table {
    read("Cargo.toml").parse().unwrap()
}

/// What is packed, to where and with which mode.
fn assets() -> Vec<[String; 3]> {
    let manifest = manifest();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap().clone();
    let texts = |asset: &Value| -> [String; 3] {
        let parts = asset.as_array().unwrap().iter();
        let parts: Vec<_> = parts.map(|part| part.as_str().unwrap().to_owned()).collect();
        parts.try_into().unwrap()
    };
    assets.iter().map(texts).collect()
}

#[test]
fn every_file_of_the_package_is_there() {
    let assets = assets();
    for [source, target, mode] in &assets {
        assert_eq!(mode, if target.starts_with("usr/bin/") { "755" } else { "644" }, "{target}");
        if source.starts_with("target/") {
            continue;
        }
        match source.split_once('*') {
            None => assert!(path(source).is_file(), "{source} is missing"),
            Some((folder, ending)) => {
                let files = fs::read_dir(path(folder)).unwrap();
                let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
                assert!(names.filter(|name| name.ends_with(ending)).count() > 0, "{source}");
            }
        }
    }
    let targets: BTreeSet<_> = assets.iter().map(|asset| asset[1].clone()).collect();
    assert_eq!(targets.len(), assets.iter().filter(|asset| !asset[1].is_empty()).count());
}

/// Files below target/ are those that packaging/build-deb makes.
#[test]
fn what_is_built_is_built_by_the_script() {
    let script = read("packaging/build-deb");
    for [source, _, _] in assets() {
        let Some(built) = source.strip_prefix("target/package/") else {
            continue;
        };
        let folder = built.split('/').next().unwrap();
        assert!(script.contains(&format!("\"$stage/{folder}")), "{source}");
    }
}

/// The archive of packaging/build-static has what the package has, but for what is Debian's alone.
#[test]
fn the_archive_has_the_files_of_the_package() {
    let script = read("packaging/build-static");
    for [source, ..] in assets() {
        let ours = !source.starts_with("packaging/deb/") && !source.starts_with("target/");
        let named = script.contains(&source)
            || source.strip_prefix("config/").is_some_and(|name| script.contains(name));
        assert!(!ours || named, "{source} is not in the archive");
    }
    run(Command::new("bash").arg("-n").arg(path("packaging/build-static")));
}

#[test]
fn every_unit_is_in_the_package() {
    let units = fs::read_dir(path("systemd")).unwrap();
    let units: BTreeSet<_> = units
        .map(|file| format!("systemd/{}", file.unwrap().file_name().to_str().unwrap()))
        .collect();
    let packed = assets().into_iter().map(|[source, _, _]| source);
    let packed: BTreeSet<_> = packed.filter(|source| source.starts_with("systemd/")).collect();
    let units: BTreeSet<_> = units.into_iter().filter(|unit| !unit.ends_with(".md")).collect();
    assert_eq!(packed, units);
}

#[test]
fn the_changelog_is_of_this_version() {
    let version = manifest()["workspace"]["package"]["version"].as_str().unwrap().to_owned();
    let first = read("packaging/deb/changelog");
    assert!(first.starts_with(&format!("confab ({version}-1) ")), "{first}");
}

#[test]
fn the_scripts_are_shell_and_have_their_mark() {
    for script in ["postinst", "prerm", "postrm"] {
        let file = format!("packaging/deb/{script}");
        run(Command::new("sh").arg("-n").arg(path(&file)));
        assert!(read(&file).contains("\n#DEBHELPER#\n"), "{file}");
    }
}

#[test]
fn the_configuration_of_the_service_is_right() {
    let file = path("packaging/confab.toml");
    let [check, config] = ["check", "config"].map(|command| {
        let output = confab(["--config", file.to_str().unwrap(), command]);
        assert!(output.status.success(), "{command}: {output:?}");
        [output.stdout, output.stderr].concat()
    });
    let check = String::from_utf8(check).unwrap();
    assert!(!check.contains("warning"), "{check}");
    let config = String::from_utf8(config).unwrap();
    assert!(config.contains("path = \"/var/lib/confab\""), "{config}");
    // A service of its own folder: what the unit gives it.
    let unit = read("systemd/confab.service");
    assert!(unit.contains("\nStateDirectory=confab\n") && unit.contains("\nUser=confab\n"));
}
