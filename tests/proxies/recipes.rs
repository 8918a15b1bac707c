//! The recipes of docs/tls.md, in the real proxies.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{Client, Daemon, Http, certificates::Authority, wait};

/// Where the clients are; the proxy is on 127.0.0.1.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A proxy; killed when dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The recipe in this language.
fn block(language: &str) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tls.md")).unwrap();
    let start = format!("```{language}\n");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("no {start}"));
    rest.split_once("\n```").expect("an end").0.to_owned() + "\n"
}

/// Replaces what differs on a machine; each must be there.
fn fit(recipe: &str, replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(recipe.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the recipe has no {from}:\n{text}");
        text.replace(from, to)
    })
}

struct World {
    daemon: Daemon,
    authority: Authority,
    folder: tempfile::TempDir,
    port: u16,
}

impl World {
    fn start() -> Self {
        let daemon = Daemon::start(
            "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[log]\nformat = \"json\"\n\
             [limits]\nping_interval = \"1s\"\nidle_timeout = \"20s\"\n",
        );
        let authority = Authority::new();
        let folder = tempfile::tempdir().expect("a folder");
        let issued = authority.issue("leaf", 30);
        let [certificate, key] =
            [&issued.certificate, &issued.key].map(|file| fs::read(file).unwrap());
        fs::write(folder.path().join("both.pem"), [certificate.clone(), key.clone()].concat())
            .unwrap();
        fs::write(folder.path().join("fullchain.pem"), certificate).unwrap();
        fs::write(folder.path().join("privkey.pem"), key).unwrap();
        // Free a moment ago: the proxies cannot say which one the kernel chose.
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("bound").port();
        Self { daemon, authority, folder, port }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Proxy {
        let log = fs::File::create(self.folder.path().join("log")).expect("a log");
        let mut command = Command::new(program);
        command.args(arguments).env("HOME", self.folder.path()).current_dir(self.folder.path());
        let command = command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log"));
        Proxy(command.stderr(log).spawn().unwrap_or_else(|error| panic!("{program}: {error}")))
    }

    /// A chat through the proxy, which outlasts its time limits; and who the daemon takes the
    /// clients for.
    async fn chats(&self) {
        let address = format!("127.0.0.1:{}", self.port);
        wait::until("the proxy listens", async || std::net::TcpStream::connect(&address).ok())
            .await;
        let way = self.authority.tunnel_from(CLIENT, &address).await;
        let register = |name: &'static str| {
            let way = way.clone();
            tokio::task::spawn_blocking(move || Http::new(&way).register(name))
        };
        let (ann, bob) = (register("ann").await, register("bob").await);
        let (Ok(ann), Ok(bob)) = (ann, bob) else { panic!("no account:\n{}", self.log()) };
        // What a client invents does not reach the daemon as its address.
        let path = format!("/ws/{}?token={}", bob.id, bob.token);
        // The host is passed on: else the daemon would take its own page for another site's.
        let own = format!("http://{way}");
        let headers = [("x-forwarded-for", "203.0.113.66"), ("origin", own.as_str())];
        let answer = Client::try_connect(&way, &path, &headers).await.expect("a session");
        assert_eq!(answer.status(), 101);

        let (mut ann, mut bob) =
            (Client::connect(&way, &ann).await, Client::connect(&way, &bob).await);
        ann.say("@bob", "hello").await;
        ann.next_event("message").await;
        assert_eq!(bob.next_event("message").await["content"], "hello");
        // Longer than the proxy waits for a silent connection: the daemon's pings keep it.
        let quiet = async {
            tokio::join!(
                tokio::time::timeout(Duration::from_secs(5), ann.next()),
                tokio::time::timeout(Duration::from_secs(5), bob.next()),
            )
        };
        let (a, b) = quiet.await;
        assert!(a.is_err() && b.is_err(), "they stay open, and silent: {a:?} {b:?}");
        bob.say("@ann", &"x".repeat(9000)).await;
        bob.next_event("message").await;
        assert_eq!(ann.next_event("message").await["seq"], 2);

        let log = self.daemon.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let events = lines.filter(|line| line["kind"] == "connect" || line["kind"] == "register");
        let addresses: Vec<Value> = events.map(|line| line["address"].clone()).collect();
        assert!(addresses.len() >= 5, "{log}");
        assert!(addresses.iter().all(|address| *address == json!("127.0.0.2")), "{log}");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

const LETSENCRYPT: &str = "/etc/letsencrypt/live/chat.example.org";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_carries_a_chat() {
    let world = World::start();
    let listen = format!("listen 127.0.0.1:{} ssl", world.port);
    let recipe = fit(
        &block("nginx"),
        &[
            ("listen 443 ssl", &listen),
            (LETSENCRYPT, &world.path("")),
            ("127.0.0.1:8080", world.daemon.address()),
            ("90s", "3s"),
        ],
    );
    let folder = world.path("");
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}{kind};\n"))
        .concat();
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {folder}pid;\nerror_log stderr;\n\
         events {{ worker_connections 64; }}\nhttp {{\n{temporary}{recipe}}}\n"
    );
    fs::write(world.path("nginx.conf"), whole).unwrap();
    let _proxy =
        world.run("nginx", &["-p", &folder, "-e", "stderr", "-c", &world.path("nginx.conf")]);
    world.chats().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_carries_a_chat() {
    let world = World::start();
    let bind = format!("bind 127.0.0.1:{} ", world.port);
    let recipe = fit(
        &block("haproxy"),
        &[
            ("bind :443 ", &bind),
            ("/etc/haproxy/chat.example.org.pem", &world.path("both.pem")),
            ("127.0.0.1:8080", world.daemon.address()),
            ("90s", "3s"),
        ],
    );
    fs::write(world.path("haproxy.cfg"), format!("global\n    maxconn 64\n\n{recipe}")).unwrap();
    let _proxy = world.run("haproxy", &["-db", "-f", &world.path("haproxy.cfg")]);
    world.chats().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_carries_a_chat() {
    let world = World::start();
    let site = format!(
        "https://localhost:{0}, https://127.0.0.1:{0} {{\n\tbind 127.0.0.1\n\ttls {1} {2}",
        world.port,
        world.path("fullchain.pem"),
        world.path("privkey.pem")
    );
    let recipe = fit(
        &block("caddyfile"),
        &[("chat.example.org {", &site), ("127.0.0.1:8080", world.daemon.address())],
    );
    let options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n\n";
    fs::write(world.path("Caddyfile"), format!("{options}{recipe}")).unwrap();
    let _proxy = world
        .run("caddy", &["run", "--adapter", "caddyfile", "--config", &world.path("Caddyfile")]);
    world.chats().await;
}
