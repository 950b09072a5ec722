//! The memory of this process, as the system reports it: the machine's memory, the limits of its control groups (version 1 or
//! 2) and the limit of its address space.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Bytes that the process may use if other processes use none.
pub(crate) fn total() -> Option<usize> {
    let machine = system_bytes("/proc/meminfo", "MemTotal:");
    let groups = groups().into_iter().map(|group| group.limit);
    machine.into_iter().chain(groups).chain(address_space()).min()
}

/// Bytes that are free now without swapping.
pub(crate) fn available() -> Option<usize> {
    let machine = system_bytes("/proc/meminfo", "MemAvailable:");
    let groups = groups().into_iter().map(|group| group.left);
    let mapped = system_bytes("/proc/self/status", "VmSize:").unwrap_or(0);
    let addresses = address_space().map(|limit| limit.saturating_sub(mapped));
    machine.into_iter().chain(groups).chain(addresses).min()
}

/// A count of KiB in one of the system's files, in bytes.
fn system_bytes(account: &str, name: &str) -> Option<usize> {
    let text = read_to_string(account).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The limit of the address space (`ulimit -v`).
fn address_space() -> Option<usize> {
    let text = read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A control group that limits memory.
struct Group {
    limit: usize,
    /// Bytes that its processes do not use. Inactive pages of files are free: the system reclaims them first.
    left: usize,
}

/// Names of the files of a version of control groups.
struct Names {
    root: &'static str,
    limit: &'static str,
    used: &'static str,
    idle_files: &'static str,
}

const V1: Names = Names {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    idle_files: "total_inactive_file",
};
const V2: Names = Names {
    root: "/sys/fs/cgroup",
    limit: "memory.max",
    used: "memory.current",
    idle_files: "inactive_file",
};

/// The control groups of this process that limit memory, from its own to the outermost that it sees.
fn groups() -> Vec<Group> {
    let text = read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some((names, path)) = memory_group(&text) else {
        return Vec::new();
    };
    folders(Path::new(names.root), path)
        .iter()
        .filter_map(|folder| group(folder, names))
        .collect()
}

/// Version and path of the memory control group, from the lines of `/proc/self/cgroup`: `7:memory:/a` or `0::/a`.
fn memory_group(text: &str) -> Option<(&'static Names, &str)> {
    let lines = || text.lines().map(|line| line.splitn(3, ':').collect::<Vec<_>>());
    let first = lines().find_map(|parts| match parts[..] {
        [_, controllers, path] if controllers.split(',').any(|c| c == "memory") => Some((&V1, path)),
        _ => None,
    });
    first.or_else(|| {
        lines().find_map(|parts| match parts[..] {
            ["0", "", path] => Some((&V2, path)),
            _ => None,
        })
    })
}

/// The folders of a group and of its ancestors. In a container the group may be at the root, and not at its path.
fn folders(root: &Path, path: &str) -> Vec<PathBuf> {
    let own = root.join(path.trim_start_matches('/'));
    let around = own.ancestors().take_while(|folder| folder.starts_with(root));
    around.map(Path::to_path_buf).collect()
}

fn group(folder: &Path, names: &Names) -> Option<Group> {
    let number = |name: &str| {
        read_to_string(folder.join(name))
            .ok()?
            .trim()
            .parse::<usize>()
            .ok()
    };
    // No limit is `max` in version 2, and a number larger than any machine's memory in version 1.
    let limit = number(names.limit).filter(|&limit| limit < 1 << 60)?;
    let stat = read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let idle = stat.lines().find_map(|line| {
        let (name, count) = line.split_once(' ')?;
        (name == names.idle_files).then(|| count.parse::<usize>().ok())?
    });
    let held = number(names.used).unwrap_or(0).saturating_sub(idle.unwrap_or(0));
    let left = limit.saturating_sub(held);
    Some(Group { limit, left })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_machine_says_what_it_has() {
        let (total, available) = (total().unwrap(), available().unwrap());
        assert!(total > 1 << 26 && available <= total, "{available} of {total}");
    }

    #[test]
    fn groups_of_both_versions_are_found() {
        let of = |text| memory_group(text).map(|(names, path)| (names.root, path));
        assert_eq!(of("0::/user/a\n"), Some(("/sys/fs/cgroup", "/user/a")));
        let mixed = "12:cpu,cpuacct:/x\n7:memory:/y\n0::/z\n";
        assert_eq!(of(mixed), Some(("/sys/fs/cgroup/memory", "/y")));
        assert_eq!(of(""), None);
        let around = folders(Path::new("/r"), "/a/b");
        assert_eq!(around, ["/r/a/b", "/r/a", "/r"].map(PathBuf::from));
    }

    #[test]
    fn a_group_tells_its_limit_and_what_is_left() {
        let folder = std::env::temp_dir().join(format!("hyperglow-limits-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("memory.max", "max\n");
        assert!(group(&folder, &V2).is_none());
        write("memory.max", "1000000\n");
        write("memory.current", "700000\n");
        write("memory.stat", "anon 5\ninactive_file 200000\n");
        let found = group(&folder, &V2).unwrap();
        assert_eq!((found.limit, found.left), (1_000_000, 500_000));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
