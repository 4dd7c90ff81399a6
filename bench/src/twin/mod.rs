//! The rows of `twin`: the set of mappings beside other containers and the whole twin at 100 to 1,000,000 mappings,
//! and beside it the real system calls up to 60,000.

mod container;
mod containers;
mod kernel;
mod space;
mod table;
mod world;

use anyhow::{Context, Result};

use self::table::Table;
use crate::{Options, Save, run_dir};

/// The numbers of mappings; a process may have 65,530 of them by default.
const SIZES: [u64; 5] = [100, 1_000, 10_000, 60_000, 1_000_000];

/// Measures and prints every row; with `--save` writes `twin.csv` and `twin.md`.
pub fn run(options: &Options) -> Result<()> {
    let mut table = Table::default();
    for mappings in sizes(&options.rest)? {
        containers::measure(&mut table, mappings);
        space::measure(&mut table, mappings);
        if mappings <= kernel::MOST {
            kernel::measure(&mut table, mappings)?;
        }
    }
    judge(&mut table);
    print!("{}", table.markdown());
    if options.save == Save::Yes {
        let dir = run_dir::create()?;
        table.save(&dir)?;
        println!("\nsaved in {}", dir.display());
    }
    Ok(())
}

/// Reads the numbers of mappings to measure at; all of [`SIZES`] if none is given.
fn sizes(args: &[String]) -> Result<Vec<u64>> {
    if args.is_empty() {
        return Ok(SIZES.to_vec());
    }
    let read = |arg: &String| arg.parse().with_context(|| format!("{arg:?} is not a number of mappings"));
    args.iter().map(read).collect()
}

/// Holds the numbers against the design's targets.
fn judge(table: &mut Table) {
    let lookup = |who| table.get("set: lookup", 60_000, who);
    let (ours, btree) = (lookup("vmatlas"), lookup("BTreeMap"));
    table.judge("lookup at 60,000 beside BTreeMap", 1.0, ours, btree);
    let gap = |mappings| table.get("set: find a gap", mappings, "vmatlas");
    let (many, few) = (gap(60_000), gap(100));
    table.judge("find a gap at 60,000 beside 100", 3.0, many, few);
    let call = |what, who| table.get(what, 60_000, who);
    let map = (call("calls: map+unmap", "vmatlas"), call("calls: map+unmap", "kernel"));
    let protect = (call("calls: protect+restore", "vmatlas"), call("calls: protect+restore", "kernel"));
    table.judge("map+unmap at 60,000 beside the real calls", 0.134, map.0, map.1);
    table.judge("protect+restore at 60,000 beside the real calls", 0.131, protect.0, protect.1);
    let snapshot = |mappings| table.get("set: snapshot", mappings, "vmatlas");
    let (many, few) = (snapshot(1_000_000), snapshot(100));
    table.judge("snapshot at 1,000,000 beside 100", 1.5, many, few);
}
