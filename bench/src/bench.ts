/** What a benchmark found: one figure a key, units in the names, so that two runs can be compared by a script; null: not measured. */
export type BenchResult = Readonly<Record<string, number | string | boolean | null>>

/**
 * Each file `bench/src/<name>.ts` exports one `run` of this type and is called by `npm run bench -- <name>`.
 * `args` are its own options, unparsed. It stops what it has started, also when it fails.
 */
export type Bench = (args: readonly string[], rig: BenchRig) => Promise<BenchResult>

export interface BenchRig {
  /** The brokers of KAFKA_BROKERS, else a fresh local one that ends with the run. */
  kafka(): Promise<readonly string[]>
  /** The registry of SCHEMA_REGISTRY_URL, else a fresh local one that ends with the run. */
  registry(): Promise<string>
  /** A folder of this run, deleted at its end. */
  readonly folder: string
  /** A line for whoever watches; not part of the result. */
  progress(text: string): void
}
