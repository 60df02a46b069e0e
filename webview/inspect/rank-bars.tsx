/** One row per module: the allocated rank as an outline, the used rank as its fill, with ticks at .9 and .95 of the energy. */
import { kindOf } from "../../src/checkpoint/structure";
import type { RankModule } from "../../src/protocol/rank";
import { kindStyle } from "../plots/kinds";
import { ABSENT, formatInteger, formatNumber, formatShape, visibleText } from "../ui/format";
import { Name } from "../ui/name";

/** More rows than this are left to the exported table. */
const MOST_ROWS = 2000;

/** A module's name where it stands for its weight, else the tensor's. */
export function nameOf({ module, tensor, expert }: RankModule): string {
  const name = tensor === `${module}.weight` ? module : tensor;
  return expert === undefined ? name : `${name}[${expert}]`;
}

export function RankBars({ modules }: { modules: readonly RankModule[] }) {
  const widest = Math.max(1, ...modules.map(({ rank, spectrum }) => Math.max(rank ?? 0, spectrum.energyRank["0.99"])));
  const drift = modules.some(({ orthogonalityDrift }) => orthogonalityDrift !== undefined);
  const relative = modules.some(({ relativeNorm }) => relativeNorm !== undefined);
  return (
    <section class="page-scroll">
      <table class="quiet-table rank-table">
        <thead>
          <tr>
            <th>module</th><th>shape</th>
            <th title="Outline: allocated; fill: directions that hold .99 of Σσ²; ticks: .9 and .95">rank</th>
            <th class="number">allocated</th><th class="number" title="Directions that hold .99 of Σσ²">used</th><th class="number" title="Allocated directions that carry no part of the update">unused</th>
            <th class="number">suggested</th><th class="number">stable rank</th><th class="number">effective rank</th><th class="number">‖ΔW‖</th>
            {relative && <th class="number">‖ΔW‖/‖W‖</th>}
            {drift && <th class="number" title="How far the rows of A have moved from the orthonormal ones that EVA starts with">‖AAᵀ − I‖</th>}
          </tr>
        </thead>
        <tbody>
          {modules.slice(0, MOST_ROWS).map((module) => (
            <tr key={nameOf(module)}>
              <th scope="row" title={visibleText(nameOf(module))}><Name text={nameOf(module)} /></th>
              <td>{formatShape(module.shape)}</td>
              <td><RankBar module={module} widest={widest} /></td>
              <td class="number">{module.rank === null ? ABSENT : formatInteger(module.rank)}</td>
              <td class="number">{formatInteger(module.spectrum.energyRank["0.99"])}</td>
              <td class="number">{module.rank === null ? ABSENT : formatInteger(module.unused)}</td>
              <td class="number">{formatInteger(module.suggestedRank)}</td>
              <td class="number">{formatNumber(module.spectrum.stableRank)}</td>
              <td class="number">{formatNumber(module.spectrum.effectiveRank)}</td>
              <td class="number">{formatNumber(module.deltaNorm)}</td>
              {relative && <td class="number">{formatNumber(module.relativeNorm)}</td>}
              {drift && <td class="number">{formatNumber(module.orthogonalityDrift)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {modules.length > MOST_ROWS && <p class="muted">The first {formatInteger(MOST_ROWS)} of {formatInteger(modules.length)}; the export holds all.</p>}
    </section>
  );
}

function RankBar({ module: { tensor, shape, rank, spectrum, suggestedRank }, widest }: { module: RankModule; widest: number }) {
  const { "0.9": most, "0.95": more, "0.99": used } = spectrum.energyRank;
  const share = (value: number): string => `${(100 * value) / widest}%`;
  const label = `${rank === null ? "" : `${rank} allocated, `}${used} used at .99, ${more} at .95, ${most} at .9, ${suggestedRank} suggested`;
  return (
    <div class={`rank-bar rank-${kindStyle(kindOf(tensor, shape)).colour}`} role="img" aria-label={label} title={label}>
      {rank !== null && <span class="rank-outline" style={{ width: share(rank) }} />}
      <span class="rank-fill" style={{ width: share(used) }} />
      <span class="rank-tick" style={{ left: share(most) }} />
      <span class="rank-tick" style={{ left: share(more) }} />
      <span class="rank-suggested" style={{ left: share(suggestedRank) }} />
    </div>
  );
}
