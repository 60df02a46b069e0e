import { visibleText } from "./format";

/** Hostile text, safe to read, with the matched part (half-open, UTF-16) lit. */
export function Name({ text, match }: { text: string; match?: readonly [number, number] | null | undefined }) {
  if (text === "") return <span class="name-empty">(empty name)</span>;
  if (match == null || match[0] >= match[1]) return <>{visibleText(text)}</>;
  return (
    <>
      {visibleText(text.slice(0, match[0]))}
      <mark>{visibleText(text.slice(match[0], match[1]))}</mark>
      {visibleText(text.slice(match[1]))}
    </>
  );
}
