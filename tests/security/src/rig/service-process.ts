import { join } from 'node:path'
import type { ServiceName } from '@weir/contracts'
import { ROOT, startProcess, waitUntilReady, type Folders, type LocalProcess } from '@weir/local-stack'

export type ServiceEnvironment = Readonly<Record<string, string>>

export interface ServiceSpec {
  /** Names its log too. */
  readonly name: string
  readonly service: ServiceName
  readonly env: ServiceEnvironment
  /** Where it answers `/livez` and `/readyz`. */
  readonly probePort: number
  /** Wait until it is ready, or only until it lives. */
  readonly until: '/readyz' | '/livez'
}

/** One service as a process of its own, as in production: `node services/<name>/src/main.ts` with its environment. */
export const startServiceProcess = async (folders: Folders, spec: ServiceSpec): Promise<LocalProcess> => {
  const child = startProcess(folders.run, {
    name: spec.name,
    command: process.execPath,
    args: [join(ROOT, 'services', spec.service, 'src/main.ts')],
    cwd: ROOT,
    env: spec.env,
    logFile: join(folders.logs, `${spec.name}.log`),
  })
  const url = `http://127.0.0.1:${spec.probePort}${spec.until}`
  await waitUntilReady(child, async () => (await fetch(url)).ok)
  return child
}
