//! Catches the SIGBUS that reading a mapping raises when its file has become shorter.
//!
//! Mappings register their address range in a table of atomics, which the signal handler may read. On a fault inside
//! one of them the handler puts zero pages in place of the rest of the mapping, marks it damaged and returns, so that
//! the read continues; whoever reads then finds the mark and fails its own request. Any other fault goes on to the
//! handler that was there before.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Most mappings watched at once; beyond it files are read instead.
const SLOTS: usize = 1024;

struct Slot {
    taken: AtomicBool,
    /// 0 while the range is not set.
    start: AtomicUsize,
    length: AtomicUsize,
    damaged: AtomicBool,
}

static WATCHED: [Slot; SLOTS] = [const {
    Slot {
        taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        length: AtomicUsize::new(0),
        damaged: AtomicBool::new(false),
    }
}; SLOTS];

struct Previous(UnsafeCell<MaybeUninit<libc::sigaction>>);

// SAFETY: written once, inside `install`, before the handler that reads it can run.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new(MaybeUninit::uninit()));
static PAGE: AtomicUsize = AtomicUsize::new(0);
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Keeps one address range watched until dropped.
#[derive(Debug)]
pub struct Watch(usize);

impl Watch {
    /// Watches `length` bytes from address `start`; `None` when the table is full or there is no handler.
    pub fn new(start: usize, length: usize) -> Option<Self> {
        install();
        if !INSTALLED.load(Ordering::Acquire) {
            return None;
        }
        let index = WATCHED.iter().position(|slot| !slot.taken.swap(true, Ordering::AcqRel))?;
        let slot = &WATCHED[index];
        slot.damaged.store(false, Ordering::Relaxed);
        slot.length.store(length, Ordering::Relaxed);
        slot.start.store(start, Ordering::Release);
        Some(Self(index))
    }

    /// Whether a fault in the range was caught.
    pub fn is_damaged(&self) -> bool {
        WATCHED[self.0].damaged.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let slot = &WATCHED[self.0];
        slot.start.store(0, Ordering::Release);
        slot.taken.store(false, Ordering::Release);
    }
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: `sysconf` has no preconditions; the structures are plain data; `on_fault` keeps to what a signal
        // handler may do, and PREVIOUS is written before the handler is in place.
        unsafe {
            let page = libc::sysconf(libc::_SC_PAGESIZE);
            if page <= 0 {
                return;
            }
            PAGE.store(page as usize, Ordering::Relaxed);
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), (*PREVIOUS.0.get()).as_mut_ptr()) != 0 {
                return;
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_fault;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            let outcome = libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut());
            INSTALLED.store(outcome == 0, Ordering::Release);
        }
    });
}

extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid `info` to a handler installed with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() } as usize;
    if !replace_with_zeros(address) {
        // SAFETY: as above.
        unsafe { pass_on(signal, info, context) };
    }
}

/// Puts zero pages from the page of `address` to the end of the watched mapping that holds it.
fn replace_with_zeros(address: usize) -> bool {
    let page = PAGE.load(Ordering::Relaxed);
    for slot in &WATCHED {
        let start = slot.start.load(Ordering::Acquire);
        let end = start + slot.length.load(Ordering::Relaxed);
        if start == 0 || address < start & !(page - 1) || address >= end {
            continue;
        }
        let from = address & !(page - 1);
        slot.damaged.store(true, Ordering::Release);
        // SAFETY: the pages belong to a mapping of ours, which its owner keeps alive while it reads them; `mmap` is a
        // bare system call.
        let replaced = unsafe {
            libc::mmap(
                from as *mut libc::c_void,
                end.next_multiple_of(page) - from,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        return replaced != libc::MAP_FAILED;
    }
    false
}

/// Hands the signal to the handler that was installed before ours.
unsafe fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: PREVIOUS was written before our handler was installed; its handler has the signature its flags announce.
    unsafe {
        let previous = (*PREVIOUS.0.get()).assume_init_ref();
        match previous.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                // Returning raises the fault again, now with the default outcome.
                let mut default: libc::sigaction = std::mem::zeroed();
                default.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const default, std::ptr::null_mut());
            }
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(libc::c_int) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}
