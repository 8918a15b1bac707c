//! What somebody does to the files, and where verify says it was done.

use std::{ops::RangeInclusive, os::unix::fs::PermissionsExt, process::Command};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::chain::{Hash, Seal};

/// A log of one `opened` and nine messages, over several files if they are small.
fn log(max_size: &str) -> (Place, Vec<String>) {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let kit = place.started(&json!({"max_size": max_size})).await;
        write(&kit, 9).await;
        kit.stop().await;
    });
    let text: String = place.files().iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    (place, text.lines().map(|line| format!("{line}\n")).collect())
}

/// What verify says of these lines in one file, without the file's path.
fn told(lines: &[impl AsRef<str>]) -> Result<String, String> {
    let place = Place::new();
    fs::write(place.log(), lines.iter().map(AsRef::as_ref).collect::<String>()).unwrap();
    let path = format!("{}:", place.log().display());
    place.verify(&[]).map_err(|fault| fault.replace(&path, ""))
}

/// The lines in another order; counted from 1.
fn pick(lines: &[String], numbers: impl IntoIterator<Item = usize>) -> Vec<&String> {
    numbers.into_iter().map(|n| &lines[n - 1]).collect()
}

fn ten() -> RangeInclusive<usize> {
    1..=10
}

#[test]
fn each_sort_of_fault_is_told_at_its_place() {
    let (_, lines) = log("1MiB");
    assert!(told(&lines).is_ok());
    let fault = |lines: &[&String]| told(lines).unwrap_err();
    let without = |gone: RangeInclusive<usize>| ten().filter(move |n| !gone.contains(n));

    assert_eq!(
        fault(&pick(&lines, without(4..=4))),
        "4: missing: before line 5, line 4 is not there"
    );
    assert_eq!(
        fault(&pick(&lines, without(4..=6))),
        "4: missing: before line 7, lines 4 to 6 are not there"
    );
    let swapped = fault(&pick(&lines, [1, 2, 4, 3, 5, 6]));
    assert_eq!(swapped, "3: reordered: line 4 stands here, and line 3 at 4");
    let moved = fault(&pick(&lines, [1, 2, 4, 5, 6, 3, 7]));
    assert_eq!(moved, "3: reordered: line 4 stands here, and line 3 at 6");
    let doubled = fault(&pick(&lines, [1, 2, 3, 3, 4, 5]));
    assert_eq!(doubled, "4: inserted: line 4 comes after it");
    let early = fault(&pick(&lines, [1, 2, 5, 3, 4, 5, 6]));
    assert_eq!(early, "3: inserted: line 5 stands here, and line 3 at 4");
    let at_the_end = fault(&pick(&lines, [1, 2, 3, 4, 2]));
    assert_eq!(at_the_end, "5: inserted: line 2 stands here after line 4");

    let mut changed = lines.clone();
    changed[4] = changed[4].replace("\"size\":5", "\"size\":6");
    assert!(
        told(&changed).unwrap_err().starts_with("5: changed: the text of line 5 does not give")
    );
    changed[4] = "what is this\n".into();
    let nonsense = told(&changed).unwrap_err();
    assert!(nonsense.starts_with("5: changed: this is no line of an audit log"), "{nonsense}");
    changed.insert(2, "what is this\n".into());
    assert_eq!(told(&changed).unwrap_err(), "3: inserted: line 3 comes after it");
    let mut torn = lines.clone();
    torn[9].truncate(100);
    assert!(told(&torn).unwrap_err().starts_with("10: torn: the line has no end"));
}

