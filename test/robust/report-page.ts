/** `examples/robust/report.html`: what robust weight signatures make of the example's models, self-contained, from `report.json`. */
import { toNumber, type Numeric } from "../../src/protocol/results";
import type { Counts, ReportData } from "./report-data";
import { CORRUPTIONS } from "./tables";

const IMAGES = 600;
const TITLE = "Robust weight signatures of a small network";

const escape = (text: string): string => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
const percent = (count: number): string => ((100 * count) / IMAGES).toFixed(1);
const figure = (value: Numeric): string => toNumber(value).toPrecision(3);
const word = (name: string): string => name.replace("_", " ").replace("-again", ", another seed");

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]): string => `<tr>${row.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
  return `<div class="wide"><table><thead>${cells("th", head)}</thead><tbody>${rows.map((row) => cells("td", row)).join("\n")}</tbody></table></div>`;
}

/** The page. @param data of `report.json`. */
export function reportPage(data: ReportData): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${TITLE}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${TITLE}</h1>
<p>One convolutional network of 22,098 parameters for digits: <code>base</code> (pre-trained on letters, a new head), <code>clean</code> (fine-tuned on clean digits) and
six fine-tuned on corrupted ones. A signature is p − (p·a)/(a·a)·a for each tensor, a = clean − base, p = robust − base. Every weight here was made by
<code>weight-loupe signature</code>; answers are counted on ${IMAGES} held-out images by a forward pass in double precision. Numbers are as they came out.</p>
${differences(data)}
${likeness(data)}
${accuracies(data)}
${projection(data)}
${transfer(data)}
${sizes(data)}
<h2>How to make it again</h2>
<pre>npm run build -- --tests
node out/test/robust/report.main.js</pre>
<p>The models, <code>forward.json</code> and the numbers (<code>report.json</code>) lie beside this page.</p>
</body>
</html>
`;
}

function differences({ extract }: ReportData): string {
  const weights = extract.layers.filter(({ name }) => name.endsWith(".weight") && !name.startsWith("norm"));
  const section = (title: string, of: (layer: (typeof weights)[number], corruption: number) => Numeric): string => {
    const most = CORRUPTIONS.map((_, i) => weights.reduce((best, layer) => (toNumber(of(layer, i)) > toNumber(of(best, i)) ? layer : best)));
    const top = Math.max(...weights.flatMap((layer) => CORRUPTIONS.map((_, i) => toNumber(of(layer, i)))));
    const bar = (value: number): string => `<span class="bar" style="width:${((60 * value) / top).toFixed(1)}px"></span>${figure(value)}`;
    return `<h3>${title}</h3>${table(["layer", ...CORRUPTIONS.map(word)], weights.map((layer) => [escape(layer.name), ...CORRUPTIONS.map((_, i) => `${most[i] === layer ? "<strong>" : ""}${bar(toNumber(of(layer, i)))}${most[i] === layer ? "</strong>" : ""}`)]))}`;
  };
  const first = (of: (layer: (typeof weights)[number], corruption: number) => Numeric): number => CORRUPTIONS.filter((_, i) => weights.slice(0, 2).some((layer) => weights.every((other) => toNumber(of(other, i)) <= toNumber(of(layer, i))))).length;
  const relative: Parameters<typeof first>[0] = ({ differences: all }, i) => all[i]!.relative;
  const toUpdate: Parameters<typeof first>[0] = ({ differences: all }, i) => all[i]!.relativeToUpdate!;
  return `<h2>Where the differences concentrate</h2>
<p>The published claim is: in shallow layers. Relative to the clean weights it holds here for ${first(relative)} of ${CORRUPTIONS.length} corruptions (largest in the first two layers); relative to
how far clean fine-tuning moved the layer, for ${first(toUpdate)}. It depends on the measure.</p>
${section("‖robust − clean‖ / ‖clean‖", relative)}
${section("‖robust − clean‖ / ‖clean − base‖", toUpdate)}`;
}

function likeness({ compare, depth }: ReportData): string {
  const names = compare.signatures.map((file) => file.replace(".rws.safetensors", ""));
  const cosine = (i: number, j: number): number => toNumber(compare.cosine[i]![j]!);
  const pairs = names.flatMap((a, i) => names.slice(i + 1).map((b, k) => ({ a, b, value: cosine(i, i + 1 + k) })));
  const kind = (name: string): string => name.replace("-again", "");
  const noise = (name: string): boolean => name.includes("noise");
  const same = pairs.filter(({ a, b }) => kind(a) === kind(b)).map(({ value }) => value);
  const noises = pairs.filter(({ a, b }) => kind(a) !== kind(b) && noise(a) && noise(b)).map(({ value }) => value);
  const others = pairs.filter(({ a, b }) => kind(a) !== kind(b) && !(noise(a) && noise(b))).map(({ value }) => value);
  const range = (values: readonly number[]): string => `${figure(Math.min(...values))} to ${figure(Math.max(...values))}`;
  const shade = (value: number): string => `<span class="cell" style="background:rgba(38,110,190,${Math.max(0, value).toFixed(2)})${value > 0.55 ? ";color:#fff" : ""}">${value.toFixed(2)}</span>`;
  return `<h2>Which signatures are alike</h2>
<p>Over the first ${depth} layers: the same corruption with another seed ${range(same)}; the two noises ${range(noises)}; other pairs ${range(others)}. That a corruption has a signature of its own holds.</p>
${table(["cosine", ...names.map(word)], names.map((name, i) => [word(name), ...names.map((_, j) => shade(cosine(i, j)))]))}`;
}

