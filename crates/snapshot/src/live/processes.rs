//! Finding processes by name and by descent.

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

/// Adds the descendants of processes behind each, the nearest first; each process is there once.
pub fn with_descendants(pids: &[Pid]) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return pids.to_vec() };
    let parents: Vec<(Pid, Pid)> = entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let text = std::fs::read(entry.path().join("stat")).ok()?;
            Some((Pid(pid), proc_text::stat(&text).ok()?.ppid))
        })
        .collect();
    let mut found: Vec<Pid> = Vec::new();
    for pid in pids {
        if found.contains(pid) {
            continue;
        }
        let mut next = found.len();
        found.push(*pid);
        while let Some(parent) = found.get(next).copied() {
            let children = parents.iter().filter(|(_, of)| *of == parent).map(|(child, _)| *child);
            let children: Vec<Pid> = children.filter(|child| !found.contains(child)).collect();
            found.extend(children);
            next += 1;
        }
    }
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

    #[test]
    fn children_and_their_children_are_found() {
        let mut child = std::process::Command::new("sh").args(["-c", "sleep 600; :"]).spawn().expect("sh");
        let (own, shell) = (Pid(std::process::id() as i32), Pid(child.id() as i32));
        let begin = std::time::Instant::now();
        let found = loop {
            let found = with_descendants(&[shell, shell]);
            if found.len() == 2 {
                break found;
            }
            assert!(begin.elapsed().as_secs() < 60, "the shell never started its sleep");
            std::thread::sleep(std::time::Duration::from_millis(2));
        };
        assert_eq!(found[0], shell);
        assert!(with_descendants(&[own]).contains(&found[1]));
        assert!(
            std::process::Command::new("kill").arg(found[1].to_string()).status().expect("kill").success()
        );
        child.wait().expect("our own child");
    }
}
