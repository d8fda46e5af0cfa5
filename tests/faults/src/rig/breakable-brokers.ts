import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Folders } from '@weir/local-stack'
import type { Closers } from '@weir/runtime'
import { findFaketime, type SteppedClock } from './clock.ts'
import type { Ports } from './layout.ts'
import { TcpProxy, type Cut } from './tcp-proxy.ts'

export const HOST = '127.0.0.1'
/** Its disk is small. */
export const SMALL_DISK_NODE = 3
/** Its clock can be stepped. */
export const CLOCK_NODE = 2
const SMALL_DISK = '256m'

/** Brokers whose connections, clock and disk can be broken. */
export interface BreakableBrokers {
  readonly serviceAddresses: readonly string[]
  optionsOf(nodeId: number): {
    readonly properties: Readonly<Record<string, string | number>>
    readonly jvm: readonly string[]
    readonly env: Readonly<Record<string, string>>
  }
  /** Cuts a broker off from every service. */
  cutFromServices(nodeId: number, cut: Cut): void
  /** Cuts a broker off from the others, in both directions. */
  cutFromBrokers(nodeId: number, cut: Cut): void
  heal(): void
  /** Of `CLOCK_NODE`; a text: why there is none. */
  readonly clock: SteppedClock | string
  /** Where `SMALL_DISK_NODE` has its data; a text that starts with `no`: why it has no disk of its own. */
  readonly disk: SmallDisk | string
}

export interface SmallDisk {
  /** Takes all that is left. */
  fill(): void
  empty(): void
}

interface Options {
  readonly folders: Folders
  readonly ports: Ports
  readonly nodeIds: readonly number[]
}

/**
 * Each node knows the others by an address of its own, at which a proxy listens: so each direction can be cut alone.
 */
const addressOf = (from: number, to: number): string => (from === to ? HOST : `127.0.${from}.${to}`)
const hostOf = (nodeId: number): string => `broker-${nodeId}.rig`

export const openBreakable = async (options: Options, closers: Closers): Promise<BreakableBrokers> => {
  const { folders, ports, nodeIds } = options
  const open = async (...ends: Parameters<typeof TcpProxy.open>): Promise<TcpProxy> => {
    const proxy = await TcpProxy.open(...ends)
    closers.add(() => proxy.close())
    return proxy
  }
  const toServices = new Map<number, TcpProxy>()
  for (const nodeId of nodeIds) {
    const from = { host: HOST, port: ports.proxiedBroker(nodeId) }
    toServices.set(nodeId, await open(from, { host: HOST, port: ports.behindProxy(nodeId) }))
  }
  const links: { readonly from: number; readonly to: number; readonly proxy: TcpProxy }[] = []
  for (const from of nodeIds) {
    for (const to of nodeIds.filter((one) => one !== from)) {
      for (const port of [ports.betweenBrokers(to), ports.controller(to)]) {
        const proxy = await open({ host: addressOf(from, to), port }, { host: HOST, port })
        links.push({ from, to, proxy })
      }
    }
  }
  const proxies = [...toServices.values(), ...links.map(({ proxy }) => proxy)]
  const clock = findFaketime(folders, 'broker')
  const disk = mountSmall(folders, closers)
  return {
    clock,
    disk,
    serviceAddresses: nodeIds.map((nodeId) => `${HOST}:${ports.proxiedBroker(nodeId)}`),
    optionsOf: (nodeId) => ({
      properties: propertiesOf(nodeId, ports, nodeIds),
      jvm: [`-Djdk.net.hosts.file=${hostsFile(nodeId, options)}`],
      env: nodeId === CLOCK_NODE && typeof clock !== 'string' ? clock.env : {},
    }),
    cutFromServices: (nodeId, cut) => toServices.get(nodeId)!.set({ kind: cut }),
    cutFromBrokers: (nodeId, cut) => {
      for (const { from, to, proxy } of links) if (from === nodeId || to === nodeId) proxy.set({ kind: cut })
    },
    heal: () => {
      for (const proxy of proxies) proxy.set({ kind: 'pass' })
    },
  }
}

const propertiesOf = (nodeId: number, ports: Ports, nodeIds: readonly number[]) => ({
  listeners: [
    `PLAINTEXT://${HOST}:${ports.broker(nodeId)}`,
    `SERVICES://${HOST}:${ports.behindProxy(nodeId)}`,
    `BROKERS://${HOST}:${ports.betweenBrokers(nodeId)}`,
    `CONTROLLER://${HOST}:${ports.controller(nodeId)}`,
  ].join(','),
  'advertised.listeners': [
    `PLAINTEXT://${HOST}:${ports.broker(nodeId)}`,
    `SERVICES://${HOST}:${ports.proxiedBroker(nodeId)}`,
    `BROKERS://${hostOf(nodeId)}:${ports.betweenBrokers(nodeId)}`,
  ].join(','),
  'inter.broker.listener.name': 'BROKERS',
  'listener.security.protocol.map': ['PLAINTEXT', 'SERVICES', 'BROKERS', 'CONTROLLER']
    .map((name) => `${name}:PLAINTEXT`)
    .join(','),
  'controller.quorum.voters': nodeIds
    .map((one) => `${one}@${hostOf(one)}:${ports.controller(one)}`)
    .join(','),
})

/** The names of the brokers as one of them sees them. */
const hostsFile = (nodeId: number, { folders, nodeIds }: Options): string => {
  const file = join(folders.state, `hosts-${nodeId}`)
  mkdirSync(folders.state, { recursive: true })
  const lines = nodeIds.map((one) => `${addressOf(nodeId, one)} ${hostOf(one)}`)
  writeFileSync(file, [`${HOST} localhost`, ...lines, ''].join('\n'))
  return file
}

const smallFolder = (folders: Folders): string => join(folders.state, `kafka-${SMALL_DISK_NODE}`)

/** Also what a run that was killed has left. */
export const unmountSmall = (folders: Folders): void => {
  spawnSync('umount', [smallFolder(folders)])
}

const mountSmall = (folders: Folders, closers: Closers): SmallDisk | string => {
  const folder = smallFolder(folders)
  if (process.getuid?.() !== 0) return 'no small disk: mounting one takes root'
  mkdirSync(folder, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK}`, 'tmpfs', folder], {
    encoding: 'utf8',
  })
  if (mounted.status !== 0) return `no small disk: mount says ${JSON.stringify(mounted.stderr.trim())}`
  closers.add(async () => unmountSmall(folders))
  const ballast = join(folder, 'ballast')
  return {
    // dd ends where the disk does.
    fill: () => void spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=1M']),
    empty: () => {
      if (existsSync(ballast)) rmSync(ballast)
    },
  }
}
