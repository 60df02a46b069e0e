/** One tensor: what it is, how its values are distributed, what they look like, its spectrum, and whether it is odd. */
import "../frame/tensor-page.css";
import { useEffect } from "preact/hooks";
import { kindOf } from "../../src/checkpoint/structure";
import { IconButton, Link } from "../ui/button";
import { formatBytes, formatInteger, plural, visibleText } from "../ui/format";
import { Name } from "../ui/name";
import { hasSpectrum, parametersOf, shapeText } from "./columns";
import { describeResult } from "./describe-result";
import { loadSnippet } from "./snippet";
import type { InspectStore } from "./store";
import { BlockFigures, hasBlockScales } from "./tensor-page-blocks";
import { DistributionPanel } from "./tensor-page-distribution";
import { SpectrumFigures, StatisticsFigures } from "./tensor-page-figures";
import { jobsOf } from "./tensor-page-jobs";
import { jobKey, requestAutomatically, whyNothing } from "./tensor-page-requests";
import { SpectrumPanel } from "./tensor-page-spectrum";
import { NormStrips, SiblingStrip } from "./tensor-page-strips";
import { ValuesPanel } from "./tensor-page-values";

export function TensorPage({ store, tensor }: { store: InspectStore; tensor: number }) {
  const overview = store.overview.value;
  const row = store.rows.value[tensor];
  useEffect(() => requestAutomatically(store, tensor), [store, tensor, overview]);
  const result = store.results.value.get(tensor);
  useEffect(() => {
    if (result !== undefined) store.status.value = describeResult(result);
  }, [result]);
  if (row === undefined || overview === null) return null;
  const nothing = whyNothing(row);
  if (nothing !== null) {
    return (
      <article class="tensor-page" key={tensor} aria-label={`Tensor ${visibleText(row.name)}`}>
        <Header store={store} tensor={tensor} />
        <p class="remark" role="note">{nothing}</p>
      </article>
    );
  }
  // Values that have no spectrum (NaN among them) have no figures of one either; the panel says why.
  const spectral = hasSpectrum(row.shape) && (result?.spectrum !== undefined || jobsOf(store).of(jobKey.spectrum(tensor)).value.state !== "failed");
  return (
    <article class="tensor-page" key={tensor} aria-label={`Tensor ${visibleText(row.name)}`}>
      <Header store={store} tensor={tensor} />
      <div class="tensor-panels">
        <DistributionPanel store={store} tensor={tensor} />
        <ValuesPanel store={store} tensor={tensor} />
        <SpectrumPanel store={store} tensor={tensor} />
      </div>
      <div class="tensor-figures">
        <StatisticsFigures store={store} statistics={result?.statistics} />
        {hasBlockScales(row.dtype) && <BlockFigures store={store} tensor={tensor} />}
        {spectral && <SpectrumFigures store={store} spectrum={result?.spectrum} />}
      </div>
      <div class="tensor-strips">
        <NormStrips store={store} tensor={tensor} />
        <SiblingStrip store={store} tensor={tensor} />
      </div>
    </article>
  );
}

function Header({ store, tensor }: { store: InspectStore; tensor: number }) {
  const row = store.rows.value[tensor]!;
  const { files } = store.overview.value!;
  const file = files[row.file];
  const parameters = parametersOf(row.shape);
  return (
    <header class="tensor-header">
      <h2>
        <Name text={row.name} />
        <IconButton icon="copy" label="Copy name" onClick={() => store.copy(row.name, "the name")} />
        {file !== undefined && row.unreadable === undefined && (
          <IconButton icon="code" label="Copy Python that loads this tensor" onClick={() => store.copy(loadSnippet(file.path, [row.name]), "Python that loads this tensor")} />
        )}
      </h2>
      <p class="tensor-facts">
        <span>{shapeText(row)}</span>
        <span>{visibleText(row.dtype)}</span>
        <span title={`${formatInteger(parameters)} parameters`}>{plural(parameters, "parameter")}</span>
        <span title={`${formatInteger(row.bytes)} bytes`}>{formatBytes(row.bytes)}</span>
        <span title={file?.path ?? ""}>
          {files.length > 1 ? `shard ${row.file + 1} of ${files.length}` : null}
          {files.length > 1 && row.offset !== null ? ", " : null}
          {row.offset !== null ? `byte ${formatInteger(row.offset)}` : files.length > 1 ? null : "not stored in one piece"}
        </span>
        <span>{kindOf(row.name, row.shape)}</span>
      </p>
      {row.sharedWith !== undefined && row.sharedWith.length > 0 && (
        <p class="remark">
          The same bytes as{" "}
          {row.sharedWith.slice(0, 5).map((name, i) => (
            <span key={name}>{i > 0 && ", "}<Link onClick={() => void store.selectByName(name)}><Name text={name} /></Link></span>
          ))}
          {row.sharedWith.length > 5 && ` and ${row.sharedWith.length - 5} more`}.
        </p>
      )}
    </header>
  );
}
