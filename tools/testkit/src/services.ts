import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { startServiceProcess, type Folders } from '@weir/local-stack'
import { startServiceContainer } from './containers/service.ts'
import { insideOf, testServers } from './environment.ts'
import type { TestService } from './test-service.ts'

export interface ServiceOptions {
  readonly folders: Folders
  /** Its folder below `services`. */
  readonly name: string
  /** Tells instances of one service apart, in log files. */
  readonly instance?: number
  /** On 127.0.0.1: of its probes, and of its API where it has one. */
  readonly port: number
  /** Addresses of servers as this process sees them. */
  readonly env: Readonly<Record<string, string>>
  /** That settings name; they are there under the same names. */
  readonly files?: readonly string[]
  /** Its state, which outlives it; only dedup has one. */
  readonly stateDir?: string
  /** Another than the one that is tested; only in containers. */
  readonly image?: string
}

/** Starts a service as this test run does: as a process, or in a container of its own. */
export const startService = async (options: ServiceOptions): Promise<TestService> => {
  const { folders, name, instance = 0, port, env, files = [], stateDir, image } = options
  const { services } = testServers()
  const title = instance === 0 ? name : `${name}-${instance}`
  if (services.kind === 'processes') {
    const state = stateDir === undefined ? {} : { STATE_DIR: stateDir }
    const prefix = name.toUpperCase().replaceAll('-', '_')
    const ports = { [`${prefix}_PORT`]: String(port), [`${prefix}_PROBE_PORT`]: String(port) }
    const own = { ...ports, INGRESS_HOST: '127.0.0.1', REPLAY_HOST: '127.0.0.1' }
    return startServiceProcess({ folders, name, title, port, env: { ...env, ...own, ...state } })
  }
  if (stateDir !== undefined) {
    mkdirSync(stateDir, { recursive: true })
    // Whoever the service is in its container.
    chmodSync(stateDir, 0o777)
  }
  const seen = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, insideOf(value)]))
  return startServiceContainer({
    image: image ?? services.image,
    network: services.network,
    name,
    port,
    env: seen,
    files,
    title,
    logFile: join(folders.logs, `${title}.log`),
    ...(stateDir !== undefined && { stateDir }),
  })
}
