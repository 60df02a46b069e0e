/** What was meant by a name that nothing has. */

/** The candidate nearest to `word`: a few letters off, or one of which it is a part between underscores. Undefined when none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const given = normal(word);
  const limit = Math.max(1, Math.floor(given.length / 3));
  let best: string | undefined;
  let least = limit + 1;
  let part: string | undefined;
  for (const candidate of candidates) {
    const known = normal(candidate);
    const d = editDistance(given, known, least);
    if (d < least) [best, least] = [candidate, d];
    if (part === undefined && given.length > 2 && known.split("_").some((piece) => piece === given || given === `${piece}s` || piece === `${given}s`)) part = candidate;
  }
  return best ?? part;
}

function normal(word: string): string {
  return word.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase().replaceAll("-", "_").slice(0, 80);
}

/** Insertions, deletions, replacements and swaps of neighbours between the two; `most` where there are no fewer. */
export function editDistance(a: string, b: string, most = Infinity): number {
  if (Math.abs(a.length - b.length) >= most) return most;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      let d = Math.min(row[j - 1]! + 1, previous[j]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, before[j - 2]! + 1);
      row.push(d);
    }
    [before, previous] = [previous, row];
  }
  return Math.min(previous[b.length]!, most);
}
