/** The order in which people count: `layers.2` before `layers.10`. Pure and free of Node, so that views use it too. */

/** Compares text with runs of digits as numbers: `layers.2` before `layers.10`. */
export function compareNatural(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  // Step back to the start of a number that the two share the beginning of.
  while (i > 0 && isDigit(a, i - 1)) i--;
  while (i < length) {
    if (isDigit(a, i) && isDigit(b, i)) {
      const runA = digitsAt(a, i);
      const runB = digitsAt(b, i);
      const difference = Number(runA) - Number(runB) || runA.length - runB.length;
      if (difference !== 0) return difference;
      if (runA !== runB) return runA < runB ? -1 : 1;
      i += runA.length;
    } else if (a.charCodeAt(i) === b.charCodeAt(i)) i++;
    else return a.charCodeAt(i) - b.charCodeAt(i);
  }
  return a.length - b.length;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

function digitsAt(text: string, at: number): string {
  let end = at;
  while (isDigit(text, end)) end++;
  return text.slice(at, end);
}
