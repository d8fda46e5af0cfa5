// Runs docker-compose.yml for real and checks what comes of it: `npm run containers -- --help`.
// Without a Docker engine, root on Debian gets one for the time of the check, with images built from packages.
import { writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts, fromEnvironment } from '../local-stack/src/index.ts'
import { findCompose } from './compose.ts'
import { Deployment } from './deployment.ts'
import { openEngine, SkippedError } from './open-engine.ts'
import { failUsage, optionsOf } from './options.ts'

const TRAFFIC_MS = 20_000
const REPLICAS = 3
/** Compressed. */
const IMAGE_MB_MAX = 250
const PORTS = [
  'INGRESS_PORT',
  'KAFKA_PORT',
  'REGISTRY_PORT',
  'POSTGRES_PORT',
  'INFLUX_PORT',
  'CONSOLE_PORT',
  'REPLAY_PORT',
  'PROXY_PORT',
] as const

const startedAt = performance.now()
const progress = (text: string): void => {
  process.stdout.write(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${text}\n`)
}

const HELP = `npm run containers -- [--brokers 1|3] [--summary FILE]

Builds and runs docker-compose.yml, checks that every event is where it must be, and removes what it made.

  --brokers 3      three brokers, of which one is killed under traffic
  --summary FILE   write every check as JSON

The Docker engine of this machine is used; without one, root on Debian (x64) gets one for that time.
Exit code: 0 when every check passes, or when containers cannot run here; 1 when one fails; 2 for a wrong call.
`
const { brokers, summary: summaryFile } = optionsOf(HELP, {
  brokers: { type: 'string', default: '1' },
  summary: { type: 'string' },
})
if (brokers !== '1' && brokers !== '3') failUsage(HELP, '--brokers must be 1 or 3')
const hasThreeBrokers = brokers === '3'

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}
const checks: Check[] = []

/** Resolves to what the action resolves to; whatever comes of it is a line of the summary. */
const check = async (name: string, action: () => Promise<string>): Promise<void> => {
  try {
    const detail = await action()
    checks.push({ name, ok: true, detail })
    progress(detail === '' ? name : `${name}: ${detail}`)
  } catch (error) {
    checks.push({ name, ok: false, detail: (error as Error).message })
    throw error
  }
}

const orSkip = <T>(value: T | string): T => {
  if (typeof value === 'string') throw new SkippedError(value)
  return value
}

const audited = async (deployment: Deployment): Promise<string> => {
  await deployment.do('stop', 'simulator')
  const findings = await deployment.audit()
  process.stdout.write(findings)
  const accepted = Number(/^accepted (\d+)/m.exec(findings)?.[1] ?? 0)
  if (accepted === 0) throw new Error('nothing was accepted')
  return `${accepted} webhooks accepted`
}

const checkCore = async (deployment: Deployment, proxyPort: string): Promise<void> => {
  await check('every container is healthy', () => deployment.up())
  await check('the proxy ends TLS, and lets webhooks alone through', () => checkProxy(proxyPort))
  await sleep(TRAFFIC_MS)
  await check(`dedup has ${REPLICAS} replicas under traffic`, async () => {
    const running = await deployment.up('--no-recreate', '--scale', `dedup=${REPLICAS}`)
    const replicas = await deployment.containersOf('dedup')
    if (replicas.length !== REPLICAS) throw new Error(`there are ${replicas.length}`)
    return running
  })
  await sleep(TRAFFIC_MS)
  await check('the audit is clean', () => audited(deployment))
}

const HEADERS = { host: 'localhost', 'content-type': 'application/json' }

/** The status that the proxy's answer has; rejects without TLS. Its certificate is of an authority of its own. */
const askProxy = (port: string, method: string, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false, timeout: 20_000 }
    const call = request({ ...options, port, method, path, headers: HEADERS }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    call
      .once('error', reject)
      .once('timeout', () => call.destroy(new Error('no answer in 20 s')))
      .end()
  })

const checkProxy = async (port: string): Promise<string> => {
  const seen = [
    ['an unsigned webhook', await askProxy(port, 'POST', '/webhooks/cxone-dataaction'), 401],
    ['an unknown source', await askProxy(port, 'POST', '/webhooks/nobody'), 404],
    ['metrics', await askProxy(port, 'GET', '/metrics'), 404],
    ['readiness', await askProxy(port, 'GET', '/readyz'), 404],
  ] as const
  const wrong = seen.filter(([, status, due]) => status !== due)
  if (wrong.length > 0) throw new Error(wrong.map(([what, status]) => `${what}: ${status}`).join(', '))
  return seen.map(([what, status]) => `${what} ${status}`).join(', ')
}

/** As production needs it: a broker that is killed takes nothing with it. */
const checkThreeBrokers = async (deployment: Deployment): Promise<void> => {
  await check('every container is healthy, with three brokers', () => deployment.up())
  await sleep(TRAFFIC_MS)
  await deployment.do('kill', 'kafka-2')
  progress('kafka-2 is killed')
  await sleep(TRAFFIC_MS)
  await check('the audit is clean while one of three brokers is gone', () => audited(deployment))
  await deployment.do('start', 'kafka-2', 'simulator')
  progress('kafka-2 is back')
  await sleep(TRAFFIC_MS)
  await check('the audit is clean with the broker back', () => audited(deployment))
}

const main = async (onStop: (stop: () => Promise<unknown>) => void): Promise<void> => {
  const compose = orSkip(await findCompose())
  const { engine, images } = await openEngine(progress)
  onStop(() => engine.stop())
  const ports = await freePorts(PORTS.length)
  const env = Object.fromEntries(
    PORTS.map((name, index) => [name, fromEnvironment(name) ?? String(ports[index])]),
  )
  const light = { WEIR_IMAGE: 'weir:check', SIMULATOR_RATE: fromEnvironment('SIMULATOR_RATE') ?? '20' }
  const deployment = new Deployment({
    engine,
    compose,
    hasThreeBrokers,
    env: { ...env, ...images, ...light },
  })
  onStop(() => deployment.down())
  try {
    await check('the image of Weir is built', async () => {
      await deployment.build()
      const megabytes = await deployment.compressedMegabytes()
      if (megabytes > IMAGE_MB_MAX) throw new Error(`it has ${megabytes} MB, of at most ${IMAGE_MB_MAX}`)
      return `${megabytes} MB compressed`
    })
    await (hasThreeBrokers ? checkThreeBrokers(deployment) : checkCore(deployment, env.PROXY_PORT!))
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
  const { message } = error as Error
  process.stdout.write(isSkipped ? `\n**** SKIPPED: ${message} ****\n\n` : `Failed: ${message}\n`)
  if (!isSkipped && checks.every(({ ok }) => ok)) {
    checks.push({ name: 'the check ran to its end', ok: false, detail: message })
  }
  exitCode = isSkipped ? 0 : 1
} finally {
  for (const stop of stops) {
    await stop().catch((error: unknown) => {
      process.stdout.write(`While stopping: ${(error as Error).message}\n`)
      checks.push({ name: 'everything stops', ok: false, detail: (error as Error).message })
      exitCode = 1
    })
  }
  if (summaryFile !== undefined) writeFileSync(summaryFile, JSON.stringify({ checks }))
}
progress('Done')
process.exit(exitCode)
