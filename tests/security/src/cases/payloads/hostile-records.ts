import { randomBytes } from 'node:crypto'
import {
  DEAD_LETTER_STAGE_NAMES,
  HEADER,
  LETTER_TOPICS,
  TOPIC_SPECS,
  type ServiceName,
  type TopicRole,
  type WireRecord,
} from '@weir/contracts'
import { writeAborted } from '@weir/kafka/testing'
import { Deployment, SERVICES } from '../../rig/deployment.ts'
import type { Rig } from '../../rig/rig.ts'
import { runWeir } from '../../run-weir.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, signedHeaders } from '../../source-under-test.ts'

const GIANT_BYTES = 900_000
const text = (value: string): Buffer => Buffer.from(value)
/** What many of Weir's own records have, each with a value that none has. */
const RESEMBLING = {
  writer: 'foreign',
  seq: 0,
  what: 'x',
  heads: [null],
  format: 1,
  from: 'x',
  since: 1e300,
  value: {},
  kind: 'create',
  job: null,
  id: ['j'],
  source: {},
  fingerprint: [],
  count: 1e300,
  paths: 5,
}

/** Anything that is not Weir's, on whatever topic. */
const HOSTILE: Readonly<Record<string, Omit<WireRecord, 'key'>>> = {
  garbage: { value: randomBytes(200), headers: {} },
  'no headers': { value: text('{"id":"x"}'), headers: {} },
  'headers that cannot be decoded': {
    value: text('{}'),
    headers: {
      [HEADER.eventKey]: Buffer.alloc(3),
      [HEADER.source]: Buffer.from([0xff, 0xfe, 0]),
      [HEADER.bodyHash]: Buffer.alloc(9),
      [HEADER.receivedAt]: text('never'),
      [HEADER.replayCount]: text('1e300'),
      [HEADER.dlqSourceOffset]: text('-x'),
    },
  },
  'a giant value': { value: Buffer.alloc(GIANT_BYTES, 'x'), headers: {} },
  'a giant header': { value: text('{}'), headers: { other: Buffer.alloc(GIANT_BYTES) } },
  'a tombstone': { value: null, headers: {} },
  'an empty value': { value: Buffer.alloc(0), headers: {} },
  '60,000 levels': { value: text('['.repeat(60_000) + ']'.repeat(60_000)), headers: {} },
  'one that resembles': { value: text(JSON.stringify(RESEMBLING)), headers: {} },
}
const COUNT = Object.keys(HOSTILE).length

const hostile = (): readonly WireRecord[] =>
  Object.entries(HOSTILE).map(([what, record]) => ({ key: text(`hostile|${what}`), ...record }))

const LETTERS = `${COUNT} letters record_invalid`
const PASSED = 'no letter'

/** What becomes of them. Behind each the pipeline goes on: a good event reaches its row, and all services are ready. */
const FATES: Readonly<Record<TopicRole, string>> = {
  received: LETTERS,
  unique: LETTERS,
  seen: PASSED,
  stats: PASSED,
  duplicates: PASSED,
  dedupDlq: PASSED,
  dedupReplay: LETTERS,
  normalized: LETTERS,
  shapes: PASSED,
  schemasObserved: PASSED,
  schemasApproved: PASSED,
  normalizerDlq: PASSED,
  normalizerReplay: LETTERS,
  persistenceDlq: PASSED,
  persistenceReplay: LETTERS,
  replayCommands: PASSED,
  replayState: PASSED,
  starts: PASSED,
  settings: PASSED,
  auditLog: PASSED,
}

/** Those that read it when they start. `seen` has rows of its own. */
const READ_AT_START: Partial<Record<TopicRole, readonly ServiceName[]>> = {
  schemasObserved: ['normalizer', 'persistence'],
  schemasApproved: ['normalizer'],
  replayState: ['replay'],
  starts: ['normalizer', 'replay'],
  settings: ['ingress'],
  auditLog: ['replay'],
}

const running = new WeakMap<Rig, Promise<Deployment>>()
const deploymentOf = (rig: Rig): Promise<Deployment> => {
  const known = running.get(rig) ?? Deployment.start(rig)
  running.set(rig, known)
  return known
}

/** Letters about records of a topic, by reason. */
const lettersAbout = async ({ log, topics }: Deployment, role: TopicRole): Promise<readonly string[]> => {
  const reasons: string[] = []
  for (const letters of LETTER_TOPICS) {
    for (const { headers } of await log.records(letters)) {
      if (headers[HEADER.dlqSourceTopic]?.toString() !== topics[role]) continue
      reasons.push(headers[HEADER.dlqReason]?.toString() ?? 'no reason')
    }
  }
  return reasons
}

const described = (reasons: readonly string[]): string => {
  if (reasons.length === 0) return PASSED
  const kinds = [...new Set(reasons)].sort().join(' and ')
  return `${reasons.length} ${reasons.length === 1 ? 'letter' : 'letters'} ${kinds}`
}

/** A replay topic is read beside the events: its letters may come after a good event's row. */
const whenDecided = async (deployment: Deployment, role: TopicRole): Promise<string> => {
  const deadline = performance.now() + 60_000
  for (;;) {
    const fate = described(await lettersAbout(deployment, role))
    if (fate === FATES[role] || performance.now() > deadline) return fate
  }
}

