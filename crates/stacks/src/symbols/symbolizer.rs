//! The names of addresses, from whatever source an object has.

use std::collections::HashMap;

use super::debug_files::DebugFiles;
use super::demangle::demangle;
use super::dwarf::DebugInfo;
use super::frame::Frame;
use super::table::SymbolTable;
use crate::file::{ObjectAddr, ObjectFile};

/// Names addresses, and keeps what it has read of each object.
pub struct Symbolizer {
    debug_files: DebugFiles,
    objects: HashMap<u32, Symbols>,
}

/// What is known of one object.
#[derive(Default)]
struct Symbols {
    debug: Option<DebugInfo>,
    table: SymbolTable,
}

impl Symbolizer {
    /// Makes one that has read nothing yet.
    pub fn new(debug_files: DebugFiles) -> Self {
        Self { debug_files, objects: HashMap::new() }
    }

    /// Returns the frames at an address of an object: inlined functions innermost first, then the function whose code
    /// it is. Empty where nothing is known.
    pub fn frames(&mut self, object: &ObjectFile, addr: ObjectAddr) -> Vec<Frame> {
        let symbols = self.symbols(object);
        let mut frames = symbols.debug.as_ref().map_or_else(Vec::new, |debug| debug.frames(addr));
        // Assembly has lines and no functions.
        let is_named = frames.last().is_some_and(|last| last.function.is_some());
        if !is_named && let Some(name) = symbols.table.find(addr) {
            let function = Some(demangle(name));
            match frames.last_mut() {
                Some(last) => last.function = function,
                None => frames.push(Frame { function, ..Frame::default() }),
            }
        }
        frames
    }

    /// Returns the address of a function in an object's symbol table.
    pub fn find(&mut self, object: &ObjectFile, name: &str) -> Option<ObjectAddr> {
        self.symbols(object).table.address(name)
    }

    /// Drops what was read of an object.
    pub fn forget(&mut self, object: &ObjectFile) {
        self.objects.remove(&object.id());
    }

    fn symbols(&mut self, object: &ObjectFile) -> &Symbols {
        let Self { debug_files, objects } = self;
        objects.entry(object.id()).or_insert_with(|| {
            let own = DebugInfo::read(object, debug_files);
            let elsewhere = if own.is_none() { debug_files.find(object) } else { None };
            let debug = own.or_else(|| DebugInfo::read(elsewhere.as_ref()?, debug_files));
            // A stripped file's full table is in its file of debugging information.
            let has_full = object.section(b".symtab").is_some();
            let full = elsewhere.as_ref().filter(|_| !has_full).and_then(SymbolTable::read);
            let table = full.or_else(|| SymbolTable::read(object)).unwrap_or_default();
            Symbols { debug, table }
        })
    }
}
