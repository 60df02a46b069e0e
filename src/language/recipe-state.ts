/** An open recipe: its text, what was read from it, and its plans, each computed once for a version. */
import type { SourceOpener } from "../checkpoint/checkpoint";
import { LocalFiles } from "../checkpoint/file-source";
import type { ModelStore } from "../merge/models/store";
import type { MergePlan, PlanOptions } from "../merge/plan/plan";
import { planMerges } from "../merge/plan/plan-merges";
import { readRecipe } from "../merge/recipe/read";
import type { Recipe } from "../merge/recipe/recipe";

export class RecipeState {
  readonly lines: string[];
  private read: Recipe | undefined;
  private planned: Promise<MergePlan[]> | undefined;
  private readonly aborting = new AbortController();

  constructor(
    readonly uri: string,
    readonly version: number,
    readonly text: string,
    /** On disk; null for a recipe that was not saved yet. */
    readonly path: string | null,
    readonly lookup: Pick<PlanOptions, "folders" | "confinedTo">,
    private readonly models: ModelStore,
  ) {
    this.lines = text.split(/\r?\n/);
  }

  get recipe(): Recipe {
    return (this.read ??= readRecipe(this.text, this.path ?? this.uri));
  }

  /** Small files beside models; of this version only, so that what changed on disk is seen by the next. */
  readonly sources: SourceOpener = new LocalFiles();

  /** Reads headers the first time, and again what changed on disk. @throws when the version was given up. */
  plans(): Promise<MergePlan[]> {
    return (this.planned ??= planMerges(this.recipe, { ...this.lookup, copyTokenizer: true, shardBytes: 5e9, models: this.models }, this.sources, this.aborting.signal));
  }

  /** Plans are made anew: models changed on disk. */
  forget(): void {
    this.planned = undefined;
  }

  /** A newer version is there. */
  giveUp(): void {
    this.aborting.abort();
  }
}
