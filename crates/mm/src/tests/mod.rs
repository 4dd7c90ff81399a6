//! The rules E1 to E24, each as a story drawn in ranges, and the twin against a naive oracle.

mod advice;
mod drivers;
mod exec;
mod fork;
mod huge_pool;
mod limits;
mod locking;
mod merging;
mod oracle;
mod overcommit;
mod pages;
mod placing;
mod policies;
mod protect;
mod remap;
mod sealing;
mod segments;
mod stack;
mod story;
