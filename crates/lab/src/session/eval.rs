//! Sums and names, looked up.

use abi::VirtAddr;

use super::{Session, Value};
use crate::backend::ThreadNo;
use crate::syntax::{Expr, Fault, Give, Name, Span, Term};

impl Session {
    /// What a sum comes to.
    pub(super) fn number(&self, expr: &Expr) -> Result<u64, Fault> {
        let mut sum = 0_u64;
        for (give, term, span) in &expr.terms {
            let value = match term {
                Term::Number(number) => *number,
                Term::Name(name) => self.address_of(name, *span)?.0,
            };
            let next = match give {
                Give::Add => sum.checked_add(value),
                Give::Take => sum.checked_sub(value),
            };
            sum = next.ok_or_else(|| Fault::new(expr.span(), "this leaves the range of 64-bit numbers"))?;
        }
        Ok(sum)
    }

    /// What a sum comes to, if it is not more than there may be.
    pub(super) fn at_most(&self, expr: &Expr, most: u64, what: &str) -> Result<u64, Fault> {
        let number = self.number(expr)?;
        if number <= most {
            return Ok(number);
        }
        let (asked, most) = (view::words::bytes(number), view::words::bytes(most));
        Err(Fault::new(expr.span(), format!("{asked} {what}: at most {most}")))
    }

    /// An address.
    pub(super) fn address(&self, expr: &Expr) -> Result<VirtAddr, Fault> {
        self.number(expr).map(VirtAddr)
    }

    fn address_of(&self, name: &str, span: Span) -> Result<VirtAddr, Fault> {
        match self.value(name) {
            Some(Value::Address(addr)) => Ok(addr),
            Some(other) => Err(Fault::new(span, format!("`{name}` is {}, not an address", other.kind()))),
            None => Err(Fault::new(span, format!("there is nothing called `{name}` yet"))),
        }
    }

    /// What a name means: some follow the state.
    fn value(&self, name: &str) -> Option<Value> {
        let heap = &self.process(self.thread().memory).heap;
        let addr = match name {
            "main" => return Some(Value::Thread(ThreadNo(0))),
            "heap" => heap.start,
            "heap_end" => heap.end,
            "sp" => self.thread().stack.pointer,
            "stack" => self.thread().stack.top,
            _ => return self.world.names.get(name),
        };
        Some(Value::Address(addr))
    }

    /// An open file by its name.
    pub(super) fn file(&self, name: &Name) -> Result<usize, Fault> {
        match self.world.names.get(&name.text) {
            Some(Value::File(file)) => Ok(file),
            Some(other) => {
                Err(Fault::new(name.span, format!("`{}` is {}, not a file", name.text, other.kind())))
            }
            None => Err(Fault::new(name.span, format!("there is no file called `{}` yet", name.text))),
        }
    }

    /// A process or thread by its name, if it lives.
    pub(super) fn thread_of(&self, name: &Name) -> Result<ThreadNo, Fault> {
        let thread = match self.value(&name.text) {
            Some(Value::Thread(thread)) => thread,
            Some(other) => {
                let what = format!("`{}` is {}, not a process or thread", name.text, other.kind());
                return Err(Fault::new(name.span, what));
            }
            None => {
                return Err(Fault::new(name.span, format!("there is no process called `{}`", name.text)));
            }
        };
        if self.world.threads[thread.0].ended {
            return Err(Fault::new(name.span, format!("`{}` has ended", name.text)));
        }
        Ok(thread)
    }

    /// Gives a name a meaning.
    pub(super) fn bind(&mut self, name: Option<&Name>, value: Value) -> Result<(), Fault> {
        let Some(name) = name else { return Ok(()) };
        let set = self.world.names.set(&name.text, value);
        set.ok_or_else(|| Fault::new(name.span, "there are too many names"))
    }
}
