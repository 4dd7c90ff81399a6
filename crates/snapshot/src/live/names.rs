//! Finding processes by name.

use abi::Pid;

/// Returns the processes of this name (`comm`, which the kernel cuts at 15 bytes), ascending.
pub fn processes_named(name: &[u8]) -> Vec<Pid> {
    let wanted = &name[..name.len().min(15)];
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<Pid> = entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let comm = std::fs::read(entry.path().join("comm")).ok()?;
            (comm.strip_suffix(b"\n").unwrap_or(&comm) == wanted).then_some(Pid(pid))
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_find_ourselves() {
        let comm = std::fs::read("/proc/self/comm").expect("our own");
        let own = Pid(std::process::id() as i32);
        assert!(processes_named(comm.trim_ascii_end()).contains(&own));
        assert_eq!(processes_named(b"no such / name"), []);
    }
}
