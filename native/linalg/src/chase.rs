//! Upper band → bidiagonal by bulge chasing (Lang, *Parallel reduction of banded matrices to bidiagonal form*, Parallel
//! Computing 22 (1996); Haidar, Kurzak, Luszczek, *An improved parallel singular value algorithm*, SC'13).
//!
//! Sweep s annihilates row s beyond its superdiagonal and column s + 1 below its diagonal; that fills blocks further down,
//! of which it restores the first row and column only, and so on to the end of the matrix. Task k of sweep s touches the
//! blocks around column s + 1 + k·b and nothing else, so sweeps follow each other on several threads at a distance of
//! three tasks. Every element sees the same operations in the same order at any number of threads.

use crate::band::Band;
use crate::control::{Control, Failure};
use crate::isa::{Isa, dispatch};
use crate::reflector::{Block, LANES, apply_left, apply_right, make_reflector};
use crate::scalar::Scalar;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The widest band that the kernels have room for.
pub(crate) const WIDEST: usize = 128;

/// The diagonal (n) and superdiagonal (n − 1) of an upper bidiagonal matrix.
pub(crate) struct Bidiagonal {
    pub(crate) diagonal: Vec<f64>,
    pub(crate) superdiagonal: Vec<f64>,
}

/// Reduces `band` (overwritten; bandwidth a multiple of 8, at most [`WIDEST`]) to bidiagonal form. `report` is told the
/// share of the work that is done.
pub(crate) fn reduce<T: Scalar>(
    isa: Isa,
    band: &mut Band<T>,
    control: &Control,
    report: &(dyn Fn(f64) + Sync),
) -> Result<Bidiagonal, Failure> {
    let (n, b) = (band.order, band.bandwidth);
    assert!(b % LANES == 0 && b <= WIDEST);
    // Threads wait for each other at every task: they must be long enough, and enough.
    let threads = if n < 1024 { 1 } else { control.threads().min(n / (8 * b)) };
    let chase = Chase {
        isa,
        start: SharedPointer(band.data.as_mut_ptr()),
        order: n,
        bandwidth: b,
        sweeps: n.saturating_sub(2),
        claimed: AtomicUsize::new(0),
        finished: (0..threads).map(|_| Progress::default()).collect(),
        stopped: AtomicBool::new(false),
    };
    if threads > 1 {
        rayon::in_place_scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| chase.run(control, &|_| {}));
            }
            chase.run(control, report);
        });
    } else {
        chase.run(control, report);
    }
    if chase.stopped.into_inner() {
        return Err(Failure::Cancelled);
    }
    let element = |i: usize, j: usize| band.data[band.at(i, j)].into();
    Ok(Bidiagonal {
        diagonal: (0..n).map(|i| element(i, i)).collect(),
        superdiagonal: (1..n).map(|i| element(i - 1, i)).collect(),
    })
}

/// How far one sweep is. On a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Progress(AtomicUsize);

/// The band's storage, shared by the threads of one chase.
struct SharedPointer<T>(*mut T);
// SAFETY: tasks that run at the same time touch disjoint elements; `Chase::run` orders all others.
unsafe impl<T: Send> Sync for SharedPointer<T> {}

struct Chase<T> {
    isa: Isa,
    start: SharedPointer<T>,
    order: usize,
    bandwidth: usize,
    sweeps: usize,
    /// Sweeps that some thread has taken on.
    claimed: AtomicUsize,
    /// sweep · [`SWEEP`] + tasks finished in it, of sweep s in slot s modulo their number. There are as many slots as
    /// threads: no sweep ends before the one it follows, so a slot is free again when it comes round.
    finished: Vec<Progress>,
    stopped: AtomicBool,
}

/// Larger than the number of tasks in a sweep.
const SWEEP: usize = 1 << 24;

