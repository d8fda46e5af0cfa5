import { randomBytes } from 'node:crypto'
import {
  Closers,
  logStart,
  startProbeServer,
  type Routes,
  type Service,
  type ServiceDeps,
} from '@weir/runtime'
import { TruthLedger } from '@weir/truth'
import { SETTINGS, type SimulatorConfig } from './config.ts'
import { generateWith } from './generate.ts'
import { Plan } from './plan.ts'
import { Sender, type SenderCounts } from './sender.ts'

export interface SimulatorService extends Service {
  counts(): Readonly<SenderCounts>
  /** Describes valid requests that ingress refused. */
  mismatches(): readonly string[]
  /** Resolves when `SIMULATOR_FOR_SECS` have passed and every request has a response. */
  readonly finished: Promise<void>
}

const TICK_MS = 10
const STOPPING = { status: 500, body: { status: 'failed', error: 'the simulator is stopping' } }
/** A late tick sends the requests that are overdue, but at most the requests of this time. */
const BURST_SECS_MAX = 0.25
const DRAIN_MS_MAX = 30_000

export const startSimulator = async (
  config: SimulatorConfig,
  { logger, metrics }: ServiceDeps,
): Promise<SimulatorService> => {
  logStart(logger, SETTINGS, config)
  const closers = new Closers()
  const run = randomBytes(4).toString('hex')
  const ledger = TruthLedger.open(config.truthDir, run)
  const sender = new Sender(config.targetUrl, ledger, logger)
  closers.add(async () => {
    await sender.close()
    ledger.close()
  })
  let ending: Promise<void> | undefined
  const generate = generateWith(config, sender)
  const routes: Routes = {
    'POST /simulator/generate': (query) => (ending ? Promise.resolve(STOPPING) : generate(query)),
  }
  try {
    const probes = await startProbeServer({
      port: config.probePort,
      host: config.probeHost,
      metrics,
      metricsToken: config.metricsToken,
      readiness: () => sender.mismatches(),
      routes,
    })
    closers.add(() => probes.close())
  } catch (error) {
    await closers.close()
    throw error
  }
  const plan = new Plan(config, run)
  const requests = metrics.gauge('weir_simulator_requests', 'Requests that were sent, by result.', ['result'])

  const startedAt = performance.now()
  const finish = Promise.withResolvers<undefined>()
  let lastAt = startedAt
  let owed = 0
  const tick = (): void => {
    const now = performance.now()
    owed = Math.min(owed + ((now - lastAt) / 1_000) * config.rate, Math.max(1, config.rate * BURST_SECS_MAX))
    lastAt = now
    const room = Math.max(0, config.inFlightMax - sender.inFlight)
    const count = Math.min(Math.floor(owed), room)
    owed -= count
    if (count > 0) sender.send(Array.from({ length: count }, () => plan.next(Date.now())))
    ledger.flush()
    for (const [result, value] of Object.entries(sender.counts)) requests.set({ result }, value as number)
    if (config.forSecs > 0 && now - startedAt >= config.forSecs * 1_000) void end()
  }
  const timer = setInterval(tick, TICK_MS)
  const end = (): Promise<void> => {
    ending ??= (async () => {
      clearInterval(timer)
      await sender.drain(DRAIN_MS_MAX)
      ledger.flush()
      finish.resolve(undefined)
    })()
    return ending
  }
  closers.add(end)
  return {
    stop: () => closers.close(),
    failed: new Promise<never>(() => undefined),
    readiness: () => sender.mismatches(),
    mismatches: () => sender.mismatches(),
    counts: () => ({ ...sender.counts }),
    finished: finish.promise,
  }
}
