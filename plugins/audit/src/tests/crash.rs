//! What a crash leaves, and what the next start makes of it.

use std::io::Write as _;

use serde_json::json;

use super::*;

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_torn_line_is_moved_aside_and_told() {
    let place = Place::new();
    let kit = place.started(&json!({})).await;
    write(&kit, 2).await;
    drop(kit);
    let before = fs::read(place.log()).unwrap();
    for torn in [&b"{\"n\":4,\"at\":\"20"[..], b"\0\0\0\0", &vec![b'x'; 200_000]] {
        fs::write(place.log(), &before).unwrap();
        append(&place.log(), torn);
        let fault = place.verify(&[]).unwrap_err();
        assert!(fault.starts_with(&format!("{}:4: torn: ", place.log().display())), "{fault}");

        let kit = place.started(&json!({})).await;
        write(&kit, 1).await;
        let expected = ["opened", "message", "message", "recovered", "opened", "message"];
        assert_eq!(place.kinds(), expected);
        assert!(fs::read(place.log()).unwrap().starts_with(&before), "nothing else is lost");
        let recovered = place.lines()[3].clone();
        assert_eq!(recovered["bytes"], torn.len());
        let kept = place.path(recovered["kept"].as_str().unwrap());
        assert_eq!(fs::read(kept).unwrap(), torn);
        let told = place.verify(&[]).unwrap();
        assert!(told.contains("a torn line was moved aside 1 time, after a crash"), "{told}");
    }
}

#[tokio::test]
async fn a_first_line_may_be_torn() {
    let place = Place::new();
    fs::write(place.log(), "{\"n\":1").unwrap();
    let _kit = place.started(&json!({})).await;
    assert_eq!(place.kinds(), ["recovered", "opened"]);
    assert!(place.verify(&[]).is_ok());
}

#[tokio::test]
async fn a_log_that_was_changed_at_its_end_does_not_go_on() {
    let place = Place::new();
    let kit = place.started(&json!({})).await;
    write(&kit, 1).await;
    drop(kit);
    let good = fs::read_to_string(place.log()).unwrap();
    let refused = async |text: &str| {
        fs::write(place.log(), text).unwrap();
        let why = place.kit(&json!({})).start().await.unwrap_err().to_string();
        assert_eq!(fs::read_to_string(place.log()).unwrap(), text, "it is left as it was");
        why
    };
    let why = refused(&good.replace("\"size\":5", "\"size\":6")).await;
    assert!(why.contains("line 2, the last of the audit log"), "{why}");
    let why = refused("[section]\nkey = 1\n").await;
    assert!(why.contains("is not an audit log, or is damaged"), "{why}");
    let why = refused(&format!("garbage\n{good}")).await;
    assert!(why.contains("is not an audit log, or is damaged"), "{why}");
}

#[tokio::test]
async fn what_is_no_file_is_left_alone() {
    let place = Place::new();
    let start = async || place.kit(&json!({})).start().await.unwrap_err().to_string();
    fs::create_dir(place.log()).unwrap();
    assert!(start().await.contains("is not a plain file"));
    fs::remove_dir(place.log()).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.log()).unwrap();
    assert!(start().await.contains("is not a plain file"));
    assert!(!place.path("elsewhere").exists());

    fs::write(place.path("plain"), "").unwrap();
    let below = place.kit(&json!({"path": place.path("plain/audit.jsonl")}));
    let why = below.start().await.unwrap_err().to_string();
    assert!(why.contains("let the daemon's user write there, or set another path"), "{why}");
}
