import type { Finding } from "../../src/protocol/results";
import { Link } from "../ui/button";
import { visibleText } from "../ui/format";

const SEVERITY_ICONS = { error: "error", warning: "warning", info: "info" } as const;
const SEVERITY_WORDS = { error: "error", warning: "warning", info: "note" } as const;

/** One finding in one line, its tensor as a link. */
export function FindingLine({ view, finding, here = false }: {
  view: { selectByName(name: string): boolean; say(text: string, error?: boolean): void };
  finding: Finding;
  here?: boolean;
}) {
  const { tensor } = finding;
  return (
    <li class={`finding finding-${finding.severity}`}>
      <span class={`codicon codicon-${SEVERITY_ICONS[finding.severity]}`} role="img" aria-label={SEVERITY_WORDS[finding.severity]} />
      <span>
        {tensor !== undefined && !here && <><Link title="Open this tensor" onClick={() => { if (!view.selectByName(tensor)) view.say("That tensor is not listed.", true); }}>{visibleText(tensor)}</Link>{" "}</>}
        {visibleText(finding.message)}
      </span>
    </li>
  );
}