#[test]
fn a_line_that_was_hashed_anew_does_not_fit_the_next() {
    let (_, mut lines) = log("1MiB");
    let record: Value = serde_json::from_str(&lines[4]).unwrap();
    let prev: Hash = record["prev"].as_str().unwrap().parse().unwrap();
    lines[4] = Seal::Plain.line(5, r#""kind":"message","size":1"#, prev).0;
    let fault = told(&lines).unwrap_err();
    assert_eq!(fault, "5: changed: line 6 was written after another line 5 than this");
    // As the manual says, nobody sees that of the last line.
    assert!(told(&lines[..5]).is_ok());
    let first = Seal::Plain.line(1, r#""kind":"x""#, Seal::Plain.hash(b"x")).0;
    assert!(told(&[first]).unwrap_err().starts_with("1: changed: line 1 is the first, and names"));
}

#[test]
fn a_known_head_shows_what_the_chain_cannot() {
    let (place, lines) = log("1MiB");
    let head = place.head();
    assert_eq!(place.verify(&["--head", &head]), place.verify(&[]));
    fs::write(place.log(), lines[..7].concat()).unwrap();
    assert!(place.verify(&[]).is_ok());
    let fault = place.verify(&["--head", &head]).unwrap_err();
    assert!(
        fault.ends_with(":7: truncated: the log ends with line 7, and the known head is line 10")
    );
    let seven = place.head();
    fs::write(place.log(), lines.concat()).unwrap();
    assert!(place.verify(&["--head", &seven]).is_ok(), "the log has grown since");
    let other = format!("7:{}", "0".repeat(64));
    let fault = place.verify(&["--head", &other]).unwrap_err();
    assert!(fault.contains(":7: changed: line 7 has the hash"), "{fault}");
    fs::write(place.log(), lines[8..].concat()).unwrap();
    let fault = place.verify(&["--head", &seven]).unwrap_err();
    assert!(fault.contains("line 7, is not in these files, which begin with line 9"), "{fault}");
}

#[test]
fn a_missing_file_is_missing_lines() {
    let (place, _) = log("1KiB");
    let files = place.files();
    let first = |file: &Path| lines(file)[0]["n"].as_u64().unwrap();
    let (gone, after) = (first(&files[1]), first(&files[2]));
    fs::remove_file(&files[1]).unwrap();
    let fault = place.verify(&[]).unwrap_err();
    assert!(fault.starts_with(&format!("{}:1: missing: before line {after}", files[2].display())));
    assert!(fault.contains(&gone.to_string()), "{fault}");
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let fault = |path: &Path| verify::run(&[path.into()]).unwrap_err();
    let place = Place::new();
    assert!(fault(&place.log()).contains("audit.jsonl: No such file"));
    assert!(fault(place.0.path()).contains("Is a directory"));
    fs::write(place.log(), b"\xff\xfe\n").unwrap();
    assert!(
        fault(&place.log()).contains("audit.jsonl:1: changed: this is no line of an audit log")
    );
    fs::write(place.log(), "").unwrap();
    assert_eq!(place.verify(&[]).unwrap(), "ok: no lines in 1 file\n");
}

/// The first block of this language in the manual.
fn block(language: &str) -> &'static str {
    let (_, rest) =
        include_str!("../../README.md").split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// The manual's own programs agree with `verify`, with and without a key.
#[tokio::test]
async fn a_stranger_can_verify_the_log() {
    let place = Place::new();
    let key = place.path("key");
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let python = std::env::var("CONFAB_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    fs::write(place.path("verify.py"), block("python")).unwrap();
    for keyed in [false, true] {
        for file in place.files() {
            fs::remove_file(file).unwrap();
        }
        let mut options = json!({"max_size": "2KiB", "content": true});
        let mut arguments = vec![];
        if keyed {
            options["key_file"] = json!(key);
            arguments = vec!["--key-file", key.to_str().unwrap()];
        }
        let kit = place.started(&options).await;
        kit.after(&message("né\u{202e}\u{7f}\"hash\":\"\u{1f600}"), accepted());
        write(&kit, 12).await;
        drop(kit);
        let told = place.verify(&arguments).unwrap();
        let head = told.lines().last().unwrap();
        let run = || {
            let mut python = Command::new(&python);
            python.arg(place.path("verify.py")).args(place.files());
            if keyed {
                python.env("KEY", &key);
            }
            let output = python.output().unwrap();
            (output.status.success(), String::from_utf8(output.stdout).unwrap())
        };
        assert_eq!(run(), (true, format!("{head}\n")));
        let text = fs::read_to_string(place.log()).unwrap();
        fs::write(place.log(), text.replace("\"size\":5", "\"size\":6")).unwrap();
        assert!(!run().0);
        fs::write(place.log(), text).unwrap();
    }
}

#[test]
fn a_stranger_can_hash_a_line_in_the_shell() {
    let (place, lines) = log("1MiB");
    let output = Command::new("sh").arg("-c").arg(block("sh")).current_dir(place.0.path()).output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    let line: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!(output.split(' ').next(), line["hash"].as_str());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any one byte that is changed, taken out or put in is found, at its line or the next.
    #[test]
    fn no_byte_can_be_touched(at in any::<prop::sample::Index>(), how in 0..3, with: u8) {
        let (place, lines) = log("1MiB");
        let mut bytes = lines.concat().into_bytes();
        let at = at.index(bytes.len());
        let line = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        match how {
            0 if bytes[at] == with => return Ok(()),
            0 => bytes[at] = with,
            1 => { bytes.remove(at); }
            _ => bytes.insert(at, with),
        }
        fs::write(place.log(), bytes).unwrap();
        let fault = place.verify(&[]);
        prop_assert!(fault.is_err());
        let fault = fault.unwrap_err();
        let path = format!("{}:", place.log().display());
        let place: usize = fault.replace(&path, "").split(':').next().unwrap().parse().unwrap();
        prop_assert!(place == line || place == line + 1, "line {line}: {fault}");
    }

    /// Lines in any other order, or fewer of them, are never taken for whole.
    #[test]
    fn only_the_log_itself_is_whole(order in proptest::collection::vec(1usize..=10, 1..12)) {
        let (_, lines) = log("1MiB");
        let whole = order.windows(2).all(|pair| pair[1] == pair[0] + 1);
        prop_assert_eq!(told(&pick(&lines, order)).is_ok(), whole);
    }
}
