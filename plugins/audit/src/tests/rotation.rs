//! Full files are put aside, and the chain goes on.

use serde_json::json;

use super::*;

fn names(place: &Place) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    place.files().iter().map(name).collect()
}

#[tokio::test]
async fn the_chain_goes_on_over_files() {
    let place = Place::new();
    let kit = place.started(&json!({"max_size": "1KiB"})).await;
    write(&kit, 10).await;
    kit.stop().await;
    let names = names(&place);
    assert!(names.len() > 3 && names[0] == "audit-0000000000000001.jsonl", "{names:?}");
    let mut next = 1;
    let mut prev = json!("0".repeat(64));
    for file in place.files() {
        assert!(fs::metadata(&file).unwrap().len() <= 1024);
        let lines = lines(&file);
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name == "audit.jsonl" || name.contains(&format!("-{next:016}.")), "{name}");
        for line in lines {
            assert_eq!((&line["n"], &line["prev"]), (&json!(next), &prev));
            (next, prev) = (next + 1, line["hash"].clone());
        }
    }
    assert_eq!(next, 12);
    let told = place.verify(&[]).unwrap();
    assert!(told.starts_with(&format!("ok: 11 lines in {} files, 1 to 11\n", names.len())));
}

#[tokio::test]
async fn verify_takes_the_files_in_any_order() {
    let place = Place::new();
    let kit = place.started(&json!({"max_size": "1KiB"})).await;
    write(&kit, 10).await;
    fs::write(place.path("audit-empty.jsonl"), "").unwrap();
    let mut files = place.files();
    let told = place.verify(&[]);
    assert!(told.is_ok(), "{told:?}");
    for _ in 0..files.len() {
        files.rotate_left(1);
        let twice = files.iter().chain(&files).map(Into::into).collect::<Vec<_>>();
        assert_eq!(verify::run(&twice), told);
    }
}

#[tokio::test]
async fn old_files_go_as_keep_says() {
    let place = Place::new();
    let kit = place.started(&json!({"max_size": "1KiB", "keep": 2})).await;
    write(&kit, 30).await;
    let names = names(&place);
    assert_eq!(names.len(), 3, "{names:?}");
    let removed: Vec<_> = place.files().iter().flat_map(|file| lines(file)).collect();
    let told = removed.iter().filter(|line| line["kind"] == "removed").count();
    assert!(told >= 2, "{told}");
    let told = place.verify(&[]).unwrap();
    assert!(told.contains("older lines, before line "), "{told}");
}

#[tokio::test]
async fn a_rotation_that_a_crash_cut_off_is_finished() {
    let place = Place::new();
    let kit = place.started(&json!({})).await;
    write(&kit, 3).await;
    drop(kit);
    // The daemon fell between the two renamings.
    fs::rename(place.log(), place.path("audit-0000000000000001.jsonl")).unwrap();
    fs::write(place.path("audit.jsonl.next"), "").unwrap();
    let kit = place.started(&json!({"max_size": "1KiB"})).await;
    write(&kit, 8).await;
    assert!(place.verify(&[]).unwrap().starts_with("ok: 13 lines"));
    assert_eq!(names(&place)[1], "audit-0000000000000005.jsonl");
}

#[tokio::test]
async fn a_rotation_that_cannot_be_done_loses_no_line() {
    let place = Place::new();
    let kit = place.started(&json!({"max_size": "1KiB"})).await;
    let taken = place.path("audit-0000000000000001.jsonl");
    fs::create_dir(&taken).unwrap();
    write(&kit, 10).await;
    assert_eq!(place.lines().len(), 11);
    fs::remove_dir(&taken).unwrap();
    write(&kit, 10).await;
    assert!(names(&place).len() > 1);
    assert!(place.verify(&[]).unwrap().starts_with("ok: 21 lines"));
}
