/** What each health rule means, in a sentence; `docs/health.md` has the thresholds. */
const RULES: Readonly<Record<string, readonly [title: string, meaning: string]>> = {
  "nan": ["NaN", "Training does not recover from a NaN, and most inference turns to NaN at once."],
  "infinity": ["Infinity", "An infinite weight makes everything behind it infinite or NaN; only an attention mask has a use for one."],
  "all-zero": ["All zero", "A weight matrix of zeros says nothing: it was never written, or its part of the model is switched off."],
  "constant": ["Constant", "All elements are one value, as after initialisation; trained weights differ from each other."],
  "exploded": ["Exploded", "Values far beyond what working layers are trained to: the run diverged, or a scale was lost."],
  "subnormal-heavy": ["Many subnormal numbers", "So small that they hold fewer digits than the type promises; some processors flush them to 0 or slow down."],
  "dead-rows": ["Dead rows", "A row of zeros is a unit that can only say 0; its share of the computation is wasted."],
  "dead-columns": ["Dead columns", "A column of zeros is an input that is ignored."],
  "row-outlier": ["Outlying row", "A row's norm is far from its siblings': one unit dominates the others, or is nearly dead."],
  "column-outlier": ["Outlying column", "A column's norm is far from its siblings': one input is weighted far more or less than the others."],
  "collapsed-spectrum": ["Collapsed spectrum", "Few singular values carry the matrix: it does the work of a much smaller one."],
  "over-trained": ["Heavy tail, α below 2", "In WeightWatcher's reading the layer is over-trained: its few largest directions dominate."],
  "under-trained": ["Light tail, α above 6", "In WeightWatcher's reading the layer is close to random."],
  "norm-outlier": ["Unlike its siblings", "The scale differs from that of the same module in the other layers."],
  "duplicate-tensors": ["Duplicates", "Several tensors hold the same bytes; layers do not become equal by training."],
  "undecodable": ["Cannot be decoded", "Name, shape and size are known, values cannot be shown."],
  "not-analysed": ["Not analysed", "A part of the analysis failed for this tensor, or is not defined for it."],
  "stale": ["File unreadable now", "What is shown is what the file held before it changed."],
  "missing-shard": ["Missing shard", "The index names a file that is not there; its tensors are listed without shape."],
  "unreadable-shard": ["Damaged shard", "One shard cannot be read; the rest of the model is shown."],
  "tensor-not-in-shard": ["Tensor in no shard", "The index says where the tensor is, and it is nowhere."],
  "tensor-in-other-shard": ["Tensor in another shard", "The tensor is not where the index says; it is shown from where it is."],
  "tensor-in-two-shards": ["Tensor twice", "Two shards hold a tensor of this name; one copy is shown."],
  "tensor-not-in-index": ["Tensor not in the index", "Loaders that follow the index leave it out."],
  "unsafe-global": ["Unsafe global", "Loading the file with torch.load(weights_only=False) runs or imports it; nothing of it is run here."],
  "holds-code": ["Holds code", "torch.jit.load runs the code in a TorchScript archive when the model is called."],
  "record-checksum": ["Wrong checksum", "torch does not check it; tools that look for unsafe pickles may stop at it."],
  "second-pickle": ["Second pickle", "The archive holds another data.pkl than the one that torch reads."],
  "repeated-name": ["Repeated name", "Keys joined by dots give two tensors one name; the later ones are numbered."],
  "metadata-left-out": ["Metadata left out", "The file holds more numbers and texts than are shown."],
  "split-count": ["Wrong number of parts", "The file's name and its metadata disagree about how many parts the model has."],
  "split-number": ["Wrong part", "A part's name and its metadata disagree about which part it is."],
  "split-tensor-count": ["Wrong number of tensors", "The parts hold another number of tensors than the metadata says."],
  "unused-rank": ["Unused rank", "Directions that carry no part of the update cost parameters for nothing."],
  "weight-only-allocation": ["Allocated by weights only", "EVA itself looks at activations, which no checkpoint holds."],
  "budget-not-spent": ["Budget not spent", "Fewer ranks would do than the budget allows."],
  "total-size": ["Wrong total size", "The index' total_size is not the sum of the tensors' bytes."],
};

/** Title and meaning of a rule; an unknown one is its own title. */
export function explainRule(rule: string): { title: string; meaning: string } {
  const known = Object.hasOwn(RULES, rule) ? RULES[rule]! : undefined;
  return { title: known?.[0] ?? rule, meaning: known?.[1] ?? "" };
}
