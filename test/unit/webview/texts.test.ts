/** Small texts: Python snippets, places visited, findings by rule, metadata. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { groupByRule } from "../../../webview/inspect/group-by-rule";
import { History } from "../../../webview/frame/history";
import { prettyJson } from "../../../webview/inspect/pretty-json";
import { loadSnippet, pythonString } from "../../../webview/inspect/snippet";

describe("Python snippets", () => {
  it("are ASCII on one line per name, whatever the name holds", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        const literal = pythonString(name);
        assert.match(literal, /^"[\x20-\x7e]*"$/);
        assert.doesNotMatch(literal.slice(1, -1).replaceAll(/\\./g, ""), /"/);
      }),
    );
  });

  it("mean the same name to Python", function () {
    const names = ["model.layers.0.w", 'a"b\\c', "tab\tline\nend", "\u202eüber\u{1f600}", "", "${x}%s{y}", "\0\x7f\u2028"];
    let read: unknown;
    try {
      read = JSON.parse(execFileSync("python3", ["-c", `import json\nprint(json.dumps([${names.map(pythonString).join(", ")}]))`], { encoding: "utf8" }));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") this.skip();
      throw error;
    }
    assert.deepEqual(read, names);
  });

  it("open the file and name the tensors", () => {
    assert.equal(
      loadSnippet("/models/a.safetensors", ["w"]),
      'from safetensors import safe_open\n\nwith safe_open("/models/a.safetensors", framework="pt") as f:\n    tensor = f.get_tensor("w")\n',
    );
    assert.equal(
      loadSnippet("/models/a.gguf", ["w"]),
      'from gguf import GGUFReader, dequantize\n\nstored = {t.name: t for t in GGUFReader("/models/a.gguf").tensors}\ntensor = dequantize(stored["w"].data, stored["w"].tensor_type)\n',
    );
    assert.match(loadSnippet("a", ["v", "w"]), /for name in \[\n {8}"v",\n {8}"w",\n {4}\]\}/);
  });
});

describe("places visited", () => {
  const make = (): History<{ at: number }> => new History({ at: 0 }, (a, b) => a.at === b.at, 5);

  it("go back and forward as in a browser", () => {
    const history = make();
    history.visit({ at: 1 });
    history.visit({ at: 1 });
    history.visit({ at: 2 });
    assert.equal(history.back().at, 1);
    assert.equal(history.back().at, 0);
    assert.equal(history.canGoBack, false);
    assert.equal(history.forward().at, 1);
    history.visit({ at: 3 });
    assert.equal(history.canGoForward, false);
    assert.equal(history.back().at, 1);
  });

  it("are bounded, and follow a file that lost some of them", () => {
    const history = make();
    for (let at = 1; at < 20; at++) history.visit({ at });
    history.translate(({ at }) => (at % 2 === 0 ? { at: at / 2 } : null), { at: -1 });
    assert.equal(history.current.at, 9);
    let steps = 0;
    while (history.canGoBack) {
      history.back();
      steps++;
    }
    assert.ok(steps < 5);
    history.translate(() => null, { at: -1 });
    assert.equal(history.current.at, -1);
  });
});

describe("findings by rule", () => {
  it("stand under their rule, the worst rule first", () => {
    const groups = groupByRule([
      { rule: "b", severity: "info", message: "1" },
      { rule: "a", severity: "warning", message: "2" },
      { rule: "b", severity: "error", message: "3" },
      { rule: "a", severity: "warning", message: "4" },
    ]);
    assert.deepEqual(groups.map(({ rule, severity, list }) => [rule, severity, list.length]), [["b", "error", 2], ["a", "warning", 2]]);
  });
});

describe("metadata values", () => {
  it("are indented when they are JSON objects or arrays, and left alone otherwise", () => {
    assert.equal(prettyJson('{"a":[1]}'), '{\n  "a": [\n    1\n  ]\n}');
    for (const text of ["", "pt", "12", "{not json", "null"]) assert.equal(prettyJson(text), null);
  });
});
