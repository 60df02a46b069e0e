/** What several models have to do with each other, at a glance. */
import type { Relations } from "../../src/protocol/results";
import { Link } from "../ui/button";
import { formatNumber, formatShare, visibleText } from "../ui/format";
import { LayerMap } from "./layer-map";
import { namesOf } from "./names";
import { PairMatrix } from "./pair-matrix";
import type { ModelsStore } from "./store";

export function OverviewPage({ store, relations }: { store: ModelsStore; relations: Relations }) {
  const { models } = namesOf(store.subject);
  return (
    <article class="page models-overview" aria-label="Overview">
      {relations.sentence !== "" && <div class="found"><p>{visibleText(relations.sentence)}</p></div>}
      <ModelTable store={store} relations={relations} models={models} />
      <div class="models-charts">
        <PairMatrix id="cosine" title="Cosine of task vectors" how="⟨τ_i, τ_j⟩/(‖τ_i‖·‖τ_j‖), τ = model − base, over all tensors" models={models} values={relations.cosine} signed />
        <PairMatrix id="sign-conflicts" title="Sign conflicts" how="of the elements that both changed, the share that they changed in opposite directions" models={models} values={relations.conflicts} />
        <PairMatrix id="overlap" title="Overlap of changed elements" how="elements that both changed over those that either did (Jaccard)" models={models} values={relations.overlap} />
      </div>
      <LayerMap store={store} relations={relations} models={models} />
      <Explained relations={relations} models={models} />
    </article>
  );
}

function ModelTable({ store, relations, models }: { store: ModelsStore; relations: Relations; models: readonly string[] }) {
  return (
    <table class="plain models-table" aria-label="Models">
      <thead><tr><th scope="col">model</th><th scope="col" class="number">‖τ‖</th><th scope="col" class="number">‖τ‖/‖base‖</th><th scope="col" class="number">elements changed</th></tr></thead>
      <tbody>
        {models.map((name, i) => (
          <tr key={i}>
            <th scope="row"><Link title="Compare the base with it" onClick={() => store.host.notify("compare", { model: i })}>{visibleText(name)}</Link></th>
            <td class="number" title={String(relations.norms[i])}>{formatNumber(relations.norms[i])}</td>
            <td class="number" title={String(relations.relative[i])}>{formatNumber(relations.relative[i])}</td>
            <td class="number" title={String(relations.changed[i])}>{formatShare(relations.changed[i]!)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Each task vector in terms of the others. */
function Explained({ relations, models }: { relations: Relations; models: readonly string[] }) {
  if (relations.explained.length === 0) return null;
  return (
    <section aria-labelledby="explained">
      <h2 id="explained">Each in terms of the others</h2>
      <p class="muted">Least squares without intercept; the residual is what is left of ‖τ‖.</p>
      <table class="plain models-table" aria-label="Each task vector in terms of the others">
        <thead><tr><th scope="col">τ of</th>{models.map((name) => <th key={name} scope="col" class="number">{visibleText(name)}</th>)}<th scope="col" class="number">residual</th></tr></thead>
        <tbody>
          {relations.explained.map(({ model, coefficients, residual }, i) => (
            <tr key={model}>
              <th scope="row">{visibleText(models[i]!)}</th>
              {relations.models.map((other) => <td key={other} class="number" title={other === model ? "" : String(coefficients[other])}>{other === model ? "" : formatNumber(coefficients[other])}</td>)}
              <td class="number" title={String(residual)}>{formatShare(residual)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
