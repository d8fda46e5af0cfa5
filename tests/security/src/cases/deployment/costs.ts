import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '@weir/local-stack'
import {
  COST_SECRET,
  COST_SOURCES,
  REFERENCES,
  REQUEST_KINDS,
  type Bounds,
  type RequestKind,
} from '../../cost-kinds.ts'
import { HttpClient, type HttpRequest } from '../../http-client.ts'
import { NOT_RUN } from '../../report.ts'
import { costOf, notMeasured, peakOf, resetPeak } from '../../rig/process-cost.ts'
import { BODY_BYTES_MAX, type Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'

/** The least of so many rounds counts: what else the machine does can only add to it. */
const ROUNDS = 3
const COUNTS = { small: 40, limit: 10 } as const
/** Until the code is compiled and the heap has its size. */
const WARM_UPS = 5
const IN_BOUNDS = 'answered as due, CPU, bytes and memory in bounds'

/** An ingress that has nothing else to do. */
interface Measured {
  readonly pid: number
  readonly client: HttpClient
}

const start = async (rig: Rig): Promise<Measured> => {
  const [port] = (await freePorts(1)) as [number]
  const sourcesFile = join(rig.folders.state, 'cost-sources.yaml')
  writeFileSync(sourcesFile, COST_SOURCES)
  const whsec = `whsec_${Buffer.from(COST_SECRET).toString('base64')}`
  const { pid } = await rig.start({
    name: 'ingress-costs',
    service: 'ingress',
    probePort: port,
    until: '/readyz',
    env: {
      ...rig.environment,
      LOG_LEVEL: 'info',
      INGRESS_HOST: '127.0.0.1',
      INGRESS_PORT: String(port),
      SOURCES_FILE: sourcesFile,
      INGRESS_RATE_PER_SEC: '0',
      INGRESS_REQUEST_BUDGET_MS: '20000',
      INGRESS_BODY_BYTES_MAX: String(BODY_BYTES_MAX),
      SOURCE_PLAIN_SECRETS: COST_SECRET,
      SOURCE_PACKED_SECRETS: COST_SECRET,
      SOURCE_ELEMENTS_SECRETS: COST_SECRET,
      SOURCE_TOKEN_JWT_KEYS: COST_SECRET,
      SOURCE_PAIRS_SECRETS: `${whsec},whpk_${rig.trusted.publicBytes.toString('base64')}`,
    },
  })
  const measured = { pid, client: new HttpClient(port, rig.journal) }
  for (let i = 0; i < WARM_UPS; i++) {
    for (const name of ['small', 'limit'] as const) await cost(measured, COUNTS[name], REFERENCES[name])
  }
  return measured
}

const running = new WeakMap<Rig, Promise<Measured>>()
const ingressOf = (rig: Rig): Promise<Measured> => {
  const known = running.get(rig) ?? start(rig)
  running.set(rig, known)
  return known
}

interface Cost extends Bounds {
  readonly statuses: readonly number[]
}

/** Of one request, of `count` that are sent together; the memory is the most that there was meanwhile, KiB. */
const cost = async (
  { pid, client }: Measured,
  count: number,
  request: () => HttpRequest,
  from?: string,
): Promise<Cost> => {
  const requests = Array.from({ length: count }, () => ({
    ...request(),
    ...(from !== undefined && { from }),
  }))
  resetPeak(pid)
  const before = costOf(pid)
  const answers = await Promise.all(requests.map((one) => client.send(one)))
  const after = costOf(pid)
  return {
    cpu: (after.cpuMs - before.cpuMs) / count,
    bytes: (after.bytes - before.bytes) / count,
    memory: peakOf(pid),
    statuses: answers.map(({ status }) => status),
  }
}

interface Ratios extends Bounds {
  readonly statuses: ReadonlySet<number>
}

const least = (costs: readonly Cost[], what: 'cpu' | 'bytes'): number =>
  Math.min(...costs.map((one) => one[what]))

/**
 * What the kind costs, as ratios to its reference. A sender of its own in each round: what one may cost is bounded too.
 */
const compare = async (rig: Rig, kind: RequestKind, sender: number): Promise<Ratios> => {
  const ingress = await ingressOf(rig)
  const count = COUNTS[kind.reference]
  const good: Cost[] = []
  const own: Cost[] = []
  for (let round = 0; round < ROUNDS; round++) {
    good.push(await cost(ingress, count, REFERENCES[kind.reference]))
    own.push(await cost(ingress, count, () => kind.request(rig), `127.1.${sender}.${round + 1}`))
  }
  return {
    cpu: least(own, 'cpu') / least(good, 'cpu'),
    bytes: least(own, 'bytes') / least(good, 'bytes'),
    // The first of the good ones: memory that was needed once may stay.
    memory: Math.max(...own.map(({ memory }) => memory)) / good[0]!.memory,
    statuses: new Set(own.flatMap(({ statuses }) => statuses)),
  }
}

const MEASURES = ['cpu', 'bytes', 'memory'] as const

const excess = (ratios: Ratios, { bounds, due }: RequestKind): string => {
  const strange = [...ratios.statuses].filter((status) => !due.includes(status))
  const faults = [
    ...strange.map((status) => `status ${status}`),
    ...MEASURES.filter((what) => ratios[what] > bounds[what]).map(
      (what) => `${what} ${ratios[what].toFixed(1)} times, ${bounds[what]} at most`,
    ),
  ]
  return faults.length === 0 ? IN_BOUNDS : faults.join(', ')
}

const row = (kind: RequestKind, sender: number): SecurityCase =>
  securityCase(`cost: ${kind.what}`, IN_BOUNDS, async (rig) => {
    const why = notMeasured((await ingressOf(rig)).pid)
    if (why !== undefined) return `${NOT_RUN}${why}`
    return excess(await compare(rig, kind, sender), kind)
  })

/** Whether a bound that is broken shows: what is right for a batch is too much for a request of one event. */
const noticed = (): SecurityCase =>
  securityCase('cost: a kind that costs more than its bound', 'noticed', async (rig) => {
    const why = notMeasured((await ingressOf(rig)).pid)
    if (why !== undefined) return `${NOT_RUN}${why}`
    const batch = REQUEST_KINDS.find(({ what }) => what === '1,000 elements')!
    const strict: RequestKind = { ...batch, bounds: { cpu: 2, bytes: 0.01, memory: 0.1 } }
    const faults = excess(await compare(rig, strict, REQUEST_KINDS.length), strict)
    return MEASURES.every((what) => faults.includes(`${what} `)) ? 'noticed' : faults
  })

/** Requests of each kind, and what ingress takes of the machine for them, against good ones in the same minute. */
export const costCases = (): readonly SecurityCase[] => [...REQUEST_KINDS.map(row), noticed()]
