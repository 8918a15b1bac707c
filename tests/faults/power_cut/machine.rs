//! A virtual machine whose power can be cut: Debian's kernel, busybox and the built daemon in
//! memory, the data on a disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{disk::Disk, image};

/// A machine takes its time to boot where there is no hardware to help.
const BOOT: Duration = Duration::from_secs(90);

/// What is needed for every boot.
pub struct Rack {
    folder: tempfile::TempDir,
    kernel: PathBuf,
}

impl Rack {
    /// Prepares what machines boot from.
    ///
    /// # Panics
    /// When something of it is missing.
    pub fn new() -> Self {
        let kernel = std::env::var_os("CONFAB_TEST_KERNEL").map(PathBuf::from).expect(
            "CONFAB_TEST_KERNEL is not set: this test needs a kernel, and tests/run fetches one",
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let memory = image::build(folder.path(), &kernel);
        fs::write(folder.path().join("initramfs"), memory).expect("written");
        let kernel = image::only(&kernel.join("boot"), "vmlinuz-");
        Self { folder, kernel }
    }

    /// An empty disk of so many MiB, formatted.
    pub fn format(&self, size: usize) -> Vec<u8> {
        let path = self.folder.path().join("disk");
        fs::write(&path, vec![0; size << 20]).expect("written");
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&path).status();
        assert!(made.expect("mkfs.ext4 runs").success());
        fs::read(&path).expect("read")
    }

    /// Boots a machine with this disk, mounted with these options, and waits until the daemon
    /// in it is ready.
    ///
    /// # Panics
    /// When it does not come up, with what it said.
    pub fn boot(&self, disk: &Disk, options: &str) -> Machine {
        let [public, admin] = [(); 2].map(|()| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address").port()
        });
        let console = self.folder.path().join("console");
        let drive = format!("file={},format=raw,if=none,id=d,cache=writeback", disk.uri());
        let forward = |port, to| format!(",hostfwd=tcp:127.0.0.1:{port}-:{to}");
        let network = format!("user,id=n{}{}", forward(public, 8080), forward(admin, 9090));
        let child = Command::new("qemu-system-x86_64")
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            // Emulated: /dev/kvm is often there and does not work where tests run.
            .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-m", "512"])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(self.folder.path().join("initramfs"))
            .args([
                "-append",
                &format!(
                    "console=ttyS0 quiet panic=-1 mitigations=off nokaslr \
                 mount={options}"
                ),
            ])
            .args(["-serial", &format!("file:{}", console.display())])
            .args(["-drive", &drive, "-device", "virtio-blk-pci,drive=d"])
            .args(["-netdev", &network, "-device", "virtio-net-pci,netdev=n,romfile="])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.folder.path().join("qemu")).expect("a file"))
            .spawn()
            .expect("qemu-system-x86_64 runs");
        let mut machine = Machine {
            child,
            public: format!("127.0.0.1:{public}"),
            admin: format!("127.0.0.1:{admin}"),
            console,
        };
        machine.wait();
        machine
    }
}

/// A running machine.
pub struct Machine {
    child: Child,
    public: String,
    admin: String,
    console: PathBuf,
}

impl Machine {
    /// The daemon's public listener, seen from here.
    pub fn address(&self) -> &str {
        &self.public
    }

    /// What the machine and the daemon said.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned()
    }

    /// How many bytes it has said: more each second while it goes on, whatever the daemon does.
    pub fn said(&self) -> u64 {
        fs::metadata(&self.console).map_or(0, |console| console.len())
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while !is_ready(&self.admin) {
            let ended = self.child.try_wait().expect("waited");
            let qemu = fs::read_to_string(self.console.with_file_name("qemu")).unwrap_or_default();
            assert!(
                ended.is_none() && started.elapsed() < BOOT,
                "the machine does not come up:\n{qemu}{}",
                self.console()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("the machine said:\n{}", self.console());
        }
    }
}

/// QEMU takes connections before the daemon does, and then cuts them.
fn is_ready(admin: &str) -> bool {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(2)));
    let agent: ureq::Agent = config.build().into();
    agent.get(format!("http://{admin}/readyz")).call().is_ok()
}

/// Where a file of this name must be among `folders`.
pub fn find(name: &str, folders: &[&str]) -> PathBuf {
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|it| it.exists());
    found.unwrap_or_else(|| panic!("{name} is missing: run tests/run"))
}
