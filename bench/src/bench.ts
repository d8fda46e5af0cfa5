/** The figures of a benchmark by name, with units in the names. Null means that a figure was not measured. */
export type BenchResult = Readonly<Record<string, number | string | boolean | null>>

/** An option takes a value. If its default is a number, so is the value. */
export interface BenchOption {
  readonly about: string
  readonly default?: string | number
}

type Options = Readonly<Record<string, BenchOption>>

export type BenchValues<O extends Options> = {
  readonly [N in keyof O]: O[N] extends { readonly default: number }
    ? number
    : O[N] extends { readonly default: string }
      ? string
      : string | undefined
}

export interface Bench<O extends Options = Options> {
  /** What it measures, for the usage. */
  readonly about: string
  readonly options: O
  /** Stops what it started, even if it fails. */
  readonly run: (values: BenchValues<O>, rig: BenchRig) => Promise<BenchResult>
}

/** Each file `bench/src/<name>.ts` exports one `bench`, which `npm run bench -- <name>` runs. */
export const defineBench = <const O extends Options>(bench: Bench<O>): Bench<O> => bench

export const CPU_PROFILE = { 'cpu-prof': { about: 'folder for a CPU profile of the process' } } as const

export const profileArgs = ({ 'cpu-prof': folder }: BenchValues<typeof CPU_PROFILE>): string[] =>
  folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`]

export interface BenchRig {
  /** The brokers of KAFKA_BROKERS, or a local broker that is stopped after the run. */
  kafka(): Promise<readonly string[]>
  /** The registry of SCHEMA_REGISTRY_URL, or a local one that is stopped after the run. */
  registry(): Promise<string>
  /** A folder that is deleted after the run. */
  readonly folder: string
  /** Prints a line that is not part of the result. */
  progress(text: string): void
}
