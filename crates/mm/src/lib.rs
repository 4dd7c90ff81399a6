//! Linux's process virtual memory as a library: the *twin* of a process's address space.
//!
//! Invariant: it knows no operating system, file, clock, text, serialisation or system call number.
#![no_std]

extern crate alloc;

pub mod set;