function pair({ clean, corrupted }: Counts): string {
  return `${percent(clean)} / ${percent(corrupted)}`;
}

function accuracies({ clean, robust, patched }: ReportData): string {
  const better = patched.map(({ layers, counts }) => `${counts.filter(({ corrupted }, i) => corrupted > clean[i]!.corrupted).length} of ${CORRUPTIONS.length} with ${layers === 1 ? "one layer" : `${layers} layers`}`);
  const kept = patched.map(({ layers, counts }) => ({ layers, kept: counts.filter(({ clean: own }, i) => own >= clean[i]!.clean - 0.02 * IMAGES).length }));
  const early = CORRUPTIONS.map((name, i) => `${word(name)} ${Math.round((100 * (patched[1]!.counts[i]!.corrupted - clean[i]!.corrupted)) / (patched.at(-1)!.counts[i]!.corrupted - clean[i]!.corrupted))} %`);
  return `<h2>What patching does to the answers</h2>
<p>Clean model + 1 · signature on the first layers; % right on clean / on corrupted images. Patching raises robustness for ${better.join(", ")}. It costs clean answers: at most two points
of clean accuracy are lost for ${kept.map(({ layers, kept: number }) => `${number} (${layers})`).join(", ")} of ${CORRUPTIONS.length} corruptions (number of layers in brackets). Of what all layers bring, the first two bring: ${early.join(", ")}:
that few shallow layers suffice holds for some corruptions only.</p>
${table(
    ["corruption", "clean model", ...patched.map(({ layers }) => (layers === patched.length ? "all layers" : `${layers}`)), "robust model"],
    CORRUPTIONS.map((name, i) => [word(name), pair(clean[i]!), ...patched.map(({ counts }) => pair(counts[i]!)), pair(robust[i]!)]),
  )}`;
}

function projection({ patched, unprojected }: ReportData): string {
  const wins = (of: (counts: Counts) => number): string => patched.map(({ layers, counts }, k) => `${counts.filter((one, i) => of(one) >= of(unprojected[k]!.counts[i]!)).length} (${layers})`).join(", ");
  return `<h2>Whether projecting keeps clean accuracy</h2>
<p>Against robust − clean as it is, the projected signature is at least as good on clean images for ${wins(({ clean }) => clean)} of ${CORRUPTIONS.length} corruptions (number of layers in brackets), and on corrupted ones
for ${wins(({ corrupted }) => corrupted)}. The claim does not hold throughout.</p>
${table(["not projected", ...unprojected.map(({ layers }) => (layers === unprojected.length ? "all layers" : `${layers}`))], CORRUPTIONS.map((name, i) => [word(name), ...unprojected.map(({ counts }) => pair(counts[i]!))]))}`;
}

function transfer({ other: { before, after }, depth }: ReportData): string {
  const better = after.filter(({ corrupted }, i) => corrupted > before[i]!.corrupted).length;
  return `<h2>Whether signatures carry over to another model</h2>
<p>Patched onto <code>clean-again</code> (the same base, another seed; ${depth} layers, α = 1): ${better} of ${CORRUPTIONS.length} become more robust. Other data sets were not tried.</p>
${table(["corruption", "before", "patched"], CORRUPTIONS.map((name, i) => [word(name), pair(before[i]!), pair(after[i]!)]))}`;
}

function sizes({ extract, quantised, compare, depth, patched }: ReportData): string {
  const plain = patched[depth - 1]!;
  const share = (bytes: number): string => `${((100 * bytes) / extract.signatures[0]!.fullCopyBytes).toFixed(0)} %`;
  return `<h2>How small signatures can be</h2>
<p>The first ${depth} layers, linear quantisation; % right on corrupted images. A full copy is ${extract.signatures[0]!.fullCopyBytes.toLocaleString("en-US")} bytes; of a signature about 9,000 bytes are its names, hashes and scales, which weigh nothing in a model of usual size.</p>
${table(
    ["levels", "bytes", "of a full copy", ...CORRUPTIONS.map(word)],
    [["F32", compare.bytes[0]!, plain.counts] as const, ...quantised.map(({ levels, bytes, counts }) => [`${levels}`, bytes, counts] as const)].map(([levels, bytes, counts]) => [levels, bytes.toLocaleString("en-US"), share(bytes), ...counts.map(({ corrupted }) => percent(corrupted))]),
  )}`;
}

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h3 { font-size: 1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #d1d9e0; } th:first-child, td:first-child { text-align: left; }
.bar { display: inline-block; height: .7em; margin-right: .4em; background: #266ebe; } .cell { display: block; padding: 0 .3em; }
pre { background: #f6f8fa; padding: .6rem; }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117; } th, td { border-color: #3d444d; } pre { background: #161b22; } }
`;
