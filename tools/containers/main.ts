// Runs docker-compose.yml for real and checks what comes of it: `npm run containers`.
// Without a Docker engine, root on Debian gets one for the time of the check, with images built from packages.
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '../../packages/local-stack/src/index.ts'
import { findCompose, type Compose } from './compose.ts'
import type { Engine } from './engine.ts'
import { buildWeir, openEngine, SkippedError } from './open-engine.ts'
import { run } from './run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const READY_SECS_MAX = 420
const TRAFFIC_MS = 20_000
const REPLICAS = 3
const PORTS = [
  'INGRESS_PORT',
  'KAFKA_PORT',
  'REGISTRY_PORT',
  'POSTGRES_PORT',
  'INFLUX_PORT',
  'CONSOLE_PORT',
] as const

const startedAt = performance.now()
const progress = (text: string): void => {
  process.stdout.write(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${text}\n`)
}

const orSkip = <T>(value: T | string): T => {
  if (typeof value === 'string') throw new SkippedError(value)
  return value
}

class Deployment {
  readonly #engine: Engine
  readonly #compose: Compose
  readonly #env: Readonly<Record<string, string>>
  readonly #project = `weir-check-${process.pid}`

  constructor(engine: Engine, compose: Compose, env: Readonly<Record<string, string>>) {
    this.#engine = engine
    this.#compose = compose
    this.#env = { ...engine.env, ...env }
  }

  /** With all profiles; nothing of the caller's own .env. */
  do(...args: readonly string[]): Promise<string> {
    const { command, args: before } = this.#compose
    const common = ['--project-name', this.#project, '--env-file', '/dev/null']
    const profiles = ['--profile', 'simulator', '--profile', 'audit']
    return run(command, [...before, ...common, ...profiles, ...args], { cwd: ROOT, env: this.#env })
  }

  async build(): Promise<void> {
    if (!this.#engine.isOurs) {
      await this.do('build')
      return
    }
    await buildWeir(this.#env, this.#env.WEIR_IMAGE ?? '')
  }

  async imageMegabytes(): Promise<number> {
    const { WEIR_IMAGE = '' } = this.#env
    const inspect = ['image', 'inspect', '--format', '{{.Size}}', WEIR_IMAGE]
    return Math.round(Number(await run('docker', inspect, { env: this.#env })) / 1e6)
  }

  /** Everything but the audit, each until it is healthy. */
  async up(...options: readonly string[]): Promise<void> {
    const wait = ['--no-build', '--detach', '--wait', '--wait-timeout', String(READY_SECS_MAX)]
    await this.do(
      'up',
      ...wait,
      ...options,
      'simulator',
      'dedup',
      'normalizer',
      'persistence',
      'metric-export',
      'console',
    )
  }

  down(): Promise<string> {
    return this.do('down', '--volumes', '--timeout', '30')
  }
}

const check = async (deployment: Deployment): Promise<void> => {
  await deployment.build()
  progress(`The image of Weir has ${await deployment.imageMegabytes()} MB`)
  await deployment.up()
  progress('Every container is healthy')
  await sleep(TRAFFIC_MS)
  await deployment.up('--no-recreate', '--scale', `dedup=${REPLICAS}`)
  const replicas = (await deployment.do('ps', '--quiet', 'dedup')).trim().split('\n')
  if (replicas.length !== REPLICAS) throw new Error(`dedup has ${replicas.length} replicas, not ${REPLICAS}`)
  progress(`dedup has ${REPLICAS} replicas`)
  await sleep(TRAFFIC_MS)
  await deployment.do('stop', 'simulator')
  const findings = await deployment.do('run', '--rm', '--no-deps', '-T', 'audit')
  process.stdout.write(findings)
  if (/^accepted 0 /m.test(findings)) throw new Error('nothing was accepted')
  progress('The audit is clean')
}

const main = async (onStop: (stop: () => Promise<unknown>) => void): Promise<void> => {
  const compose = orSkip(await findCompose())
  const { engine, images } = await openEngine(progress)
  onStop(() => engine.stop())
  const ports = await freePorts(PORTS.length)
  const env = Object.fromEntries(
    PORTS.map((name, index) => [name, process.env[name] ?? String(ports[index])]),
  )
  const light = { WEIR_IMAGE: 'weir:check', SIMULATOR_RATE: '20' }
  const deployment = new Deployment(engine, compose, { ...env, ...images, ...light })
  onStop(() => deployment.down())
  try {
    await check(deployment)
  } catch (error) {
    const logs = await deployment.do('logs', '--tail', '20').catch(() => '')
    process.stdout.write(logs)
    throw error
  }
}

const stops: (() => Promise<unknown>)[] = []
let exitCode = 0
const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => reject(new Error(`stopped by ${signal}`)))
  }
})
try {
  await Promise.race([main((stop) => stops.unshift(stop)), interrupted])
} catch (error) {
  const isSkipped = error instanceof SkippedError
  process.stdout.write(`${isSkipped ? 'Skipped' : 'Failed'}: ${(error as Error).message}\n`)
  exitCode = isSkipped ? 0 : 1
} finally {
  for (const stop of stops) {
    await stop().catch((error: unknown) => {
      process.stdout.write(`While stopping: ${(error as Error).message}\n`)
      exitCode = 1
    })
  }
}
progress('Done')
process.exit(exitCode)
