//! The names of all frames, found when the recording ends.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use abi::{Pid, VirtAddr};
use recording::{Bytes, ChainEnds, Function, Place, SymbolObject, Symbols};
use stacks::{DebugFiles, Frame, ObjectAddr, ObjectFile, PerfMap, Symbolizer};

use super::intern::{At, Chains};

/// The largest list of functions made at run time that is read.
const PERF_MAP_BYTES_MAX: u64 = 256 << 20;

/// Names the places of all chains. `pids` are the processes that may have listed functions they made.
pub(super) fn of(chains: &Chains, pids: &[Pid], ends: ChainEnds, fault_ends: ChainEnds) -> Symbols {
    let mut objects: Vec<&ObjectFile> = Vec::new();
    let mut numbers: HashMap<*const ObjectFile, u32> = HashMap::new();
    for at in &chains.at {
        if let Some(object) = &at.object {
            let fresh = objects.len() as u32;
            let no = *numbers.entry(&raw const **object).or_insert(fresh);
            if no == fresh {
                objects.push(object);
            }
        }
    }
    let maps: Vec<PerfMap> = pids.iter().filter_map(|pid| perf_map(*pid)).collect();
    let mut places: Vec<Place> = chains.at.iter().map(|at| place(at, &numbers, &maps)).collect();
    // One object after another, so that only one is held in memory.
    for (no, object) in objects.iter().enumerate() {
        let mut symbolizer = Symbolizer::new(DebugFiles::from_environment());
        for place in places.iter_mut().filter(|place| place.object == Some(no as u32)) {
            let frames = symbolizer.frames(object, ObjectAddr(place.address));
            place.functions = frames.into_iter().map(function).collect();
        }
    }
    Symbols {
        objects: objects.iter().map(|object| symbol_object(object)).collect(),
        places,
        chains: chains.chains.iter().map(|chain| chain.to_vec()).collect(),
        ends,
        fault_ends,
    }
}

fn place(at: &At, numbers: &HashMap<*const ObjectFile, u32>, maps: &[PerfMap]) -> Place {
    let object = at.object.as_ref().and_then(|object| numbers.get(&(&raw const **object))).copied();
    let made =
        if object.is_some() { None } else { maps.iter().find_map(|map| map.find(VirtAddr(at.address))) };
    let named = |name: &str| Function { name: name.as_bytes().into(), ..Function::default() };
    Place { object, address: at.address, functions: made.map(named).into_iter().collect() }
}

fn symbol_object(object: &ObjectFile) -> SymbolObject {
    SymbolObject { path: object.path().as_os_str().as_bytes().into(), build_id: object.build_id().into() }
}

fn function(frame: Frame) -> Function {
    let text = |text: Option<String>| text.map_or_else(Bytes::default, |text| text.as_bytes().into());
    let Frame { function, file, line, is_inlined: _ } = frame;
    Function { name: text(function), file: text(file), line: line.unwrap_or(0) }
}

fn perf_map(pid: Pid) -> Option<PerfMap> {
    let path = std::env::temp_dir().join(format!("perf-{pid}.map"));
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    if metadata.len() > PERF_MAP_BYTES_MAX {
        return None;
    }
    let map = PerfMap::parse(&std::fs::read(path).ok()?);
    (!map.is_empty()).then_some(map)
}
