//! The command lines of `map` and `explain`.

use std::path::PathBuf;
use std::time::Duration;

use abi::{AddrRange, VirtAddr};
use clap::{ArgAction, Args};
use snapshot::Kind;
use view::{Filter, Order};

/// What a target may be; the same for every verb that takes one.
const TARGET_HELP: &str = "\
A process id or name; a core file; a file with the text of /proc/PID/smaps or maps; or a recording, which may be followed by a moment: \
FILE@peak (if none is given), FILE@end, FILE@1.5s, FILE#EVENT";

const TARGETS_HELP: &str = "\
One or several process ids or names, or one other target: a core file; a file with the text of /proc/PID/smaps or maps; or a \
recording, which may be followed by a moment: FILE@peak (if none is given), FILE@end, FILE@1.5s, FILE#EVENT. An ADDRESS in hex \
behind one target is explained";

/// Which part of a recording is meant; other targets ignore it.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct WithinRecording {
    /// Of a recording: this process, rather than the largest memory
    #[arg(long, value_name = "PID", help_heading = "Recordings")]
    pub(crate) process: Option<i32>,
    /// Leave the recording's file as it is: add no states to it for quick seeking
    #[arg(long, help_heading = "Recordings")]
    pub(crate) no_write: bool,
}

/// The arguments of `map`.
#[derive(Args, Debug)]
pub(crate) struct MapArgs {
    /// The targets; a hexadecimal address behind a single one is explained
    #[arg(value_name = "TARGET", required = true, help = TARGETS_HELP)]
    pub(crate) targets: Vec<String>,
    /// Read mappings and page tables only: faster, but without PSS, USS, dirty and locked
    #[arg(long, conflicts_with_all = ["fields", "watch", "tree"])]
    pub(crate) fast: bool,
    /// Include the descendants of each process
    #[arg(short = 't', long)]
    pub(crate) tree: bool,
    /// Walk the chunks of glibc's allocator however large the heap is
    #[arg(long)]
    pub(crate) heap: bool,
    /// List the call frames of every thread, with their bytes (each thread of a process is stopped for well below a
    /// millisecond)
    #[arg(long)]
    pub(crate) frames: bool,
    /// List what is resident of the program, or of every object whose path holds OBJECT, by section and symbol
    #[arg(long, value_name = "OBJECT", num_args = 0..=1, require_equals = true, default_missing_value = "",
        conflicts_with_all = ["fast", "tree", "mappings", "extended", "device", "fields", "pages", "csv", "save", "watch"])]
    pub(crate) symbols: Option<String>,
    /// List shared memory and shared files, and which other processes map them
    #[arg(long, conflicts_with_all = ["symbols", "fast", "tree", "mappings", "extended", "device", "fields", "pages",
        "csv", "save", "watch"])]
    pub(crate) peers: bool,
    /// List every mapping
    #[arg(short, long)]
    pub(crate) mappings: bool,
    /// List every mapping in the columns of pmap -x
    #[arg(short = 'x', long, conflicts_with_all = ["mappings", "json"])]
    pub(crate) extended: bool,
    /// In those of pmap -d: offsets and devices
    #[arg(short = 'd', long, conflicts_with_all = ["mappings", "json", "extended"])]
    pub(crate) device: bool,
    /// In those of pmap -X; twice: every field the kernel has
    #[arg(short = 'X', action = ArgAction::Count, conflicts_with_all = ["mappings", "json", "extended", "device"])]
    pub(crate) fields: u8,
    /// Draw the pages in this range of addresses, in hex
    #[arg(long, value_name = "LOW,HIGH", value_parser = range, conflicts_with_all = ["mappings", "json", "extended"])]
    pub(crate) pages: Option<AddrRange>,
    /// As -x, or with -d, -X: whole paths
    #[arg(short = 'p', long)]
    pub(crate) show_path: bool,
    /// As -x, or with -d, -X: no heading, no total
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    /// Only mappings in this range of addresses, in hex
    #[arg(short = 'A', long, value_name = "LOW,HIGH", value_parser = range)]
    pub(crate) range: Option<AddrRange>,
    /// Only mappings of which all of this is true: kind=K,K  name=TEXT  perm=LETTERS  rss=SIZE (or more; also size, pss,
    /// uss, dirty, swap)
    #[arg(long, value_name = "WHAT", value_parser = filter)]
    pub(crate) filter: Vec<Filter>,
    /// Sort mappings by address, size, rss, pss, uss, dirty, swap or name
    #[arg(long, value_name = "BY", value_parser = order)]
    pub(crate) sort: Option<Order>,
    /// Look again every so many seconds, and show what changed
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with_all = ["json", "csv", "save", "pages"])]
    pub(crate) watch: Option<Duration>,
    /// Print every mapping as CSV (sizes in bytes)
    #[arg(long, conflicts_with_all = ["json", "mappings", "extended", "device", "fields", "pages"])]
    pub(crate) csv: bool,
    /// Save the map in this file, for diff and for looking at it later
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "save")]
    pub(crate) force: bool,
    /// Which part of a recording.
    #[command(flatten)]
    pub(crate) within: WithinRecording,
    /// Print JSON (schema vmatlas.map/1; sizes in bytes)
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The target
    #[arg(value_name = "TARGET", help = TARGET_HELP)]
    pub(crate) target: String,
    /// The address, in hex
    #[arg(value_name = "ADDRESS", value_parser = address)]
    pub(crate) address: VirtAddr,
    /// Which part of a recording.
    #[command(flatten)]
    pub(crate) within: WithinRecording,
    /// Print JSON (schema vmatlas.explain/1)
    #[arg(long)]
    pub(crate) json: bool,
}

