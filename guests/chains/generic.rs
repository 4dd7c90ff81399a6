//! Calls through a generic function, a trait object and a closure.

extern "C" {
    fn dump_stack();
}

trait Visit {
    fn visit(&self, depth: u32) -> u32;
}

struct Walker(u32);

impl Visit for Walker {
    #[inline(never)]
    fn visit(&self, depth: u32) -> u32 {
        // SAFETY: it reads registers and stack, writes to stdout and ends the program.
        unsafe { dump_stack() };
        std::hint::black_box(self.0 + depth)
    }
}

#[inline(never)]
fn generic<T: Visit + ?Sized>(visitor: &T, depth: u32) -> u32 {
    std::hint::black_box(visitor.visit(depth)) + 1
}

#[inline(never)]
fn with(action: impl Fn(u32) -> u32) -> u32 {
    std::hint::black_box(action(3)) + 1
}

fn main() {
    let visitor: Box<dyn Visit> = Box::new(Walker(4));
    let total = with(
        #[inline(never)]
        |depth| generic(&**std::hint::black_box(&visitor), depth) + 1,
    );
    std::process::exit(total as i32 & 1);
}
