//! Functions, files and lines from debugging information, inlined functions among them.

use std::sync::Arc;

use addr2line::Context;
use gimli::{Dwarf, EndianArcSlice, LittleEndian, SectionId};

use super::debug_files::DebugFiles;
use super::demangle::demangle;
use super::frame::Frame;
use crate::file::{ObjectAddr, ObjectFile};

type Bytes = EndianArcSlice<LittleEndian>;

/// Inlined functions shown at one address.
const INLINED_MAX: usize = 64;

/// The debugging information of one object.
pub(crate) struct DebugInfo {
    context: Context<Bytes>,
}

impl DebugInfo {
    /// Reads what a file holds, and what it shares with others; `None` if it holds none.
    pub(crate) fn read(file: &ObjectFile, elsewhere: &DebugFiles) -> Option<Self> {
        file.section(b".debug_info")?;
        let mut dwarf = load(file)?;
        if let Some(shared) = elsewhere.find_shared(file) {
            dwarf.set_sup(load(&shared)?);
        }
        Context::from_dwarf(dwarf).ok().map(|context| Self { context })
    }

    /// Returns the frames at an address, innermost first; empty where nothing is known.
    pub(crate) fn frames(&self, addr: ObjectAddr) -> Vec<Frame> {
        let mut found = Vec::new();
        let Ok(mut frames) = self.context.find_frames(addr.0).skip_all_loads() else { return found };
        while let Ok(Some(frame)) = frames.next()
            && found.len() < INLINED_MAX
        {
            let raw = frame.function.as_ref().and_then(|function| function.raw_name().ok());
            let location = frame.location.as_ref();
            found.push(Frame {
                function: raw.map(|raw| demangle(&raw)),
                file: location.and_then(|location| location.file).map(str::to_owned),
                line: location.and_then(|location| location.line).filter(|line| *line != 0),
                is_inlined: true,
            });
        }
        if let Some(last) = found.last_mut() {
            last.is_inlined = false;
        }
        found
    }
}

fn load(file: &ObjectFile) -> Option<Dwarf<Bytes>> {
    let section = |id: SectionId| -> Result<Bytes, gimli::Error> {
        let bytes: Arc<[u8]> = file.section_bytes(id.name().as_bytes()).unwrap_or_default().into();
        Ok(EndianArcSlice::new(bytes, LittleEndian))
    };
    Dwarf::load(section).ok()
}
