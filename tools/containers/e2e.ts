// The end-to-end tests in the environment of choice: `npm run test:e2e -- [--env containers|processes|given] [tests]`.
// For containers without a Docker engine, root on Debian gets one for the time of the tests.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { buildWeir, openEngine, SkippedError, type OpenEngine } from './open-engine.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WEIR_IMAGE = 'weir:test'
const ENVIRONMENTS = ['containers', 'processes', 'given']
const HELP = `npm run test:e2e -- [--env NAME] [arguments of Vitest]

  --env containers   each server and service in a container; the engine of this machine, else one for root on Debian
  --env processes    everything as processes of this machine
  --env given        servers that KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL name
Without --env: given where these are set, else containers where they can run, else processes.
`

const progress = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const args = process.argv.slice(2)
const at = args.indexOf('--env')
const [, wanted] = at < 0 ? [] : args.splice(at, 2)

const vitest = async (env: Readonly<Record<string, string>>): Promise<number> => {
  const child = spawn(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--project', 'e2e', ...args],
    {
      ...{ cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } },
    },
  )
  const stop = (): boolean => child.kill('SIGTERM')
  process.once('SIGTERM', stop).once('SIGINT', stop)
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

const inContainers = async ({ engine, images }: OpenEngine): Promise<number> => {
  try {
    const env = { ...engine.env, ...images, TEST_ENVIRONMENT: 'containers' }
    if (!engine.isOurs) return await vitest(env)
    progress('Building the image of Weir')
    await buildWeir(env, WEIR_IMAGE)
    return await vitest({
      ...{ ...env, WEIR_IMAGE },
      // Its image cannot be pulled here, and ours ends with everything that it has.
      TESTCONTAINERS_RYUK_DISABLED: 'true',
      // It looks for the default bridge where this machine is a container itself, and ours has none.
      TESTCONTAINERS_HOST_OVERRIDE: '127.0.0.1',
    })
  } finally {
    await engine.stop()
  }
}

const main = async (): Promise<number> => {
  if (args.includes('--help')) {
    process.stdout.write(HELP)
    return 0
  }
  if (wanted !== undefined && !ENVIRONMENTS.includes(wanted)) {
    process.stderr.write(`--env must be one of ${ENVIRONMENTS.join(', ')}\n`)
    return 2
  }
  const isGiven = process.env.KAFKA_BROKERS !== undefined
  if (wanted === 'processes' || wanted === 'given' || (wanted === undefined && isGiven)) {
    return vitest({ TEST_ENVIRONMENT: wanted ?? 'given' })
  }
  try {
    return await inContainers(await openEngine(progress))
  } catch (error) {
    if (!(error instanceof SkippedError)) throw error
    if (wanted !== undefined) {
      process.stderr.write(`Containers cannot run here: ${error.message}\n`)
      return 1
    }
    progress(`CONTAINERS CANNOT RUN HERE: ${error.message}. The tests run on processes instead.`)
    return vitest({ TEST_ENVIRONMENT: 'processes' })
  }
}

process.exit(await main())
