import { fileURLToPath } from 'node:url'
import { SERVICE_NAMES } from '../../packages/contracts/src/index.ts'
import type { Compose } from './compose.ts'
import type { Engine } from './engine.ts'
import { buildWeir } from './open-engine.ts'
import { run } from './run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const READY_SECS_MAX = 420
const STEP_MS_MAX = 600_000
const CONTAINERS = [...SERVICE_NAMES, 'proxy']

export interface DeploymentOptions {
  readonly engine: Engine
  readonly compose: Compose
  readonly env: Readonly<Record<string, string>>
  readonly hasThreeBrokers: boolean
}

/** docker-compose.yml under a name of its own, with all profiles and nothing of the caller's own .env. */
export class Deployment {
  readonly #options: DeploymentOptions
  readonly #env: Readonly<Record<string, string>>
  readonly #project = `weir-check-${process.pid}`

  constructor(options: DeploymentOptions) {
    this.#options = options
    this.#env = { ...options.engine.env, ...options.env }
  }

  do(...args: readonly string[]): Promise<string> {
    const { compose, hasThreeBrokers } = this.#options
    const common = ['--project-name', this.#project]
    const env = ['--env-file', hasThreeBrokers ? 'deploy/compose/scale.env' : '/dev/null']
    const more = hasThreeBrokers ? ['--profile', 'scale'] : []
    const profiles = ['--profile', 'simulator', '--profile', 'proxy', '--profile', 'audit', ...more]
    return run(compose.command, [...compose.args, ...common, ...env, ...profiles, ...args], {
      cwd: ROOT,
      env: this.#env,
      timeoutMs: STEP_MS_MAX,
    })
  }

  async build(): Promise<void> {
    if (!this.#options.engine.isOurs) {
      await this.do('build')
      return
    }
    await buildWeir(this.#env, this.#env.WEIR_IMAGE ?? '')
  }

  /** Of the image of Weir, as a registry would keep it. */
  async compressedMegabytes(): Promise<number> {
    const { WEIR_IMAGE = '' } = this.#env
    const pipe = ['-o', 'pipefail', '-c', 'docker save "$1" | gzip | wc --bytes', 'size', WEIR_IMAGE]
    return Math.round(Number(await run('bash', pipe, { env: this.#env, timeoutMs: STEP_MS_MAX })) / 1e6)
  }

  /** Everything but the audit, each until it is healthy. Resolves to what runs, in words. */
  async up(...options: readonly string[]): Promise<string> {
    const wait = ['--no-build', '--detach', '--wait', '--wait-timeout', String(READY_SECS_MAX)]
    await this.do('up', ...wait, ...options, ...CONTAINERS)
    return `${(await this.containersOf()).length} containers`
  }

  async containersOf(...service: readonly string[]): Promise<readonly string[]> {
    return (await this.do('ps', '--quiet', ...service)).trim().split('\n').filter(Boolean)
  }

  /** Its report; rejects with it unless every event is where it must be. */
  audit(): Promise<string> {
    return this.do('run', '--rm', '--no-deps', '-T', 'audit')
  }

  down(): Promise<string> {
    return this.do('down', '--volumes', '--timeout', '30')
  }
}
