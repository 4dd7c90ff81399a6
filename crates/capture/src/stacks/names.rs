//! The names of all frames: functions when the recording ends, files and lines when it is read.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use abi::{Pid, VirtAddr};
use recording::{Bytes, ChainEnds, Detail, Function, Place, SymbolObject, Symbols};
use stacks::{DebugFiles, Frame, ObjectAddr, ObjectFile, PerfMap, Stamp, Symbolizer, functions};

use super::intern::{At, Chains};

/// The largest list of functions made at run time that is read.
const PERF_MAP_BYTES_MAX: u64 = 256 << 20;

/// Names the places of all chains. `pids` are the processes that may have listed functions they made.
pub(super) fn of(
    chains: &Chains,
    pids: &[Pid],
    ends: ChainEnds,
    fault_ends: ChainEnds,
    detail: Detail,
) -> Symbols {
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
    let debug_files = DebugFiles::from_environment();
    // One object after another, so that only one is held in memory.
    for (object, mut places) in objects.iter().zip(by_object(&mut places, objects.len())) {
        match detail {
            Detail::Functions => name(&mut places, object, &debug_files),
            Detail::Lines => name_with_lines(&mut places, object, &debug_files),
        }
    }
    Symbols {
        objects: objects.iter().map(|object| symbol_object(object)).collect(),
        places,
        chains: chains.chains.iter().map(|chain| chain.to_vec()).collect(),
        ends,
        fault_ends,
        detail,
    }
}

/// Adds inlined functions, source files and lines to names of functions, from the debugging information that is on
/// this machine for the very files that were recorded. `None` if there is nothing to be added.
pub fn with_lines(symbols: &Symbols) -> Option<Symbols> {
    if symbols.detail == Detail::Lines {
        return None;
    }
    let debug_files = DebugFiles::from_environment();
    let mut more = symbols.clone();
    for (object, mut places) in symbols.objects.iter().zip(by_object(&mut more.places, symbols.objects.len()))
    {
        if let Some(object) = still_there(object).filter(|object| debug_files.have_lines_of(object)) {
            name_with_lines(&mut places, &object, &debug_files);
        }
    }
    more.detail = Detail::Lines;
    (more.places != symbols.places).then_some(more)
}

/// The file that was recorded, if it is what lies at its path.
fn still_there(recorded: &SymbolObject) -> Option<ObjectFile> {
    let SymbolObject { path, build_id, bytes, modified_ns } = recorded;
    let object = ObjectFile::open(Path::new(OsStr::from_bytes(path))).ok()?;
    let is_same = if build_id.is_empty() {
        object.stamp() == Stamp { bytes: *bytes, modified_ns: *modified_ns }
    } else {
        object.build_id() == &**build_id
    };
    is_same.then_some(object)
}

/// The places of each object.
fn by_object(places: &mut [Place], objects: usize) -> Vec<Vec<&mut Place>> {
    let mut sorted: Vec<Vec<&mut Place>> = (0..objects).map(|_| Vec::new()).collect();
    for place in places {
        if let Some(list) = place.object.and_then(|no| sorted.get_mut(no as usize)) {
            list.push(place);
        }
    }
    sorted
}

fn name(places: &mut [&mut Place], object: &ObjectFile, debug_files: &DebugFiles) {
    let addrs: Vec<ObjectAddr> = places.iter().map(|place| ObjectAddr(place.address)).collect();
    for (place, name) in places.iter_mut().zip(functions(object, debug_files, &addrs)) {
        place.functions = name
            .into_iter()
            .map(|name| function(Frame { function: Some(name), ..Frame::default() }))
            .collect();
    }
}

fn name_with_lines(places: &mut [&mut Place], object: &ObjectFile, debug_files: &DebugFiles) {
    let mut symbolizer = Symbolizer::new(debug_files.clone());
    for place in places {
        let frames = symbolizer.frames(object, ObjectAddr(place.address));
        place.functions = frames.into_iter().map(function).collect();
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
    let Stamp { bytes, modified_ns } = object.stamp();
    let path = object.path().as_os_str().as_bytes().into();
    SymbolObject { path, build_id: object.build_id().into(), bytes, modified_ns }
}

fn function(frame: Frame) -> Function {
    let text = |text: Option<String>| text.map_or_else(Bytes::default, |text| text.as_bytes().into());
    let Frame { function, file, line, is_inlined: _ } = frame;
    Function { name: text(function), file: text(file), line: line.unwrap_or(0) }
}

fn perf_map(pid: Pid) -> Option<PerfMap> {
    // Wherever else temporary files go, perf's lists are there.
    let path = Path::new("/tmp").join(format!("perf-{pid}.map"));
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    if metadata.len() > PERF_MAP_BYTES_MAX {
        return None;
    }
    let map = PerfMap::parse(&std::fs::read(path).ok()?);
    (!map.is_empty()).then_some(map)
}
