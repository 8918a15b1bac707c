//! How much memory the process may use: what its control group allows, or what the machine has.

use std::{fs, path::Path};

use super::sample::gauge;

/// Where control groups of version 2 are.
const GROUPS: &str = "/sys/fs/cgroup";

/// Adds the metric to `text`.
pub fn write(text: &mut String) {
    let info = rustix::system::sysinfo();
    let machine = info.totalram.saturating_mul(u64::from(info.mem_unit));
    let help = "The memory that the process may use: of its control group, or of the machine.";
    gauge(text, "confab_memory_limit_bytes", help, group().unwrap_or(machine).min(machine) as f64);
}

/// The least that the process's control group and those above it allow.
fn group() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = Path::new(GROUPS).join(path);
    let above = folder.ancestors().take_while(|folder| folder.starts_with(GROUPS));
    above.filter_map(allowed).min()
}

/// What a control group itself allows; `None` for no bound.
fn allowed(folder: &Path) -> Option<u64> {
    fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_allows_a_number_or_anything() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(allowed(folder.path()), None);
        fs::write(folder.path().join("memory.max"), "max\n").unwrap();
        assert_eq!(allowed(folder.path()), None);
        fs::write(folder.path().join("memory.max"), "268435456\n").unwrap();
        assert_eq!(allowed(folder.path()), Some(256 << 20));
    }

    #[test]
    fn there_is_some_memory() {
        let mut text = String::new();
        write(&mut text);
        let value = text.lines().find_map(|line| line.strip_prefix("confab_memory_limit_bytes "));
        assert!(value.unwrap().parse::<f64>().unwrap() > 1e6, "{text}");
    }
}
