import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaSettings } from '@weir/kafka'
import { folders, freePorts, ROOT, startProcess, weirHome } from '@weir/local-stack'
import { usageOf, type Usage } from './usage.ts'

/** A service as a process of its own, as in production. */
export interface BenchProcess {
  /** The sum of a metric over its labels; 0 when there is none. */
  metric(name: string): Promise<number>
  isReady(): Promise<boolean>
  usage(): Usage
  /** Resolves when `condition` holds; rejects with the last log lines when the process ends first. */
  until(condition: () => Promise<boolean>, pollMs: number): Promise<void>
  stop(): Promise<void>
  kill(): Promise<void>
}

export interface BenchProcessOptions {
  readonly settings: KafkaSettings
  readonly folder: string
  readonly env?: Readonly<Record<string, string>>
  /** For node, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[]
}

export const startBenchProcess = async (
  service: 'dedup' | 'normalizer',
  options: BenchProcessOptions,
): Promise<BenchProcess> => {
  const { settings, folder, env, nodeArgs = [] } = options
  const [port] = await freePorts(1)
  const { run } = folders(weirHome(), `bench-${process.pid}`)
  const child = startProcess(run, {
    name: service,
    command: process.execPath,
    args: [...nodeArgs, join(ROOT, 'services', service, 'src/main.ts')],
    env: {
      WEIR_PROFILE: 'dev',
      LOG_LEVEL: 'info',
      KAFKA_BROKERS: settings.kafkaBrokers.join(','),
      TOPIC_PREFIX: settings.topicPrefix,
      TOPIC_PARTITIONS: String(settings.topicPartitions),
      [`${service.toUpperCase()}_PROBE_PORT`]: String(port),
      ...env,
    },
    logFile: join(folder, `${service}.log`),
  })
  const get = async (path: string): Promise<Response | undefined> => {
    try {
      return await fetch(`http://127.0.0.1:${port}${path}`)
    } catch {
      return undefined
    }
  }
  return {
    metric: async (name) => {
      const text = (await (await get('/metrics'))?.text()) ?? ''
      let sum = 0
      for (const line of text.split('\n')) {
        if (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) sum += Number(line.split(' ').at(-1))
      }
      return sum
    },
    isReady: async () => (await get('/readyz'))?.status === 200,
    usage: () => usageOf(child.pid),
    until: async (condition, pollMs) => {
      while (!(await condition())) {
        if (child.exit() !== undefined) {
          throw new Error(`${service} ended:\n${readFileSync(child.logFile, 'utf8').slice(-4_000)}`)
        }
        await sleep(pollMs)
      }
    },
    stop: () => child.stop(),
    kill: async () => {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}
