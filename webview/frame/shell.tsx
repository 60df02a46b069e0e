/** The frame of every view: title strip, tabs, body, status line, and the keys that work everywhere. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { PlotHostContext } from "../plots/host";
import { IconButton } from "../ui/button";
import { listenForShortcuts, type Shortcuts } from "../ui/shortcuts";
import { Tabs, type TabItem } from "../ui/tabs";
import { Help, type KeyList } from "./help";
import { ProgressStrip } from "./progress-strip";
import { StatusLine } from "./status-line";
import type { PageView } from "./view";

/** Of the element that the tabs choose the content of. */
export const PANEL = "detail-panel";
/** What F6 walks: elements with these as `data-region`. */
const REGIONS = ["title", "tree", "detail", "status"];

export interface ShellProps<Tab extends string> {
  view: PageView;
  /** The title line; `showHelp` opens the list of keys. */
  title: (showHelp: () => void) => ComponentChildren;
  tabs: readonly TabItem<Tab>[];
  tab: Tab;
  onTab: (tab: Tab) => void;
  /** Calm lines above the body. */
  banners?: ComponentChildren;
  children: ComponentChildren;
  status: { how: string; selection?: { text: ComponentChildren; exact: string } };
  /** Beside `?`, F6 and Alt with arrows. Must stay the same object while the page lives. */
  shortcuts: Shortcuts;
  keys: KeyList;
  /** What the progress strip says is done: "analysing". */
  doing?: string;
}

export function Shell<Tab extends string>({ view, title, tabs, tab, onTab, banners, children, status, shortcuts, keys, doing }: ShellProps<Tab>) {
  const root = useRef<HTMLDivElement>(null);
  const [helping, setHelping] = useState(false);
  useEffect(
    () => listenForShortcuts(document, {
      "?": () => setHelping((shown) => !shown),
      "Alt+ArrowLeft": () => view.back(),
      "Alt+ArrowRight": () => view.forward(),
      F6: () => moveRegion(root.current!, 1),
      ...shortcuts,
    }),
    [view, shortcuts],
  );
  return (
    <PlotHostContext.Provider value={view.files}>
      <div class="frame" ref={root}>
        <header class="title-strip" data-region="title">
          {title(() => setHelping(true))}
          <div class="title-tabs">
            <nav class="history" aria-label="History">
              <IconButton icon="arrow-left" label="Back (Alt+←)" disabled={!view.canGoBack.value} onClick={() => view.back()} />
              <IconButton icon="arrow-right" label="Forward (Alt+→)" disabled={!view.canGoForward.value} onClick={() => view.forward()} />
            </nav>
            <Tabs label="Pages" items={tabs} active={tab} panelId={PANEL} onSelect={onTab} />
            <ProgressStrip view={view} {...(doing === undefined ? {} : { doing })} />
          </div>
        </header>
        {banners}
        <main class="body">{children}</main>
        <StatusLine view={view} {...status} />
        {helping && <Help keys={keys} onClose={() => setHelping(false)} />}
      </div>
    </PlotHostContext.Provider>
  );
}

/** Moves the focus to the next region of the page. */
function moveRegion(root: HTMLElement, step: number): void {
  const regions = REGIONS.flatMap((name) => root.querySelector<HTMLElement>(`[data-region="${name}"]`) ?? []);
  const now = regions.findIndex((region) => region.contains(document.activeElement));
  for (let i = 1; i <= regions.length; i++) {
    const region = regions[(now + step * i + regions.length) % regions.length]!;
    const target = region.querySelector<HTMLElement>(".grid-rows [tabindex='0'], [role='tab'][tabindex='0'], [tabindex='0'], button:not(:disabled)") ?? region;
    target.focus();
    if (region.contains(document.activeElement)) return;
  }
}
