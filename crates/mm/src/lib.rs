//! Linux's process virtual memory as a library: the *twin* of a process's address space.
//!
//! Invariant: it knows no operating system, file, clock, text, serialisation or system call number.
#![no_std]

extern crate alloc;

mod anon_vma;
mod file;
mod flags;
mod guard;
mod input;
mod merge;
mod mutation;
mod op;
mod ops;
mod profile;
pub mod set;
mod space;
mod system;
mod vma;
mod why;

pub use anon_vma::{AnonChain, AnonVmaId};
pub use file::{Backing, DescriptionId, FileKind, MapFile, ObjectId, OpenMode};
pub use flags::VmFlags;
pub use input::{Access, Basis, Caps, FileInput, Input, Outcome, Pointers, Signal, Target, Touch, Uffd};
pub use mutation::Mutation;
pub use profile::{Options, Overcommit, OvercommitMode, Profile, Thp};
pub use space::{AddressSpace, AdoptedVma, AnonPages, Counters, Inconsistency, Layout, Limits, Settings};
pub use system::System;
pub use vma::{Extra, Policy, Vma};
pub use why::{MergeBar, MergeNote, Refusal, Side, Why};
