//! confab: from arguments to a command.

fn main() {
    let mut config = confab::config::Config::default();
    config.store.path = std::env::args().nth(1).unwrap_or("confab-data".into()).into();
    config.server.listen = ([127, 0, 0, 1], 18080).into();
    config.server.admin_listen = ([127, 0, 0, 1], 19090).into();
    if let Err(e) = confab::app::run(config) {
        eprintln!("confab: {e}");
        std::process::exit(1)
    }
}
