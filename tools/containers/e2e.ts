// The end-to-end tests in the environment of choice: `npm run test:e2e -- [--env containers|processes|given] [tests]`.
// For containers without a Docker engine, root on Debian gets one for the time of the tests.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childEnvironment, fromEnvironment } from '../local-stack/src/index.ts'
import { testExample } from './example.ts'
import { buildWeir, openEngine, SkippedError, type OpenEngine } from './open-engine.ts'
import { buildPrevious } from './previous.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WEIR_IMAGE = 'weir:test'
const ENVIRONMENTS = ['containers', 'processes', 'given'] as const
type Environment = (typeof ENVIRONMENTS)[number]
/** What these test exists as processes alone: `npm start`, and a service that ends within a step of its own. */
const PROCESSES_ONLY = ['tests/e2e/start.test.ts', 'tests/e2e/docs.test.ts', 'tests/e2e/kill-replay.test.ts']
/** What an engine of ours makes of Testcontainers. */
const OURS = {
  WEIR_IMAGE,
  // Its image cannot be pulled here, and ours ends with everything that it has.
  TESTCONTAINERS_RYUK_DISABLED: 'true',
  // It looks for the default bridge where this machine is a container itself, and ours has none.
  TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1',
}
const HELP = `npm run test:e2e -- [--env NAME] [--reports FOLDER] [arguments of Vitest]

  --env containers   each server and service in a container; the engine of this machine, else one for root on Debian
  --env processes    everything as processes of this machine
  --env given        servers that KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL name
  --reports FOLDER   results as JSON, a file for each environment that tests ran in
Without --env: given where these are set, else containers where they can run, else processes.
All tests on containers: those of npm start, and of kills within a step, run on processes after them.
`

const progress = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const args = process.argv.slice(2)
const take = (option: string): string | undefined => {
  const at = args.indexOf(option)
  return at < 0 ? undefined : args.splice(at, 2)[1]
}
const wanted = take('--env')
const reports = take('--reports')
const isAll = args.every((arg) => arg.startsWith('-'))

interface Tests {
  readonly environment: Environment
  readonly more?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const reportsTo = (file: string): readonly string[] =>
  reports === undefined
    ? []
    : ['--reporter=default', '--reporter=json', `--outputFile.json=${join(reports, file)}`]

const vitest = async ({ environment, more = [], env }: Tests): Promise<number> => {
  const report = reportsTo(environment)
  const child = spawn(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--project', 'e2e', ...report, ...args, ...more],
    { cwd: ROOT, stdio: 'inherit', env: childEnvironment({ ...env, TEST_ENVIRONMENT: environment }, true) },
  )
  const stop = (): boolean => child.kill('SIGTERM')
  process.once('SIGTERM', stop).once('SIGINT', stop)
  const [code] = (await once(child, 'exit')) as [number | null]
  process.off('SIGTERM', stop).off('SIGINT', stop)
  return code ?? 1
}

const inContainers = async ({ engine, images }: OpenEngine): Promise<number> => {
  const more = isAll ? PROCESSES_ONLY.flatMap((file) => ['--exclude', file]) : []
  try {
    const env = { ...engine.env, ...images, ...(engine.isOurs && OURS) }
    if (engine.isOurs) {
      progress('Building the image of Weir')
      await buildWeir(env, WEIR_IMAGE)
    }
    const previous = engine.isOurs ? await buildPrevious(env, progress) : {}
    const code = await vitest({ environment: 'containers', more, env: { ...env, ...previous } })
    if (!isAll) return code
    progress('The project in examples/own-configuration is tested with the packed testkit')
    return Math.max(code, await testExample({ WEIR_IMAGE, ...env }, reportsTo('example')))
  } finally {
    await engine.stop()
    progress('The Docker engine has ended')
  }
}

const main = async (): Promise<number> => {
  if (args.includes('--help')) {
    process.stdout.write(HELP)
    return 0
  }
  const forced = ENVIRONMENTS.find((name) => name === wanted)
  if (wanted !== undefined && forced === undefined) {
    process.stderr.write(`--env must be one of ${ENVIRONMENTS.join(', ')}\n`)
    return 2
  }
  const isGiven = fromEnvironment('KAFKA_BROKERS') !== undefined
  if (forced === 'processes' || forced === 'given' || (forced === undefined && isGiven)) {
    return vitest({ environment: forced ?? 'given' })
  }
  const startedAt = performance.now()
  try {
    const opened = await openEngine(progress)
    progress(`Engine and images took ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
    const code = await inContainers(opened)
    if (!isAll) return code
    progress('What exists as processes alone is tested on processes')
    return Math.max(code, await vitest({ environment: 'processes', more: PROCESSES_ONLY }))
  } catch (error) {
    if (!(error instanceof SkippedError)) throw error
    if (wanted !== undefined) {
      process.stderr.write(`Containers cannot run here: ${error.message}\n`)
      return 1
    }
    progress(
      `\n**** CONTAINERS CANNOT RUN HERE: ${error.message}. The tests run on processes instead. ****\n`,
    )
    return vitest({ environment: 'processes' })
  }
}

process.exit(await main())