/** Through ingress to PostgreSQL. */
const goodEvent = async (rig: Rig, deployment: Deployment): Promise<string> => {
  const { cxone } = rig.sources
  const raw = bodyOf(cxone)
  const { status, body } = await deployment
    .client('ingress')
    .send({ path: cxone.path, headers: signedHeaders(cxone, raw), raw })
  if (status !== 200) return `a good event gets ${status}`
  const { eventKey } = JSON.parse(body) as { eventKey: string }
  const row = await rig.rows.untilOne(`SELECT 1 FROM events WHERE encode(event_key, 'hex') = $1`, [eventKey])
  return row === undefined ? 'a good event is not stored' : 'a good event stored'
}

/** Services that are not ready, and questions of people that are not answered. */
const complaints = async (deployment: Deployment): Promise<readonly string[]> => {
  const found: string[] = []
  for (const name of SERVICES) {
    const state = await deployment.state(name)
    if (state !== 'ready') found.push(`${name} ${state}`)
  }
  const headers = ['authorization', `Bearer ${deployment.token}`]
  const questions = [
    ...DEAD_LETTER_STAGE_NAMES.flatMap((stage) => [
      `/v1/letters?stage=${stage}&status=any`,
      `/v1/letters/export?stage=${stage}&status=any`,
    ]),
    '/v1/jobs',
  ]
  for (const path of questions) {
    const { status } = await deployment
      .client('replay')
      .send({ method: 'GET', path, headers, raw: Buffer.alloc(0) })
    if (status !== 200) found.push(`${path} ${status}`)
  }
  return found
}

const outcome = async (rig: Rig, deployment: Deployment): Promise<string> => {
  const stored = await goodEvent(rig, deployment)
  const found = await complaints(deployment)
  return `${stored}, ${found.length === 0 ? 'all ready' : found.join(', ')}`
}

const GOES_ON = 'a good event stored, all ready'

const topicRow = (role: TopicRole, name: string): SecurityCase => {
  const restarted = READ_AT_START[role] ?? []
  const what = restarted.length === 0 ? name : `${name}, ${restarted.join(' and ')} started again`
  return securityCase(
    `hostile records: ${what}`,
    `${FATES[role]}, ${GOES_ON}`,
    async (rig) => {
      const deployment = await deploymentOf(rig)
      await deployment.write(role, hostile())
      await writeAborted(deployment.settings, deployment.topics[role], 0)
      for (const service of restarted) {
        await deployment.restart(service)
        await deployment.state(service)
      }
      const seen = await outcome(rig, deployment)
      return `${await whenDecided(deployment, role)}, ${seen}`
    },
    { tier: 'full' },
  )
}

const auditRow = (): SecurityCase =>
  securityCase(
    'hostile records: weir audit-log verify after them',
    `code 1, ${COUNT} faults; ls: code 0`,
    async (rig) => {
      const { environment } = await deploymentOf(rig)
      const weir = (...args: readonly string[]) => runWeir('cli/src/main.ts', args, environment)
      const verified = await weir('audit-log', 'verify', '--json')
      const { faultCount } = JSON.parse(verified.stdout) as { faultCount: number }
      const listed = await weir('audit-log', 'ls')
      return `code ${verified.code}, ${faultCount} faults; ls: code ${listed.code}`
    },
    { tier: 'full' },
  )

/** The reason of a parked service without its places and numbers. */
const PARKED: readonly (readonly [RegExp, string])[] = [
  [/^parked: .*rebuild-state/, 'parked as damaged'],
  [/^parked: .*not the note of a start/, 'parked as no note of a start'],
]
const briefly = (state: string): string => PARKED.find(([pattern]) => pattern.test(state))?.[1] ?? state

interface Parking {
  readonly role: TopicRole
  readonly service: ServiceName
  readonly records: (deployment: Deployment) => readonly WireRecord[]
}

const parkingRow = (what: string, expected: string, { role, service, records }: Parking): SecurityCase =>
  securityCase(
    `hostile records: ${what}, ${service} started again, then tombstones for them`,
    `${expected}; ${GOES_ON}`,
    async (rig) => {
      const deployment = await deploymentOf(rig)
      const foreign = records(deployment)
      await deployment.write(role, foreign)
      await deployment.restart(service)
      const parked = await deployment.state(service)
      await deployment.write(
        role,
        foreign.map(({ key }) => ({ key, value: null, headers: {} })),
      )
      await deployment.resume(service)
      return `${briefly(parked)}; ${await outcome(rig, deployment)}`
    },
    { tier: 'full' },
  )

/** Records of somebody else on each topic. Last of all: no other row shall wait for what they park. */
export const hostileRecordCases = (): readonly SecurityCase[] => [
  ...TOPIC_SPECS.map(({ role, name }) => topicRow(role, name)),
  auditRow(),
  parkingRow('the state of dedup', 'parked as damaged', { role: 'seen', service: 'dedup', records: hostile }),
  parkingRow('the note of a start', 'parked as no note of a start', {
    role: 'starts',
    service: 'normalizer',
    records: ({ settings, topics }) => [
      { key: text(`${settings.topicPrefix}normalizer|${topics.unique}`), value: text('{'), headers: {} },
    ],
  }),
]
