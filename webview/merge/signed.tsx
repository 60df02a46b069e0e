/** A number from −1 to 1 over a shade of its size: blue for the same direction, orange for opposite ones. */
export function Signed({ value, text }: { value: number; text: string }) {
  return <span class={`signed${value < 0 ? " signed-negative" : ""}`} style={{ "--share": `${Math.round(55 * Math.min(Math.abs(value), 1))}%` }}>{text.replace(/^-/, "−")}</span>;
}
