//! States of the twin, added to a finished file.

use std::fs;
use std::path::PathBuf;

use abi::Tid;

use super::{file_of, open};
use crate::{Appender, Body, Completeness, Event, MmId, Reader, TimeNs};

fn events(count: u64) -> Vec<Event> {
    let event = |no| Event { time: TimeNs(no), tid: Tid(7), mm: MmId(0), body: Body::Continued };
    (0..count).map(event).collect()
}

fn scratch(word: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("vmatlas-append-{word}-{}.vmatlas", std::process::id()));
    fs::write(&path, bytes).expect("a file of our own");
    path
}

fn append(path: &PathBuf, states: &[(u64, &[u8])]) {
    let mut appender = Appender::open(path).expect("a finished file");
    for (no, state) in states {
        appender.push(*no, TimeNs(*no), state).expect("a file of our own");
    }
    appender.finish().expect("a file of our own");
}

#[test]
fn added_states_are_found_and_the_events_are_as_before() {
    let events = events(10);
    let path = scratch("found", &file_of(&events, &[3, 6]));
    append(&path, &[(4, b"four"), (8, &[7; 5000])]);
    append(&path, &[(9, b"")]);
    let bytes = fs::read(&path).expect("it is there");
    fs::remove_file(&path).expect("it is there");
    let mut reader = open(&bytes).expect("a recording");
    assert_eq!((reader.completeness(), reader.len(), reader.states()), (Completeness::Finished, 10, 3));
    assert_eq!(reader.state(0).expect("whole"), (4, b"four".to_vec()));
    assert_eq!(reader.state(1).expect("whole"), (8, vec![7; 5000]));
    assert_eq!(reader.state(2).expect("whole"), (9, Vec::new()));
    assert!(reader.state(3).is_err());
    reader.seek(5).expect("whole");
    let read: Vec<Event> = reader.map(|event| event.expect("whole")).collect();
    assert_eq!(read, events[5..]);
}

#[test]
fn wherever_adding_is_cut_off_the_events_are_there() {
    let events = events(10);
    let before = file_of(&events, &[3, 6]);
    let path = scratch("cut", &before);
    append(&path, &[(4, &[3; 1000])]);
    let bytes = fs::read(&path).expect("it is there");
    fs::remove_file(&path).expect("it is there");
    for cut in before.len()..bytes.len() {
        let reader = open(&bytes[..cut]).expect("a recording");
        let read: Vec<Event> = reader.map(|event| event.expect("whole")).collect();
        assert_eq!(read, events, "cut at {cut}");
    }
}

#[test]
fn an_unfinished_file_is_not_added_to() {
    let bytes = file_of(&events(10), &[3]);
    let path = scratch("unfinished", &bytes[..bytes.len() - 1]);
    assert!(Appender::open(&path).is_err());
    assert_eq!(fs::read(&path).expect("it is there").len(), bytes.len() - 1);
    assert_eq!(Reader::open(&path).expect("a recording").states(), 0);
    fs::remove_file(&path).expect("it is there");
}
