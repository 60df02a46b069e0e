import assert from "node:assert/strict";
import fc from "fast-check";
import { buildModules } from "../../../webview/tree/modules";
import { tensorsAt, Tree, type TreeNode } from "../../../webview/tree/tree";
import { compareNatural } from "../../../src/checkpoint/natural-order";
import { initialExpansion, sortNodes, visibleRows } from "../../../webview/tree/visible-rows";

/** Every row of the whole tree, indented, `each` rows not entered. */
function outline(tree: Tree): string[] {
  return visibleRows(tree, (node) => node.kind !== "each" && node.kind !== "folded", null).map(({ node, depth }) => "  ".repeat(depth) + node.label);
}

/** Tensor indices at the leaves, each folded row opened, `each` rows (which show the same tensors again) closed. */
function leaves(tree: Tree): number[] {
  return visibleRows(tree, (node) => node.kind !== "each", null).filter(({ node }) => node.kind === "tensor").map(({ node }) => node.tensor);
}

function find(tree: Tree, path: string): TreeNode {
  const found = visibleRows(tree, () => true, null).find(({ node }) => node.path === path && node.kind !== "each");
  assert.ok(found, `no row ${path}`);
  return found.node;
}

const llama = ["model.embed_tokens.weight"];
for (const layer of [0, 1, 10, 2]) {
  for (const part of ["self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj", "input_layernorm"]) llama.push(`model.layers.${layer}.${part}.weight`);
}
llama.push("model.norm.weight", "lm_head.weight");

const moe = [0, 1].flatMap((layer) => [
  `layers.${layer}.router.weight`,
  ...[0, 1, 2].flatMap((expert) => [`layers.${layer}.experts.${expert}.up.weight`, `layers.${layer}.experts.${expert}.down.weight`]),
]);

/** Names as models have them: few labels, many numbers, chains, and a tensor that is also a module's prefix. */
const name = fc.array(fc.oneof(fc.constantFrom("layers", "h", "mlp", "weight", "bias", "", "__proto__"), fc.nat(12).map(String)), { minLength: 1, maxLength: 6 })
  .map((segments) => segments.join("."));
const names = fc.uniqueArray(name, { maxLength: 60 });

