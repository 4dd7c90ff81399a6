//! Both kinds of files do the same.

use files::{HostFile, MemoryFile};
use mm::FileStore;

fn story(file: &dyn FileStore) -> (u64, Vec<u8>) {
    file.set_size(5000).expect("there is room");
    file.write_page(0, &[1; 4096]).expect("it can be written");
    file.write_page(1, &[2; 904]).expect("it can be written");
    let mut page = [9; 4096];
    file.read_page(1, &mut page).expect("it can be read");
    let mut seen = page.to_vec();
    file.set_size(10).expect("it can be cut");
    file.set_size(4096).expect("there is room");
    file.read_page(0, &mut page).expect("it can be read");
    seen.extend(page);
    file.read_page(7, &mut page).expect("past the end there are zeroes");
    seen.extend(page);
    (file.size(), seen)
}

#[test]
fn memory_and_host_agree() {
    let path = std::env::temp_dir().join(format!("vmatlas-files-{}", std::process::id()));
    std::fs::write(&path, b"").expect("the temporary folder can be written");
    let host = HostFile::open(&path).expect("it was just made");
    let (on_host, in_memory) = (story(&host), story(&MemoryFile::default()));
    std::fs::remove_file(&path).expect("it is there");
    assert_eq!(on_host, in_memory);
    assert_eq!(on_host.1[..905], [[2; 904].as_slice(), &[0]].concat());
}
