//! Which job runs when.
//!
//! Three lanes that never wait for one another: what a person is looking at; small jobs, several at once on one thread
//! each; large jobs, one at a time on all threads. Small tensors thus run side by side, and a large one has the memory
//! bandwidth (and the working memory) to itself.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Where a job queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Somebody is waiting; short.
    Interactive,
    /// Not worth splitting over threads.
    Small,
    /// Splits over all threads.
    Large,
}

/// A job; it is told how many threads it may use.
type Job = Box<dyn FnOnce(usize) + Send>;

#[derive(Default)]
struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    filled: Condvar,
}

impl Queue {
    fn push(&self, job: Job) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        self.filled.notify_one();
    }

    fn pop(&self) -> Job {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match jobs.pop_front() {
                Some(job) => return job,
                None => jobs = self.filled.wait(jobs).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// The lanes and their threads, which live as long as the process.
pub struct Scheduler {
    threads: usize,
    interactive: Arc<Queue>,
    small: Arc<Queue>,
    large: Arc<Queue>,
}

impl Scheduler {
    /// Starts the lanes; `threads` is how many a job may use.
    pub fn new(threads: usize) -> Self {
        let scheduler = Self { threads, interactive: Arc::default(), small: Arc::default(), large: Arc::default() };
        // Two people's worth of requests at once: a picture must not hold up the numbers beside it.
        for _ in 0..2 {
            Self::lane("interactive", &scheduler.interactive, threads);
        }
        for _ in 0..threads {
            Self::lane("small", &scheduler.small, 1);
        }
        Self::lane("large", &scheduler.large, threads);
        scheduler
    }

    /// Threads that a job may use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Queues a job.
    pub fn submit(&self, lane: Lane, job: impl FnOnce(usize) + Send + 'static) {
        let queue = match lane {
            Lane::Interactive => &self.interactive,
            Lane::Small => &self.small,
            Lane::Large => &self.large,
        };
        queue.push(Box::new(job));
    }

    /// Starts a thread that works off `queue`, with a pool of its own for jobs that split.
    fn lane(name: &str, queue: &Arc<Queue>, threads: usize) {
        let queue = Arc::clone(queue);
        let pool = (threads > 1).then(|| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("worker {index}"));
            pool.build().expect("threads can be started")
        });
        let work = move || {
            loop {
                let job = queue.pop();
                match &pool {
                    Some(pool) => pool.install(|| job(threads)),
                    None => job(1),
                }
            }
        };
        std::thread::Builder::new().name(name.into()).spawn(work).expect("a thread can be started");
    }
}
