/** What a case of the conformance set expects: its `expect.json`. */
export interface Expectation {
  method?: string;
  deterministic?: boolean;
  /** mergekit's command-line flags. */
  options?: string[];
  tolerance?: { ulp?: number; absolute?: number; relative_to_rms?: number; fraction?: number };
  statistics?: Statistics;
  optional_tensors?: string[];
  tokenizer?: "none" | "any" | "token-map" | "exact";
  fixed_ids_from?: string;
  verbatim_tokenizer?: boolean;
  vocabulary_axes?: Record<string, number>;
  chat_template_contains?: string[];
  config_any_of?: Record<string, unknown[]>;
  shard_limit_bytes?: number;
  card_models?: string[];
  tool?: string;
  /** Of a recipe that is refused: what mergekit says, and what is wrong. */
  error?: string;
  what?: string;
}

export interface Statistics {
  shape: string;
  family: "dare" | "della";
  consensus: boolean;
  base: string;
  models: string[];
  rescale: boolean;
  absolute: number;
  relative: number;
  l1_relative: number;
  sigmas?: number;
  tensors: Record<string, TensorStatistics>;
}

export interface TensorStatistics {
  weight: number[];
  density: number[];
  epsilon?: number[];
  normalize?: boolean;
  lambda?: number;
}
