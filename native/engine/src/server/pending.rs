//! Requests that have not been answered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lsp_server::RequestId;

use crate::context::CancelToken;

/// The unanswered requests. Whoever takes one out answers it, so each is answered once.
#[derive(Default)]
pub struct Pending(Mutex<HashMap<RequestId, CancelToken>>);

impl Pending {
    fn requests(&self) -> MutexGuard<'_, HashMap<RequestId, CancelToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a request; false when its id is already there.
    pub fn register(&self, id: RequestId, cancel: CancelToken) -> bool {
        let mut requests = self.requests();
        if requests.contains_key(&id) {
            return false;
        }
        requests.insert(id, cancel);
        true
    }

    /// Takes a finished request out; false when it was cancelled and answered before.
    pub fn complete(&self, id: &RequestId) -> bool {
        self.requests().remove(id).is_some()
    }

    /// Stops a request and takes it out; false when it was answered before.
    pub fn cancel(&self, id: &RequestId) -> bool {
        self.requests().remove(id).inspect(CancelToken::cancel).is_some()
    }

    /// Stops everything.
    pub fn cancel_all(&self) {
        self.requests().values().for_each(CancelToken::cancel);
    }
}
