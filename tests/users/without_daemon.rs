//! `confab user` on a store that no daemon uses, and on one that it cannot use.

use super::{
    support::{Daemon, client::PASSWORD, daemon::confab},
    world::{HASTY, is_good, is_refused, nodes, run, user},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_while_the_daemon_is_down_holds() {
    let mut nodes = nodes();
    nodes.truncate(1);
    let ann = nodes[0].http().register("ann");
    let bob = nodes[0].http().register("bob");
    assert!(nodes[0].stop().success());
    user(&nodes[0], &["disable", "ann"], "");
    user(&nodes[0], &["enable", "ann"], "");
    user(&nodes[0], &["add", "zoe", "--password-stdin"], PASSWORD);
    nodes[0].start_again();
    is_refused(&nodes, &ann, 401, "session_ended").await;
    is_good(&nodes, &bob).await;
    is_good(&nodes, &nodes[0].http().login("zoe")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_account_comes_before_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let command = || {
        let mut command = confab();
        command.env("CONFAB_STORE__PATH", &data).current_dir(folder.path());
        command
    };
    for arguments in [&["list"][..], &["disable", "ann"]] {
        let done = run(command(), arguments, "");
        let error = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1));
        assert!(error.contains("there is no embedded store in"), "{error}");
        assert!(!data.exists());
    }
    let done = run(command(), &["add", "ann", "--password-stdin"], PASSWORD);
    assert!(done.status.success(), "{done:?}");
    let daemon = Daemon::start_with(HASTY, Some(&data), &[]);
    daemon.http().login("ann");
}

/// A daemon of an older version, which uses the database now, would not know the new columns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_daemons_database_is_left_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let daemon = Daemon::start_with(HASTY, Some(&data), &[]);
    daemon.http().register("ann");
    let database = rusqlite::Connection::open(data.join("confab.db")).unwrap();
    database.pragma_update(None, "user_version", 3).unwrap();
    let mut command = confab();
    command.env("CONFAB_STORE__PATH", &data).current_dir(folder.path());
    let done = run(command, &["disable", "ann"], "");
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.code() == Some(1) && error.contains("restart that one"), "{error}");
}
