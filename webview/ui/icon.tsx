import "@vscode/codicons/dist/codicon.css";

/** A codicon; decorative, so whatever holds it needs words of its own. */
export function Icon({ name }: { name: string }) {
  return <span class={`codicon codicon-${name}`} aria-hidden="true" />;
}
