import { execFile } from 'node:child_process'
import { accessSync, constants, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { programFolders } from '@weir/local-stack'
import type { PreparedRequests } from '../ingress/requests.ts'

export interface LoadResult {
  readonly perSec: number
  /** Responses other than 2xx, and connections that broke. */
  readonly errors: number
  /** What the first of them was, where the generator can tell. */
  readonly firstError?: string
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
}

export interface HttpLoad {
  readonly saturating: 'wrk' | 'own'
  /** As many requests as the server handles. */
  saturate(port: number, connections: number, seconds: number): Promise<LoadResult>
  /** So many a second, each due at its own time: what is late counts from when it was due. */
  pace(port: number, perSec: number, connections: number, seconds: number): Promise<LoadResult>
}

const run = promisify(execFile)

/**
 * Load by a process of its own; `wrk` where there is one, else a smaller generator of ours, which takes more CPU time.
 */
export const prepareLoad = ({ bytes, bytesEach }: PreparedRequests, folder: string): HttpLoad => {
  const file = join(folder, 'requests.bin')
  writeFileSync(file, bytes)
  const own = (port: number, connections: number, seconds: number, perSec: number) =>
    lastLine(process.execPath, [
      join(import.meta.dirname, 'http-load-main.ts'),
      file,
      String(bytesEach),
      ...[port, connections, seconds, perSec].map(String),
    ])
  const wrk = onPath('wrk')
  return {
    saturating: wrk === undefined ? 'own' : 'wrk',
    saturate: (port, connections, seconds) =>
      wrk === undefined
        ? own(port, connections, seconds, 0)
        : lastLine(wrk, [
            '-t1',
            `-c${connections}`,
            `-d${seconds}s`,
            '--timeout',
            '10s',
            '-s',
            join(import.meta.dirname, 'wrk.lua'),
            `http://127.0.0.1:${port}`,
            '--',
            file,
            String(bytesEach),
          ]),
    pace: (port, perSec, connections, seconds) => own(port, connections, seconds, perSec),
  }
}

const lastLine = async (command: string, args: readonly string[]): Promise<LoadResult> => {
  const { stdout } = await run(command, [...args])
  return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as LoadResult
}

const onPath = (name: string): string | undefined =>
  programFolders()
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
