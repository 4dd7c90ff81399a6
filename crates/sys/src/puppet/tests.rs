//! The puppet on the running kernel.

use std::time::Duration;

use abi::{Personality, Rlimit, VirtAddr};

use super::{DATA, Puppet, RawAnswer, RawStep, Setup};

fn start() -> Puppet {
    let stack_limit = Rlimit { soft: 8 << 20, hard: Rlimit::INFINITY };
    let setup = Setup { files: &[], personality: Personality::ADDR_NO_RANDOMIZE, stack_limit, library: None };
    let mut puppet = Puppet::start(&setup).expect("a puppet");
    let action: Vec<u8> = Puppet::sigaction().iter().flat_map(|word| word.to_le_bytes()).collect();
    let action = puppet.write(0, DATA, &action).0;
    let stack: Vec<u8> = Puppet::signal_stack(0).iter().flat_map(|word| word.to_le_bytes()).collect();
    let stack = puppet.write(0, DATA + 64, &stack).0;
    assert_eq!(call(&mut puppet, 0, 131, [stack, 0, 0, 0, 0, 0]).result, 0);
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGTRAP] {
        assert_eq!(call(&mut puppet, 0, 13, [signal as u64, action, 0, 8, 0, 0]).result, 0);
    }
    puppet
}

fn step(puppet: &mut Puppet, seat: usize, step: RawStep) -> RawAnswer {
    let number = puppet.push(seat, step);
    puppet.publish(seat);
    assert!(puppet.wait(seat, number + 1, Duration::from_secs(10)), "{step:?} is not done");
    puppet.answer(seat, number)
}

fn call(puppet: &mut Puppet, seat: usize, nr: u32, args: [u64; 6]) -> RawAnswer {
    step(puppet, seat, RawStep::Syscall { nr, args })
}

fn map(puppet: &mut Puppet, prot: u64) -> VirtAddr {
    VirtAddr(call(puppet, 0, 9, [0, 8192, prot, 0x22, u64::MAX, 0]).result as u64)
}

#[test]
fn memory_is_mapped_stored_to_and_loaded_from() {
    let mut puppet = start();
    let addr = map(&mut puppet, 3);
    assert_eq!(step(&mut puppet, 0, RawStep::Load(addr)).result, 0);
    assert_eq!(step(&mut puppet, 0, RawStep::Store(addr, 7)).signal, 0);
    assert_eq!(step(&mut puppet, 0, RawStep::Load(addr)).result, 7);
}

#[test]
fn faults_are_answers() {
    let mut puppet = start();
    let addr = map(&mut puppet, 1);
    for _ in 0..1000 {
        let fault = step(&mut puppet, 0, RawStep::Store(addr, 7));
        assert_eq!((fault.signal, fault.code, fault.addr), (libc::SIGSEGV, 2, addr));
    }
    let fault = step(&mut puppet, 0, RawStep::Load(VirtAddr(16)));
    assert_eq!((fault.signal, fault.code, fault.addr), (libc::SIGSEGV, 1, VirtAddr(16)));
}

#[test]
fn one_instruction_is_fetched() {
    let mut puppet = start();
    let plain = map(&mut puppet, 3);
    let fault = step(&mut puppet, 0, RawStep::Fetch(plain));
    assert_eq!((fault.signal, fault.code, fault.addr), (libc::SIGSEGV, 2, plain));
    let executable = map(&mut puppet, 7);
    for _ in 0..10 {
        assert_eq!(step(&mut puppet, 0, RawStep::Fetch(executable)).signal, 0);
    }
    step(&mut puppet, 0, RawStep::Store(executable, 0x90));
    assert_eq!(step(&mut puppet, 0, RawStep::Fetch(executable)).signal, 0);
}

#[test]
fn a_child_has_its_own_seat_and_memory() {
    let mut puppet = start();
    let addr = map(&mut puppet, 3);
    puppet.clear(1);
    let pid = step(&mut puppet, 0, RawStep::Fork(1)).result;
    assert!(pid > 0);
    step(&mut puppet, 1, RawStep::Store(addr, 9));
    assert_eq!(step(&mut puppet, 1, RawStep::Load(addr)).result, 9);
    assert_eq!(step(&mut puppet, 0, RawStep::Load(addr)).result, 0);
    puppet.push(1, RawStep::Syscall { nr: 231, args: [0; 6] });
    puppet.publish(1);
    assert_eq!(call(&mut puppet, 0, 61, [pid as u64, 0, 0, 0, 0, 0]).result, pid);
}

#[test]
fn its_own_map_is_read() {
    let mut puppet = start();
    let path = puppet.write(0, DATA, b"/proc/self/maps\0");
    assert!(step(&mut puppet, 0, RawStep::Open(path, 2)).result >= 0);
    let buffer = Puppet::address(0, DATA);
    let bytes = step(&mut puppet, 0, RawStep::Read { slot: 2, buffer, bytes: 65536, offset: 0 }).result;
    let mut text = vec![0; bytes as usize];
    puppet.read(0, DATA, &mut text);
    let text = String::from_utf8(text).expect("ASCII");
    assert!(text.contains("vmatlas-arena") && text.ends_with("[vsyscall]\n"), "{text}");
    assert!(text.contains("30000000-30001000 r-xp"), "{text}");
}
