import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  fetchKafka,
  fetchRegistry,
  findJava,
  isInfluxBuilt,
  startInflux,
  startKafka,
  startPostgres,
  startRegistry,
  type Folders,
  type LocalServer,
} from '@weir/local-stack'
import type { Closers } from '@weir/runtime'
import { HOST, openBreakable, type BreakableBrokers } from './breakable-brokers.ts'
import { INFLUX_PASSWORD, type Ports, type RigShape, type ServerUrls, type StoreName } from './layout.ts'
import { TcpProxy } from './tcp-proxy.ts'

const RESTART_MS = 500
const RESTARTS_MAX = 20

/** One server that may be killed, stopped for a while and started again on its data. */
export class Killable {
  readonly name: string
  readonly #start: () => Promise<LocalServer>
  #server: LocalServer | undefined
  kills = 0

  constructor(name: string, start: () => Promise<LocalServer>) {
    this.name = name
    this.#start = start
  }

  get url(): string {
    return this.#server?.url ?? ''
  }

  get isUp(): boolean {
    return this.#server !== undefined
  }

  /**
   * Resolves when it answers. A killed server's remains may hold its port or memory for a moment: it is tried again.
   */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#server = await this.#start()
        return
      } catch (error) {
        if (attempt === RESTARTS_MAX) throw error
        await sleep(RESTART_MS)
      }
    }
  }

  /** SIGKILL to it and to all that it has started, at once. */
  async kill(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    this.kills += 1
    const children = childrenOf(server.pid)
    server.kill('SIGKILL')
    for (const pid of children) killQuietly(pid)
    await server.exited
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#server?.kill(signal)
  }

  /** Resolves when its process has ended by itself, to whether it did within the time. */
  async endsWithin(ms: number): Promise<boolean> {
    const server = this.#server
    if (server === undefined) return true
    const ended = server.exited.then(() => true)
    const hasEnded = await Promise.race([ended, sleep(ms, false)])
    if (hasEnded) this.#server = undefined
    return hasEnded
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    server?.kill('SIGCONT')
    await server?.stop()
  }
}

const childrenOf = (parent: number): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
        return Number(stat.replace(/^.*\) /s, '').split(' ')[1]) === parent
      } catch {
        return false
      }
    })

const killQuietly = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended with its parent.
  }
}

export interface Servers {
  readonly brokers: readonly Killable[]
  readonly postgres: Killable
  readonly registry: Killable
  /** undefined: it is not built on this machine. */
  readonly influx: Killable | undefined
  /** Directly: the rig's own way. */
  readonly urls: ServerUrls
  /** Through proxies: the services' way. */
  readonly serviceUrls: ServerUrls
  readonly storeProxies: Readonly<Record<StoreName, TcpProxy>>
  /** Of a breakable rig. */
  readonly breakable: BreakableBrokers | undefined
  stop(): Promise<void>
}

/**
 * What keeps a broker small, and the quorum together on a machine that is slow for some seconds; the rest is as
 * `startKafka` has it.
 */
const BROKER_PROPERTIES = {
  'controller.quorum.fetch.timeout.ms': 6_000,
  'controller.quorum.election.timeout.ms': 3_000,
  'broker.heartbeat.interval.ms': 1_000,
  'broker.session.timeout.ms': 6_000,
  'group.min.session.timeout.ms': 1_000,
  'num.network.threads': 2,
  'num.io.threads': 4,
  'num.recovery.threads.per.data.dir': 2,
}
const BROKER_READY_MS_MAX = 180_000

/** Brokers, PostgreSQL, the registry, and InfluxDB where it is built. */
export const startServers = async (
  { folders, ports, shape }: { readonly folders: Folders; readonly ports: Ports; readonly shape: RigShape },
  closers: Closers,
): Promise<Servers> => {
  const java = await findJava()
  if (java === undefined) throw new Error('The rig needs a JDK or JRE of version 17 or later.')
  await Promise.all([fetchKafka(folders), fetchRegistry(folders)])
  const nodeIds = Array.from({ length: shape.brokers }, (_, index) => index + 1)
  const breakable = shape.isBreakable ? await openBreakable({ folders, ports, nodeIds }, closers) : undefined
  const voters = nodeIds.map((nodeId) => ({ nodeId, controllerPort: ports.controller(nodeId) }))
  const brokers = nodeIds.map((nodeId) => {
    const { properties, jvm, env } = breakable?.optionsOf(nodeId) ?? {}
    const options = {
      folders,
      java,
      nodeId,
      voters,
      heapMax: '512m',
      readyMsMax: BROKER_READY_MS_MAX,
      port: ports.broker(nodeId),
      controllerPort: ports.controller(nodeId),
      properties: { ...BROKER_PROPERTIES, ...properties },
      ...(jvm && { jvm }),
      ...(env && { env }),
    }
    return new Killable(`broker-${nodeId}`, () => startKafka(options))
  })
  const postgres = new Killable('postgres', () => startPostgres({ folders, port: ports.postgres }))
  const registry = new Killable('registry', () => startRegistry({ folders, java, port: ports.registry }))
  const influx = isInfluxBuilt(folders)
    ? new Killable('influx', () => startInflux({ folders, port: ports.influx, password: INFLUX_PASSWORD }))
    : undefined
  const all = [...brokers, postgres, registry, ...(influx ? [influx] : [])]
  const stop = async (): Promise<void> => {
    await Promise.all(all.map((server) => server.stop()))
  }
  closers.add(stop)
  await Promise.all(all.map((server) => server.start()))
  const urls: ServerUrls = {
    shape,
    kafkaBrokers: brokers.map(({ url }) => url),
    registry: registry.url,
    database: postgres.url,
    influx: influx?.url,
  }
  const { storeProxies, proxiedUrls } = await openStoreProxies(urls, ports, closers)
  const serviceUrls = { ...proxiedUrls, kafkaBrokers: breakable?.serviceAddresses ?? urls.kafkaBrokers }
  return { brokers, postgres, registry, influx, urls, serviceUrls, storeProxies, breakable, stop }
}

const openStoreProxies = async (urls: ServerUrls, ports: Ports, closers: Closers) => {
  const open = async (server: StoreName): Promise<TcpProxy> => {
    const from = { host: HOST, port: ports.proxied(server) }
    const proxy = await TcpProxy.open(from, { host: HOST, port: ports[server] })
    closers.add(() => proxy.close())
    return proxy
  }
  const through = (url: string, server: StoreName): string =>
    url.replace(`:${ports[server]}`, `:${ports.proxied(server)}`)
  return {
    storeProxies: {
      postgres: await open('postgres'),
      registry: await open('registry'),
      influx: await open('influx'),
    },
    proxiedUrls: {
      ...urls,
      registry: through(urls.registry, 'registry'),
      database: through(urls.database, 'postgres'),
      influx: urls.influx === undefined ? undefined : through(urls.influx, 'influx'),
    },
  }
}
