/** The one tooltip of all plots. It follows the pointer; screen readers use the table behind the plot instead. */

let element: HTMLDivElement | undefined;

/** Shows label–value lines beside a point of the window (CSS pixels). Text is set as text, never as markup. */
export function showTooltip(x: number, y: number, lines: readonly (readonly [label: string, value: string])[]): void {
  if (element === undefined) {
    element = document.createElement("div");
    element.className = "plot-tooltip";
    element.setAttribute("aria-hidden", "true");
    document.body.append(element);
  }
  element.replaceChildren(
    ...lines.map(([label, value]) => {
      const line = document.createElement("div");
      const name = document.createElement("span");
      name.textContent = label;
      const figure = document.createElement("span");
      figure.textContent = value;
      line.append(name, figure);
      return line;
    }),
  );
  element.hidden = false;
  const { width, height } = element.getBoundingClientRect();
  const left = x + 14 + width > innerWidth ? Math.max(0, x - 14 - width) : x + 14;
  const top = y + 14 + height > innerHeight ? Math.max(0, y - 14 - height) : y + 14;
  element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

export function hideTooltip(): void {
  if (element !== undefined) element.hidden = true;
}