impl MapArgs {
    /// Whether the columns of `pmap -x` are meant: its `-p` and `-q` need no other flag.
    pub(crate) fn is_extended(&self) -> bool {
        let is_other = self.device || self.fields > 0 || self.mappings || self.json || self.csv;
        self.extended || (self.show_path || self.quiet) && !is_other
    }

    /// The address behind a single target, if the last word is one: `0x7f00`, or eight hexadecimal digits and
    /// more, which no process id has.
    pub(crate) fn address(&self) -> Option<(&str, VirtAddr)> {
        let [target, word] = self.targets.as_slice() else { return None };
        let is_meant = word.starts_with("0x") || word.len() >= 8;
        address(word).ok().filter(|_| is_meant).map(|address| (target.as_str(), address))
    }
}

/// Reads an address as maps and debuggers print it: hex, with or without `0x`.
fn address(text: &str) -> Result<VirtAddr, String> {
    let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
    u64::from_str_radix(digits, 16).map(VirtAddr).map_err(|_| "not a hexadecimal address".into())
}

/// Reads an order by its name.
fn order(text: &str) -> Result<Order, String> {
    let known = Order::ALL.into_iter().find(|(name, _)| *name == text);
    known.map(|(_, order)| order).ok_or_else(|| {
        let names: Vec<&str> = Order::ALL.iter().map(|(name, _)| *name).collect();
        format!("one of {}", names.join(", "))
    })
}

/// Reads `kind=heap,stacks`, `name=libc`, `perm=wx`, `rss=1M`.
fn filter(text: &str) -> Result<Filter, String> {
    let (what, value) = text.split_once('=').ok_or("WHAT=VALUE, such as kind=heap")?;
    match what {
        "kind" => {
            let kinds: Vec<String> = value.split(',').map(str::to_owned).collect();
            let known = |kind: &String| {
                let is = |known: Kind| known.slug() == kind || known.group().slug() == kind;
                Kind::ALL.into_iter().any(is)
            };
            match kinds.iter().find(|kind| !known(kind)) {
                Some(unknown) => {
                    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
                    Err(format!("no kind {unknown}; kinds are {}", names.join(" ")))
                }
                None => Ok(Filter::Kind(kinds)),
            }
        }
        "name" => Ok(Filter::Name(value.to_owned())),
        "perm" if value.chars().all(|letter| "rwxsp-".contains(letter)) => {
            Ok(Filter::Permission(value.to_owned()))
        }
        "perm" => Err("letters of rwxsp".into()),
        _ => match Order::ALL.into_iter().find(|(name, order)| *name == what && order.is_size()) {
            Some((_, order)) => Ok(Filter::AtLeast(order, size(value)?)),
            None => Err("one of kind, name, perm, size, rss, pss, uss, dirty, swap".into()),
        },
    }
}

/// Reads a size: `4096`, `64K`, `1M`, `2G`.
fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 10),
        Some('m' | 'M') => (&text[..text.len() - 1], 20),
        Some('g' | 'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| "a size in bytes, or with K, M or G")?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".into())
}

/// Reads a number of seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "a number of seconds")?;
    let is_fair = (0.1..=86_400.0).contains(&number);
    is_fair.then(|| Duration::from_secs_f64(number)).ok_or_else(|| "from 0.1 to 86400".into())
}

/// Reads `LOW,HIGH` as pmap does: `LOW` alone is one address, a side left out is the end of the space.
fn range(text: &str) -> Result<AddrRange, String> {
    let (low, high) = text.split_once(',').unwrap_or((text, text));
    let low = if low.is_empty() { VirtAddr::NULL } else { address(low)? };
    let high = if high.is_empty() { VirtAddr(u64::MAX) } else { address(high)? };
    if high < low {
        return Err("the range ends before it begins".into());
    }
    Ok(AddrRange::new(low, VirtAddr(high.0.saturating_add(1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hex() {
        assert_eq!(address("7f00"), Ok(VirtAddr(0x7f00)));
        assert_eq!(address("0x7f00"), Ok(VirtAddr(0x7f00)));
        assert_eq!(range("10,1f"), Ok(AddrRange::new(VirtAddr(0x10), VirtAddr(0x20))));
        assert_eq!(range("10"), Ok(AddrRange::new(VirtAddr(0x10), VirtAddr(0x11))));
        assert!(range("20,10").is_err());
        assert_eq!((size("4096"), size("2M")), (Ok(4096), Ok(2 << 20)));
        assert!(size("M").is_err() && size("99999999999G").is_err() && size("").is_err());
        assert_eq!(filter("rss=1K"), Ok(Filter::AtLeast(Order::Rss, 1024)));
        assert_eq!(filter("kind=heap,static"), Ok(Filter::Kind(vec!["heap".into(), "static".into()])));
        assert!(filter("kind=no").is_err() && filter("perm=q").is_err() && filter("x").is_err());
        assert!(filter("foo=1").unwrap_err().starts_with("one of kind") && filter("address=1").is_err());
        assert!(seconds("0").is_err() && seconds("NaN").is_err() && seconds("2").is_ok());
        assert!(address("7f0g").is_err() && address("").is_err() && address("0x").is_err());
    }
}