describe("the tensor tree", () => {
  it("folds repeated layers, compacts chains and keeps the file's order", () => {
    assert.deepEqual(outline(new Tree(buildModules(llama), null)), [
      "model",
      "  embed_tokens.weight",
      "  layers 0…10 (4)",
      "    self_attn",
      "      q_proj.weight",
      "      k_proj.weight",
      "    mlp.up_proj.weight",
      "    input_layernorm.weight",
      "    each layer",
      "  norm.weight",
      "lm_head.weight",
    ]);
  });

  it("gives a folded row its tensors by layer, in the order of the numbers", () => {
    const tree = new Tree(buildModules(llama), null);
    const folded = find(tree, "model.layers.*.self_attn.q_proj.weight");
    assert.equal(folded.kind, "folded");
    assert.deepEqual(folded.layers.map(({ layer, tensors }) => [layer, tensors.map((i) => llama[i])]), [0, 1, 2, 10].map((layer) => [
      layer, [`model.layers.${layer}.self_attn.q_proj.weight`],
    ]));
    assert.deepEqual(folded.children.map((child) => child.label), ["layers.0", "layers.1", "layers.2", "layers.10"]);
    const attention = find(tree, "model.layers.*.self_attn");
    assert.deepEqual(attention.layers.map(({ tensors }) => tensors.length), [2, 2, 2, 2]);
  });

  it("opens each layer on its own", () => {
    const tree = new Tree(buildModules(llama), null);
    const each = find(tree, "model.layers.*").children.at(-1)!;
    assert.deepEqual(each.children.map((child) => child.label), ["0", "1", "2", "10"]);
    assert.deepEqual(each.children[3]!.tensors.map((i) => llama[i]), llama.filter((name) => name.includes(".10.")));
  });

  it("folds experts inside folded layers", () => {
    const tree = new Tree(buildModules(moe), null);
    assert.deepEqual(outline(tree), ["layers 0…1", "  router.weight", "  experts 0…2", "    up.weight", "    down.weight", "    each layer", "  each layer"]);
    const up = find(tree, "layers.*.experts.*.up.weight");
    assert.deepEqual(up.layers.map(({ layer, tensors }) => [layer, tensors.length]), [[0, 3], [1, 3]]);
    assert.equal(up.children[4]!.label, "layers.1 · experts.1");
  });

  it("leaves a short sequence of different parts unfolded", () => {
    const rows = outline(new Tree(buildModules(["net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"]), null));
    assert.deepEqual(rows, ["net", "  0", "    weight", "    bias", "  2", "    weight", "    bias"]);
  });

  it("splits at slashes where names have no dots", () => {
    assert.deepEqual(outline(new Tree(buildModules(["params/encoder/kernel", "params/encoder/bias"]), null)), ["params/encoder", "  kernel", "  bias"]);
  });

  it("shows a tensor whose name is also a module's", () => {
    assert.deepEqual(outline(new Tree(buildModules(["a", "a.b", "a.c"]), null)), ["a", "a", "  b", "  c"]);
  });

  it("bounds the depth of a hostile name", () => {
    const name = ".".repeat(1_000_000);
    const tree = new Tree(buildModules([name]), null);
    assert.deepEqual(leaves(tree), [0]);
    assert.equal(tree.nameOf(tree.root.children[0]!.members[0]!), name);
  });

  it("holds every kept tensor exactly once, under its own name", () => {
    fc.assert(
      fc.property(names, fc.infiniteStream(fc.boolean()), (list, coin) => {
        const kept = Uint8Array.from(list, () => Number(coin.next().value));
        const modules = buildModules(list);
        const tree = new Tree(modules, kept);
        const expected = list.flatMap((_, i) => (kept[i] === 1 ? [i] : []));
        assert.deepEqual(leaves(tree).sort((a, b) => a - b), expected);
        assert.deepEqual([...tree.root.tensors].sort((a, b) => a - b), expected);
        list.forEach((name, i) => assert.equal(tree.nameOf(modules.leaf[i]!), name));
      }),
    );
  });

  it("gives every row of the tree its own id, and rows with children the tensors of those children", () => {
    fc.assert(
      fc.property(names, (list) => {
        const rows = visibleRows(new Tree(buildModules(list), null), () => true, null);
        assert.equal(new Set(rows.map(({ node }) => node.id)).size, rows.length);
        for (const { node } of rows) {
          if (!node.expandable) continue;
          const below = node.children.filter((child) => child.kind !== "each").flatMap((child) => [...child.tensors]);
          assert.deepEqual(below.sort((a, b) => a - b), [...node.tensors].sort((a, b) => a - b), node.id);
        }
      }),
    );
  });

  it("finds a group's tensors by its path, folded or not", () => {
    const modules = buildModules(llama);
    assert.equal(tensorsAt(modules, "model.layers.*.self_attn").length, 8);
    assert.equal(tensorsAt(modules, "model.layers.*.self_attn.q_proj.weight").length, 4);
    assert.equal(tensorsAt(modules, "model.layers.10").length, 4);
    assert.equal(tensorsAt(modules, "model.nothing").length, 0);
  });

  it("starts with about a screenful", () => {
    const tree = new Tree(buildModules(llama), null);
    const expanded = initialExpansion(tree);
    assert.ok(expanded.has("module:model") && expanded.has("layers:model.layers.*"));
    assert.ok(visibleRows(tree, (node) => expanded.has(node.id), null).length <= 40);
  });
});

describe("sorting the tree", () => {
  it("sorts siblings by the number of each row, unknown last both ways", () => {
    const tree = new Tree(buildModules(["a", "b", "c", "d"]), null);
    const key = (node: TreeNode): number => [3, NaN, 1, 2][node.tensor]!;
    assert.deepEqual(sortNodes(tree.root.children, { key, descending: false }).map((n) => n.label), ["c", "d", "a", "b"]);
    assert.deepEqual(sortNodes(tree.root.children, { key, descending: true }).map((n) => n.label), ["a", "d", "c", "b"]);
  });

  it("orders names as people count", () => {
    assert.deepEqual(["l.10.w", "l.2.w", "l.1.w", "l.2.b", "l"].sort(compareNatural), ["l", "l.1.w", "l.2.b", "l.2.w", "l.10.w"]);
    const text = fc.string({ unit: fc.constantFrom("a", ".", "0", "1", "9") });
    fc.assert(
      fc.property(text, text, text, (a, b, c) => {
        assert.equal(Math.sign(compareNatural(a, b)), -Math.sign(compareNatural(b, a)) + 0);
        assert.equal(compareNatural(a, b) === 0, a === b);
        if (compareNatural(a, b) <= 0 && compareNatural(b, c) <= 0) assert.ok(compareNatural(a, c) <= 0);
      }),
    );
  });
});
