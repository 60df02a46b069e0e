/** Whether files are still those whose headers were read. */
import { stat } from "node:fs/promises";
import type { CheckpointFile } from "../../checkpoint/checkpoint";

export class FileVersions {
  readonly #files: ReadonlyMap<string, CheckpointFile>;
  /** Looks that have not begun: whoever asks before that is answered by them. */
  readonly #waiting = new Map<string, Promise<boolean>>();
  readonly #changed = new Set<string>();

  constructor(files: Iterable<CheckpointFile>) {
    this.#files = new Map([...files].map((file) => [file.path, file]));
  }

  /** Those of `paths` that belong to the models, as they were opened; files of decoded values do not. */
  of(paths: Iterable<string>): CheckpointFile[] {
    return [...paths].flatMap((path) => this.#files.get(path) ?? []);
  }

  /** Paths of files that are another version here than in `earlier`. */
  othersThan(earlier: FileVersions): string[] {
    return [...this.#files.values()].flatMap(({ path, bytes, modified }) => {
      const before = earlier.#files.get(path);
      return before === undefined || (before.bytes === bytes && before.modified === modified) ? [] : [path];
    });
  }

  /** Files that were seen to have changed. */
  get changed(): ReadonlySet<string> {
    return this.#changed;
  }

  /** The first of `files` that has another size or time than when it was opened; looks after the call, never before. */
  async firstChanged(files: readonly CheckpointFile[]): Promise<CheckpointFile | undefined> {
    const same = await Promise.all(files.map((file) => this.#look(file)));
    return files[same.indexOf(false)];
  }

  #look(file: CheckpointFile): Promise<boolean> {
    if (this.#changed.has(file.path)) return Promise.resolve(false);
    let look = this.#waiting.get(file.path);
    if (look === undefined) {
      look = new Promise<void>((resolve) => setImmediate(resolve)).then(async () => {
        this.#waiting.delete(file.path);
        const now = await stat(file.path).catch(() => undefined);
        const there = now !== undefined && now.size === file.bytes && (file.modified === undefined || now.mtimeMs === file.modified);
        const same = file.missing === true ? now === undefined : there;
        if (!same) this.#changed.add(file.path);
        return same;
      });
      this.#waiting.set(file.path, look);
    }
    return look;
  }
}
