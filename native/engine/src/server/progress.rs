//! Messages to the client.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use lsp_server::{Message, Notification};

use crate::protocol::Progress;

/// Time between two `$/progress` notifications of one request.
const INTERVAL: Duration = Duration::from_millis(100);

/// Sends messages; a client that is gone is no error.
#[derive(Clone)]
pub struct Sender(crossbeam_channel::Sender<Message>);

impl Sender {
    pub fn new(channel: crossbeam_channel::Sender<Message>) -> Self {
        Self(channel)
    }

    pub fn send(&self, message: Message) {
        let _ = self.0.send(message);
    }
}

/// Reports one request's progress, at most once per `INTERVAL`.
pub struct Reporter<'a> {
    sender: &'a Sender,
    token: Option<String>,
    last: Mutex<Instant>,
}

impl<'a> Reporter<'a> {
    pub fn new(sender: &'a Sender, token: Option<String>) -> Self {
        Self { sender, token, last: Mutex::new(Instant::now()) }
    }

    pub fn report(&self, done: u64, total: u64) {
        let Some(token) = &self.token else { return };
        // Another thread is just reporting: that will do.
        let Ok(mut last) = self.last.try_lock() else { return };
        if last.elapsed() < INTERVAL {
            return;
        }
        *last = Instant::now();
        let params = serde_json::json!({ "token": token, "value": Progress { done, total } });
        self.sender.send(Notification::new("$/progress".into(), params).into());
    }
}