impl<T: Scalar> Chase<T> {
    /// Takes on one sweep after the other, in order, until there are none. A thread waits only for a sweep that another
    /// is working on, so it does not matter how many of the threads asked for ever come.
    fn run(&self, control: &Control, report: &dyn Fn(f64)) {
        loop {
            let sweep = self.claimed.fetch_add(1, Ordering::Relaxed);
            if sweep >= self.sweeps || self.stopped.load(Ordering::Relaxed) {
                return;
            }
            if control.is_cancelled() {
                self.stopped.store(true, Ordering::Relaxed);
                return;
            }
            let mine = &self.finished[sweep % self.finished.len()].0;
            let mut before = 0;
            for task in 0..(self.order - sweep - 1).div_ceil(self.bandwidth) {
                // The tasks of the sweep before that touch the same elements are this one and the two after it.
                if sweep > 0 && before < (sweep - 1) * SWEEP + task + 3 {
                    match self.wait_for(sweep - 1, task + 3) {
                        Some(progress) => before = progress,
                        None => return,
                    }
                }
                // SAFETY: the elements of this task are nobody else's now, as just ensured.
                unsafe { chase_bulge(self.isa, self.start.0, self.bandwidth, sweep, task) };
                mine.store(sweep * SWEEP + task + 1, Ordering::Release);
            }
            mine.store((sweep + 1) * SWEEP, Ordering::Release);
            let share = 1.0 - sweep as f64 / self.sweeps as f64;
            report(1.0 - share * share);
        }
    }

    /// Returns once `sweep` has finished `tasks` tasks or all it has, with how far it is; `None` when the chase is stopped.
    fn wait_for(&self, sweep: usize, tasks: usize) -> Option<usize> {
        /// Waits longer than this many looks, under a task's duration, are for a thread that has lost its core.
        const LOOKS: u32 = 200;
        let progress = &self.finished[sweep % self.finished.len()].0;
        for look in 0u32.. {
            let finished = progress.load(Ordering::Acquire);
            if finished >= sweep * SWEEP + tasks {
                return Some(finished);
            }
            if look < LOOKS {
                std::hint::spin_loop();
            } else if self.stopped.load(Ordering::Relaxed) {
                return None;
            } else {
                std::thread::yield_now();
            }
        }
        None
    }
}

dispatch! {
    /// Task `task` of sweep `sweep` on the band stored at `start` with bandwidth `b`.
    ///
    /// # Safety
    /// `start` is the storage of a [`Band`], and nobody else uses rows and columns around the task's blocks meanwhile.
    unsafe fn chase_bulge<T>(start: *mut T, b: usize, sweep: usize, task: usize) = chase_bulge_body
}

#[inline(always)]
unsafe fn chase_bulge_body<T: Scalar, const FUSED: bool>(start: *mut T, b: usize, sweep: usize, task: usize) {
    // A dense block of the band has this distance between columns.
    let stride = 3 * b - 1;
    // SAFETY of all offsets: (i, j) with j − 2b < i < j + b and j < n + 3b lies inside the storage.
    let at = |i: usize, j: usize| unsafe { start.add(j * stride + i + 2 * b - 1) };
    let mut storage = [T::ZERO; WIDEST];
    let v = &mut storage[..b];
    let first = sweep + 1 + task * b;
    let row = if task == 0 { sweep } else { first - b };

    unsafe {
        // From the right: row `row` keeps its first element of columns first..first + b.
        for (j, v) in v.iter_mut().enumerate() {
            *v = *at(row, first + j);
        }
        let (beta, tau) = make_reflector::<T, FUSED>(v);
        if tau != T::ZERO {
            let top = if task == 0 { first } else { row };
            let block = Block { start: at(top, first), stride };
            apply_right::<T, FUSED>(block, first + b - top, v, tau);
        }
        *at(row, first) = beta;
        for j in 1..b {
            *at(row, first + j) = T::ZERO;
        }

        // From the left: column `first` keeps its first element of rows first..first + b.
        v.copy_from_slice(std::slice::from_raw_parts(at(first, first), b));
        let (beta, tau) = make_reflector::<T, FUSED>(v);
        if tau != T::ZERO {
            let block = Block { start: at(first, first + 1), stride };
            apply_left::<T, FUSED>(block, 2 * b - 1, v, tau);
        }
        *at(first, first) = beta;
        for i in 1..b {
            *at(first + i, first) = T::ZERO;
        }
    }
}
