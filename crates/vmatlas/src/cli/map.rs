//! The command lines of `map` and `explain`.

use abi::{AddrRange, VirtAddr};
use clap::Args;

/// What a target may be; the same for every verb that takes one.
const TARGET_HELP: &str = "\
A process id or name; a core file; a file with the text of /proc/PID/smaps or maps; or a recording, which may be followed by a moment: \
FILE@peak (if none is given), FILE@end, FILE@1.5s, FILE#EVENT";

const TARGETS_HELP: &str = "\
One or several process ids or names, or one other target: a core file; a file with the text of /proc/PID/smaps or maps; or a \
recording, which may be followed by a moment: FILE@peak (if none is given), FILE@end, FILE@1.5s, FILE#EVENT. An ADDRESS in hex \
behind one target is explained";

/// The arguments of `map`.
#[derive(Args, Debug)]
pub(crate) struct MapArgs {
    /// The targets; a hexadecimal address behind a single one is explained
    #[arg(value_name = "TARGET", required = true, help = TARGETS_HELP)]
    pub(crate) targets: Vec<String>,
    /// Include the descendants of each process
    #[arg(short = 't', long)]
    pub(crate) tree: bool,
    /// Walk the chunks of glibc's allocator however large the heap is
    #[arg(long)]
    pub(crate) heap: bool,
    /// List every mapping
    #[arg(short, long)]
    pub(crate) mappings: bool,
    /// List every mapping in the columns of pmap -x
    #[arg(short = 'x', long, conflicts_with_all = ["mappings", "json"])]
    pub(crate) extended: bool,
    /// Draw the pages in this range of addresses, in hex
    #[arg(long, value_name = "LOW,HIGH", value_parser = range, conflicts_with_all = ["mappings", "json", "extended"])]
    pub(crate) pages: Option<AddrRange>,
    /// With -x: whole paths
    #[arg(short = 'p', long, requires = "extended")]
    pub(crate) show_path: bool,
    /// With -x: no heading, no total
    #[arg(short = 'q', long, requires = "extended")]
    pub(crate) quiet: bool,
    /// With -x: only mappings in this range of addresses, in hex
    #[arg(short = 'A', long, value_name = "LOW,HIGH", requires = "extended", value_parser = range)]
    pub(crate) range: Option<AddrRange>,
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
    /// Print JSON (schema vmatlas.explain/1)
    #[arg(long)]
    pub(crate) json: bool,
}

impl MapArgs {
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
        assert!(address("7f0g").is_err() && address("").is_err() && address("0x").is_err());
    }
}
