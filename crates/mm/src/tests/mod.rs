//! The rules E1 to E24, each as a story drawn in ranges, and the twin against a naive oracle.

mod fork;
mod limits;
mod merging;
mod oracle;
mod placing;
mod protect;
mod stack;
mod story;
