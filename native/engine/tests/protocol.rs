//! The real process, spoken to over its standard input and output.

mod common;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use common::{TempFile, store};
use serde_json::{Value, json};
use weight_loupe_engine::protocol::{ENGINE_VERSION, PROTOCOL_VERSION};
use weight_loupe_engine::tensor::Dtype;

struct Engine {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    notifications: VecDeque<Value>,
    next: i64,
}

impl Engine {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_weight-loupe-engine"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output, notifications: VecDeque::new(), next: 0 }
    }

    fn write(&mut self, body: &[u8]) {
        let input = self.input.as_mut().unwrap();
        write!(input, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
        input.write_all(body).unwrap();
        input.flush().unwrap();
    }

    fn send(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        let message = json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params });
        self.write(message.to_string().as_bytes());
        self.next
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.write(json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string().as_bytes());
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the engine has ended");
            match line.trim().split_once(": ") {
                Some((_, value)) => length = value.parse().unwrap(),
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// The next answer; notifications before it are set aside.
    fn answer(&mut self) -> Value {
        loop {
            let message = self.receive();
            if message.get("id").is_some() {
                return message;
            }
            self.notifications.push_back(message);
        }
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        let answer = self.answer();
        assert_eq!(answer["id"], id);
        answer
    }

    /// Closes the input; answers the exit code and what was written to standard error.
    fn end(mut self) -> (Option<i32>, String) {
        self.input = None;
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

fn initialize(protocol: u32) -> Value {
    json!({ "protocol": protocol, "client": "test 1.0" })
}

/// A sparse file that takes many seconds to analyse.
fn huge() -> (TempFile, Value) {
    let bytes = 200u64 << 30;
    let file = TempFile::new(&[]);
    File::options().write(true).open(file.path()).unwrap().set_len(bytes).unwrap();
    let tensor = json!({
        "kind": "range", "file": file.path(), "offset": 0, "bytes": bytes, "dtype": "F64", "shape": [bytes / 8]
    });
    (file, tensor)
}

#[test]
fn the_handshake_compares_versions() {
    let mut engine = Engine::start();
    let answer = engine.call("initialize", initialize(PROTOCOL_VERSION));
    assert_eq!(answer["result"]["protocol"], PROTOCOL_VERSION);
    assert_eq!(answer["result"]["version"], env!("CARGO_PKG_VERSION"));
    let answer = engine.call("initialize", initialize(7));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("test 1.0 speaks protocol 7")
            && message.contains(&format!("speaks protocol {PROTOCOL_VERSION}")),
        "{message}"
    );
    assert_eq!(engine.end(), (Some(0), String::new()));
}

#[test]
fn the_version_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_weight-loupe-engine")).arg("--version").output().unwrap();
    let expected = format!("weight-loupe-engine {ENGINE_VERSION} (protocol {PROTOCOL_VERSION})\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn bad_requests_are_answered_with_a_reason_and_the_next_one_works() {
    let mut engine = Engine::start();
    let (_file, tensor) = store(&1f32.to_le_bytes(), Dtype::F32, &[1]);
    let tensor = serde_json::to_value(tensor).unwrap();
    let mut deep = tensor.clone();
    for _ in 0..50 {
        deep = json!({ "kind": "reshape", "of": deep, "shape": [1] });
    }
    let short =
        json!({ "kind": "range", "file": tensor["file"], "offset": 0, "bytes": 8, "dtype": "F32", "shape": [1] });
    let overflow = json!({
        "kind": "range", "file": tensor["file"], "offset": 0, "bytes": 0, "dtype": "U8", "shape": [1u64 << 33, 1u64 << 33]
    });
    let missing =
        json!({ "kind": "range", "file": "/nowhere/x", "offset": 0, "bytes": 4, "dtype": "F32", "shape": [1] });
    let beyond =
        json!({ "kind": "range", "file": tensor["file"], "offset": 1000, "bytes": 4, "dtype": "F32", "shape": [1] });
    let whole = json!({ "rowStart": 0, "rowStop": 1, "columnStart": 0, "columnStop": 2 });
    for (method, params, code, words) in [
        ("divine", json!({}), -32601, "divine"),
        ("statistics", json!({}), -32602, "tensor"),
        ("statistics", json!({ "tensor": tensor, "colour": "red" }), -32602, "colour"),
        ("statistics", json!([1]), -32602, "Invalid parameters"),
        ("statistics", json!({ "tensor": { "kind": "sum" } }), -32602, "sum"),
        ("statistics", json!({ "tensor": deep }), -32602, "nests"),
        ("statistics", json!({ "tensor": short }), -32602, "needs 4 bytes"),
        ("statistics", json!({ "tensor": overflow }), -32602, "overflows"),
        ("statistics", json!({ "tensor": missing }), -32001, "/nowhere/x"),
        ("statistics", json!({ "tensor": beyond }), -32002, "ends at byte"),
        ("values", json!({ "tensor": tensor, "window": whole }), -32602, "window"),
        ("picture", json!({ "tensor": tensor, "window": whole, "height": 0, "width": 1 }), -32602, "pixels"),
        ("histogram", json!({ "tensor": tensor, "bins": 5000, "binsPerDecade": 1 }), -32602, "5000"),
        ("norms", json!({ "tensor": tensor, "points": 0 }), -32602, "points"),
    ] {
        let answer = engine.call(method, params);
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    }
    let answer = engine.call("statistics", json!({ "tensor": tensor }));
    assert_eq!(answer["result"]["mean"], 1.0);
    assert_eq!(engine.call("shutdown", json!({}))["result"], Value::Null);
    engine.notify("exit", json!({}));
    assert_eq!(engine.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_cancelled_request_is_answered_at_once_and_stops() {
    let mut engine = Engine::start();
    let (_huge, tensor) = huge();
    let (_file, small) = store(&vec![0; 8 << 20], Dtype::F64, &[1 << 20]);
    let mut fastest = Duration::MAX;
    for method in ["statistics", "histogram", "norms", "hash", "spectrum"] {
        let mut params = json!({ "tensor": tensor });
        match method {
            "histogram" => params = json!({ "tensor": tensor, "bins": 64, "binsPerDecade": 8 }),
            "norms" => {
                params =
                    json!({ "tensor": { "kind": "reshape", "of": tensor, "shape": [5 << 20, 5 << 10] }, "points": 9 })
            }
            "spectrum" => {
                // A gigabyte of zeros to read before anything else happens.
                let slice = json!({ "kind": "slice", "of": tensor, "axis": 0, "start": 0, "stop": 1 << 27 });
                params = json!({ "tensor": { "kind": "reshape", "of": slice, "shape": [1 << 14, 1 << 13] }, "mode": "exact" });
            }
            _ => {}
        }
        let id = engine.send(method, params);
        std::thread::sleep(Duration::from_millis(200));
        let asked = Instant::now();
        engine.notify("$/cancelRequest", json!({ "id": id }));
        let answer = engine.answer();
        fastest = fastest.min(asked.elapsed());
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(id), &json!(-32800)), "{method}: {answer}");
        // Large requests run one at a time: this one is answered because the cancelled one has stopped.
        let answer = engine.call("statistics", json!({ "tensor": small }));
        assert_eq!(answer["result"]["zeros"], 1 << 20, "{answer}");
    }
    // The quickest of several: a loaded machine may delay any one of them.
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
    assert_eq!(engine.end().0, Some(0));
}

#[test]
fn what_a_person_looks_at_does_not_wait_for_heavy_work() {
    let mut engine = Engine::start();
    let (_huge, tensor) = huge();
    engine.send("statistics", json!({ "tensor": tensor, "progressToken": "heavy" }));
    let (_file, small) = store(&[7; 4], Dtype::U8, &[2, 2]);
    let window = json!({ "rowStart": 0, "rowStop": 2, "columnStart": 0, "columnStop": 2 });
    let id = engine.send("values", json!({ "tensor": small, "window": window }));
    let answer = engine.answer();
    assert_eq!((&answer["id"], &answer["result"]["rows"]), (&json!(id), &json!([[7, 7], [7, 7]])));
    let answer = engine.call("picture", json!({ "tensor": small, "window": window, "height": 1, "width": 1 }));
    assert_eq!(answer["result"]["maxAbs"], 7.0, "{answer}");
    while engine.notifications.is_empty() {
        let message = engine.receive();
        engine.notifications.push_back(message);
    }
    let progress = engine.notifications.pop_front().unwrap();
    assert_eq!((&progress["method"], &progress["params"]["token"]), (&json!("$/progress"), &json!("heavy")));
    assert!(progress["params"]["value"]["done"].as_u64() <= progress["params"]["value"]["total"].as_u64());
    // The end of the input ends the process, whatever runs.
    assert_eq!(engine.end(), (Some(0), String::new()));
}

#[test]
fn input_that_is_not_the_protocol_ends_the_process_with_a_sentence() {
    for garbage in [&b"Content-Length: 5\r\n\r\n{\"a\":"[..], b"hello\r\n\r\n", b"Content-Length: 2\r\n\r\n{}"] {
        let mut engine = Engine::start();
        engine.input.as_mut().unwrap().write_all(garbage).unwrap();
        let (code, log) = engine.end();
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains("standard input is not the engine's protocol"), "{log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}
