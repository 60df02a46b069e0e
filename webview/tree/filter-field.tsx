import { formatInteger } from "../ui/format";
import { Icon } from "../ui/icon";
import type { Filter } from "./filter";

/** The field above a tree. `kept` of `total` pass the filter. `onDone`: the user leaves it for the tree. */
export function FilterField({ filter, kept, total, fieldRef, onDone }: {
  filter: Filter;
  kept: number;
  total: number;
  fieldRef: { current: HTMLElement | null };
  onDone: () => void;
}) {
  const { typed } = filter;
  const error = filter.error.value;
  return (
    <div class="filter-field">
      <vscode-textfield
        ref={(element: HTMLElement | null) => { fieldRef.current = element; }}
        label="Filter tensors by name, glob or /regex/"
        placeholder="filter: name, glob or /regex/"
        value={typed.value}
        invalid={error !== null}
        title={error ?? "Part of a name, a glob (model.layers.*.mlp.**) or a regular expression between slashes"}
        onInput={(event) => { typed.value = (event.currentTarget as HTMLInputElement).value; }}
        onKeyDown={(event) => {
          if (event.key === "Escape" && typed.peek() !== "") typed.value = "";
          else if (event.key === "ArrowDown" || event.key === "Enter" || event.key === "Escape") onDone();
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      >
        <span slot="content-before" class="filter-icon"><Icon name="search" /></span>
        {filter.pattern.value !== null && <span slot="content-after" class="filter-count" role="status">{formatInteger(kept)} of {formatInteger(total)}</span>}
      </vscode-textfield>
      {error !== null && <p class="filter-error" role="alert">{error}</p>}
    </div>
  );
}
