//! The key beside the data: made once, by whoever is first, and closed to others.

use std::{
    collections::HashSet,
    os::unix::fs::{PermissionsExt, symlink},
    sync::Barrier,
    thread,
};

use super::*;

#[test]
fn a_key_is_made_once_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("not/yet/there");
    let made = secret_key_beside(&store).unwrap();
    assert_eq!(STANDARD.decode(made.expose()).unwrap().len(), 48);
    assert_eq!(secret_key_beside(&store).unwrap(), made);

    assert_eq!(entries(&store), [SECRET_KEY_FILE]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store.join(SECRET_KEY_FILE)), 0o600);
    assert_eq!(mode(&store), 0o700);

    let auth = Auth { secret_key: None, ..quick() };
    assert!(Keys::load(&auth, || secret_key_beside(&store)).is_ok());
}

#[test]
fn of_many_that_start_at_once_all_get_the_same() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let together = Barrier::new(8);
        let keys: HashSet<String> = thread::scope(|scope| {
            let start = || {
                together.wait();
                secret_key_beside(folder.path()).unwrap().expose().to_owned()
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(keys.len(), 1);
        assert_eq!(entries(folder.path()), [SECRET_KEY_FILE]);
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    secret_key_beside(folder.path()).unwrap();
    let path = folder.path().join(SECRET_KEY_FILE);
    for mode in [0o640, 0o604, 0o660, 0o622, 0o601] {
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let text = secret_key_beside(folder.path()).unwrap_err().to_string();
        assert!(text.contains(&format!("run: chmod 600 {}", path.display())), "{mode:o}: {text}");
    }
    fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    assert!(secret_key_beside(folder.path()).is_ok());
}

#[test]
fn what_is_no_key_is_refused_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SECRET_KEY_FILE);
    let put = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    };
    for (bytes, said) in [
        (&b""[..], "has 0 bytes, fewer than 32"),
        (b"  short \n", "has 5 bytes, fewer than 32"),
        (&[0xff; 64], "UTF-8"),
    ] {
        put(bytes);
        let text = secret_key_beside(folder.path()).unwrap_err().to_string();
        assert!(text.contains(said) && text.contains("secret_key: "), "{text}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    put(format!("{SECRET}\n").as_bytes());
    assert_eq!(secret_key_beside(folder.path()).unwrap().expose(), SECRET);

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    let text = secret_key_beside(folder.path()).unwrap_err().to_string();
    assert!(text.ends_with("is not a file"), "{text}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let text = secret_key_beside(&file).unwrap_err().to_string();
    assert!(text.starts_with("the secret key, ") && text.contains("file/secret_key: "), "{text}");

    // A dangling link is neither followed into nor replaced.
    let linked = folder.path().join("linked");
    fs::create_dir(&linked).unwrap();
    symlink("nowhere", linked.join(SECRET_KEY_FILE)).unwrap();
    assert!(secret_key_beside(&linked).is_err());
    assert_eq!(entries(&linked), [SECRET_KEY_FILE]);
}
