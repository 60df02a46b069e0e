//! Every message of the protocol, as the TypeScript side writes it, survives a round trip through the types here.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use weight_loupe_engine::protocol::{
    BlockScalesResult, CutParams, CutResult, DifferenceParams, DifferenceResult, HashResult, HistogramParams,
    HistogramResult, InitializeParams, InitializeResult, LineHashesParams, LineHashesResult, MatchParams, MatchResult,
    NormsParams, NormsResult, PictureParams, PictureResult, RelationsParams, RelationsResult, ResidualParams,
    ResidualResult, ShutdownParams, SpectrumParams, SpectrumResult, Statistics, SubspacesParams, SubspacesResult,
    TensorParams, ValuesParams, ValuesResult, WriteParams, WriteResult,
};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    method: String,
    params: Value,
    result: Value,
}

/// Reads `value` as a `T`, writes it again and compares; then adds a field no message has, which must be refused.
fn round_trip<T: Serialize + DeserializeOwned>(method: &str, value: &Value) {
    let typed: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{method}: {error} in {value}"));
    assert_eq!(&serde_json::to_value(&typed).expect("plain data"), value, "{method}");
    if let Value::Object(mut fields) = value.clone() {
        fields.insert("unexpected".into(), true.into());
        let outcome = serde_json::from_value::<T>(Value::Object(fields));
        assert!(
            outcome.is_err_and(|error| error.to_string().contains("unexpected")),
            "{method} accepts unknown fields"
        );
    }
}

#[test]
fn messages_survive_a_round_trip() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/contract/messages.json");
    let text = std::fs::read_to_string(path).expect("the samples");
    let samples: Vec<Sample> = serde_json::from_str(&text).expect("samples of messages");
    let mut seen: Vec<&str> = Vec::new();
    for Sample { method, params, result } in &samples {
        seen.push(method);
        match method.as_str() {
            "initialize" => {
                round_trip::<InitializeParams>(method, params);
                round_trip::<InitializeResult>(method, result);
            }
            "statistics" => {
                round_trip::<TensorParams>(method, params);
                round_trip::<Statistics>(method, result);
            }
            "histogram" => {
                round_trip::<HistogramParams>(method, params);
                round_trip::<HistogramResult>(method, result);
            }
            "norms" => {
                round_trip::<NormsParams>(method, params);
                round_trip::<NormsResult>(method, result);
            }
            "spectrum" => {
                round_trip::<SpectrumParams>(method, params);
                round_trip::<SpectrumResult>(method, result);
            }
            "picture" => {
                round_trip::<PictureParams>(method, params);
                round_trip::<PictureResult>(method, result);
            }
            "values" => {
                round_trip::<ValuesParams>(method, params);
                round_trip::<ValuesResult>(method, result);
            }
            "blockScales" => {
                round_trip::<TensorParams>(method, params);
                round_trip::<BlockScalesResult>(method, result);
            }
            "hash" => {
                round_trip::<TensorParams>(method, params);
                round_trip::<HashResult>(method, result);
            }
            "lineHashes" => {
                round_trip::<LineHashesParams>(method, params);
                round_trip::<LineHashesResult>(method, result);
            }
            "match" => {
                round_trip::<MatchParams>(method, params);
                round_trip::<MatchResult>(method, result);
            }
            "subspaces" => {
                round_trip::<SubspacesParams>(method, params);
                round_trip::<SubspacesResult>(method, result);
            }
            "write" => {
                round_trip::<WriteParams>(method, params);
                round_trip::<WriteResult>(method, result);
            }
            "cut" => {
                round_trip::<CutParams>(method, params);
                round_trip::<CutResult>(method, result);
            }
            "difference" => {
                round_trip::<DifferenceParams>(method, params);
                round_trip::<DifferenceResult>(method, result);
            }
            "relations" => {
                round_trip::<RelationsParams>(method, params);
                round_trip::<RelationsResult>(method, result);
            }
            "residual" => {
                round_trip::<ResidualParams>(method, params);
                round_trip::<ResidualResult>(method, result);
            }
            "shutdown" => {
                round_trip::<ShutdownParams>(method, params);
                assert!(result.is_null());
            }
            _ => panic!("the engine has no method {method:?}"),
        }
    }
    for method in [
        "initialize",
        "statistics",
        "histogram",
        "norms",
        "spectrum",
        "picture",
        "values",
        "blockScales",
        "hash",
        "lineHashes",
        "match",
        "subspaces",
        "write",
        "cut",
        "difference",
        "relations",
        "residual",
        "shutdown",
    ] {
        assert!(seen.contains(&method), "no sample of {method}");
    }
}
