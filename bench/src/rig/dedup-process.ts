import { join } from 'node:path'
import { startBenchProcess, type BenchProcess, type BenchProcessOptions } from './service-process.ts'

export type DedupProcess = BenchProcess
export type DedupOptions = BenchProcessOptions

/** Where the process keeps its checkpoints. */
export const stateFolder = (folder: string): string => join(folder, 'dedup-state')

export const startDedupProcess = ({ env, ...options }: DedupOptions): Promise<DedupProcess> =>
  startBenchProcess('dedup', { ...options, env: { STATE_DIR: stateFolder(options.folder), ...env } })
