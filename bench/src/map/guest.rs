//! The processes that are looked at: this program, told to be one.

use std::io::Write;
use std::ptr;

use anyhow::{Context, Result, bail, ensure};

const PAGE: usize = 4096;

/// Becomes the process that the words say, and waits to be ended.
pub fn become_guest(words: &[String]) -> Result<()> {
    let [what, number] = words else { bail!("map-guest WHAT NUMBER") };
    let number: usize = number.parse().context("a number")?;
    match what.as_str() {
        "mappings" => mappings(number)?,
        "threads" => {
            for _ in 0..number {
                std::thread::spawn(|| {
                    loop {
                        std::thread::park();
                    }
                });
            }
        }
        "large" => large(number)?,
        _ => bail!("no guest {what}"),
    }
    println!("ready");
    std::io::stdout().flush()?;
    loop {
        std::thread::park();
    }
}

/// Mappings of one page each, every third of them touched: protections take turns, so that none merge.
fn mappings(count: usize) -> Result<()> {
    let start = reserve(count * PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    for page in 0..count {
        let addr = start + page * PAGE;
        if page % 3 == 0 {
            touch(addr);
        }
        if page % 2 == 0 {
            // SAFETY: the page is ours, and nothing else uses it.
            let done = unsafe { libc::mprotect(addr as *mut libc::c_void, PAGE, libc::PROT_READ) };
            ensure!(done == 0, "mprotect: {}", std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// 100 GiB reserved, and so many GiB of them resident: less where the machine has less.
fn large(gib: usize) -> Result<()> {
    let start = reserve(100 << 30, libc::PROT_READ | libc::PROT_WRITE)?;
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).context("MemAvailable")?;
    let available: usize = line.trim().trim_end_matches(" kB").parse().context("MemAvailable")?;
    let bytes = (gib << 30).min(available * 1024 / 3 * 2);
    for addr in (start..start + bytes).step_by(PAGE) {
        touch(addr);
    }
    Ok(())
}

fn reserve(bytes: usize, prot: libc::c_int) -> Result<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at a place of the kernel's choice.
    let addr = unsafe { libc::mmap(ptr::null_mut(), bytes, prot, flags, -1, 0) };
    ensure!(addr != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    Ok(addr as usize)
}

fn touch(addr: usize) {
    // SAFETY: the byte is in a mapping of ours that may be written, and nothing else uses it.
    unsafe { ptr::write_volatile(addr as *mut u8, 1) };
}
