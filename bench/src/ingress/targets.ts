import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { KafkaSettings } from '@weir/kafka'
import { folders, freePorts, ROOT, startProcess, waitUntilReady, weirHome } from '@weir/local-stack'
import { usageOf, type Usage } from '../rig/usage.ts'
import { writePeerConfig } from './peer.ts'
import { PATH, SECRET } from './requests.ts'

export type TargetName = 'bare' | 'weir' | 'before' | 'naive' | 'peer'

/** A receiver under load, as a process of its own. */
export interface Target {
  readonly name: TargetName
  readonly port: number
  usage(): Usage
  stop(): Promise<void>
}

export interface TargetOptions {
  readonly settings: KafkaSettings
  readonly topic: string
  readonly folder: string
  readonly workers: number
  /** Of Redpanda Connect. */
  readonly peer: string | undefined
  /** Another checkout, whose ingress is measured beside this one's. */
  readonly before: string | undefined
  /** For the node of Weir's ingress. */
  readonly nodeArgs: readonly string[]
}

interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** All of them, ready; an idle one takes nothing from the one that is measured. */
export const startTargets = async (options: TargetOptions): Promise<readonly Target[]> => {
  const names: TargetName[] = [
    'bare',
    'weir',
    ...(options.before === undefined ? [] : ['before' as const]),
    'naive',
    ...(options.peer === undefined ? [] : ['peer' as const]),
  ]
  const ports = await freePorts(names.length)
  const started = await Promise.allSettled(names.map((name, i) => startTarget(name, ports[i]!, options)))
  const targets = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = started.find(({ status }) => status === 'rejected')
  if (failed === undefined) return targets
  await Promise.all(targets.map((target) => target.stop()))
  throw (failed as PromiseRejectedResult).reason
}

const startTarget = async (name: TargetName, port: number, options: TargetOptions): Promise<Target> => {
  const { run } = folders(weirHome(), `bench-${process.pid}`)
  mkdirSync(options.folder, { recursive: true })
  const logFile = join(options.folder, `${name}.log`)
  const child = startProcess(run, { name, ...programOf(name, port, options), logFile, stopMsMax: 30_000 })
  await waitUntilReady(child, () => isReady(name, port))
  return { name, port, usage: () => usageOf(child.pid), stop: () => child.stop() }
}

const programOf = (name: TargetName, port: number, options: TargetOptions): Program => {
  const { settings, topic, folder, workers, peer, before, nodeArgs } = options
  const brokers = settings.kafkaBrokers.join(',')
  const own = (file: string): Program => ({
    command: process.execPath,
    args: [join(import.meta.dirname, file)],
    env: { PORT: String(port), KAFKA_BROKERS: brokers, TOPIC: topic, NODE_ENV: 'production' },
  })
  switch (name) {
    case 'bare':
      return own('bare-server.ts')
    case 'naive':
      return own('naive-server.ts')
    case 'peer': {
      const file = join(folder, 'peer.yaml')
      writePeerConfig({ file, port, brokers: settings.kafkaBrokers, topic })
      return { command: peer!, args: ['run', file], env: {} }
    }
    case 'weir':
    case 'before':
      return {
        command: process.execPath,
        args: [...nodeArgs, join(name === 'before' ? before! : ROOT, 'services/ingress/src/main.ts')],
        env: {
          WEIR_PROFILE: 'dev',
          LOG_LEVEL: 'info',
          NODE_ENV: 'production',
          KAFKA_BROKERS: brokers,
          TOPIC_PREFIX: settings.topicPrefix,
          TOPIC_PARTITIONS: String(settings.topicPartitions),
          INGRESS_HOST: '127.0.0.1',
          INGRESS_PORT: String(port),
          INGRESS_WORKERS: String(workers),
          // One source sends all that there is.
          INGRESS_RATE_PER_SEC: '0',
          SOURCE_CXONE_SECRETS: SECRET,
        },
      }
  }
}

const isReady = async (name: TargetName, port: number): Promise<boolean> => {
  const isWeir = name === 'weir' || name === 'before'
  const { status } = await fetch(`http://127.0.0.1:${port}${isWeir ? '/readyz' : PATH}`)
  return isWeir ? status === 200 : true
}
