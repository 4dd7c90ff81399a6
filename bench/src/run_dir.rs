//! Where a run is kept: `bench/runs/<date>-<cpu>-<kernel>/`, with a `setup.md` that says what machine it was.
//!
//! Nothing that names the machine or its folders is written: processor, kernel, memory, tool versions only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Makes the folder of today's run on this machine, writes its `setup.md` and returns its path.
pub fn create() -> Result<PathBuf> {
    let name = format!("{}-{}-{}", today()?, slug(&cpu_model()), slug(&kernel_release()?));
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("runs").join(name);
    fs::create_dir_all(&dir).with_context(|| format!("making the run's folder {}", dir.display()))?;
    fs::write(dir.join("setup.md"), setup()?).context("writing setup.md")?;
    Ok(dir)
}

fn setup() -> Result<String> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(format!(
        "# Setup\n\n| what | value |\n|---|---|\n| processor | {} |\n| processors | {cpus} |\n| memory | {} |\n\
         | kernel | {} |\n| transparent huge pages | {} |\n| max_map_count | {} |\n| compiler | {} |\n",
        cpu_model(),
        memory_total(),
        kernel_release()?,
        read_line("/sys/kernel/mm/transparent_hugepage/enabled"),
        read_line("/proc/sys/vm/max_map_count"),
        first_line(Command::new("rustc").arg("--version")),
    ))
}

fn today() -> Result<String> {
    let date = first_line(Command::new("date").args(["-u", "+%Y-%m-%d"]));
    anyhow::ensure!(date.len() == 10, "`date` gave {date:?}, not a day");
    Ok(date)
}

fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split(':').nth(1)).map_or("unknown".into(), |name| name.trim().to_string())
}

fn kernel_release() -> Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").context("reading the kernel's release")?;
    Ok(text.trim().to_string())
}

fn memory_total() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("MemTotal"));
    line.and_then(|line| line.split(':').nth(1)).map_or("unknown".into(), |size| size.trim().to_string())
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path).map_or("unknown".into(), |text| text.trim().to_string())
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_string()
}

/// Keeps letters, digits and dots, lower case; anything else becomes one dash.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() || c == '.' {
            slug.push(c);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_matches('-').to_string()
}
