/** The comparison's page on screen as a report. */
import { shortName } from "../../src/protocol/short-name";
import { writeReport } from "../frame/report";
import { formatExact, formatInteger, formatShape } from "../ui/format";
import { dtypeText, otherName } from "./entry-texts";
import { measureById, MEASURES } from "./measures";
import { pairingText } from "./pairing-text";
import type { CompareStore, Opened } from "./store";

/**
 * Asks where to save the page on screen, and writes it. Answers the path, or null when the user cancelled.
 * @throws Error with one sentence when there is nothing to write or it cannot be written.
 */
export async function exportReport(store: CompareStore): Promise<string | null> {
  const opened = store.opened.peek();
  if (opened === null) throw new Error("There is no comparison open to report on.");
  const paths = [opened.a.overview.path, opened.b.overview.path] as const;
  const selection = store.selection.peek();
  const showing = store.tab.peek() === "overview" ? selection : { kind: "models" as const };
  const entry = showing.kind === "entry" ? store.entries.peek().list[showing.entry] : undefined;
  const update = showing.kind === "entry" ? store.results.peek().get(showing.entry) : undefined;
  const name = `${shortName(paths[0], paths[1])} and ${shortName(paths[1], paths[0])}`;
  if (entry === undefined) {
    return writeReport(store.files, {
      name, subject: showing.kind === "group" ? showing.path : store.tab.peek() === "overview" ? "comparison" : store.tab.peek(),
      paths: [`A: ${paths[0]}`, `B: ${paths[1]}`], facts: modelFacts(store, opened), sentences: store.summary.peek(),
    });
  }
  return writeReport(store.files, {
    name, subject: entry.name, paths: [`A: ${paths[0]}`, `B: ${paths[1]}`],
    facts: [
      ...(otherName(entry) === "" ? [] : [["in B", otherName(entry)] as const]),
      ["shape", formatShape(entry.shape)], ["dtype", dtypeText(entry)],
      ...MEASURES.filter(({ part }) => part !== "shape").flatMap((measure): (readonly [string, string])[] => {
        const value = measure.value(entry, update);
        return value === null ? [] : [[measure.title, formatExact(value)]];
      }),
    ],
    sentences: update?.structure === undefined ? [] : [update.structure.sentence],
  });
}

function modelFacts(store: CompareStore, opened: Opened): [string, string][] {
  const totals = store.totals.peek();
  return [
    ["pairing", pairingText(opened)],
    ...(totals === null ? [] : [
      ["pairs compared", `${formatInteger(totals.tensors)}, ${formatInteger(totals.equal)} of them equal`],
      ["elements changed", `${formatInteger(totals.changed)} of ${formatInteger(totals.parameters)}`],
      ["norm of the change", formatExact(totals.norm)],
      [measureById("relative")!.title, formatExact(totals.relative)],
      [measureById("cosine")!.title, formatExact(totals.cosine)],
    ] as [string, string][]),
  ];
}
